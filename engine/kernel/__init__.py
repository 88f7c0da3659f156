"""The one thread that owns all mutable state, and the cycle that reads as the trading loop."""
