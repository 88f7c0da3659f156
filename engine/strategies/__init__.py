"""Who proposes: one file a strategy, one protocol, signal coordination."""
