"""What we hold and how we did: ledger, positions, metrics, attribution."""
