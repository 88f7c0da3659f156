"""How an open position is watched: one compiled step for ticks, replay and backtests."""
