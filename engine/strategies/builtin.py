"""The strategies that come with the house, in the order in which they are asked."""

from __future__ import annotations

from engine.strategies.base import Strategy
from engine.strategies.ma_crossover import MaCrossover
from engine.strategies.rsi_reversion import RsiReversion
from engine.strategies.technical import TechnicalSignal


def builtin_strategies() -> tuple[Strategy, ...]:
    """One of each; equal rank in coordination is settled by this order."""
    return (TechnicalSignal(), RsiReversion(), MaCrossover())
