"""How it is done: proposals and approvals, sniper, brokers, reconciliation."""
