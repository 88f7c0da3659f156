"""What was learned: the change ledger, and every learner that proposes to it."""
