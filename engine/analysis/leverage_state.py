"""The state on which leverage is chosen and by which its trades are remembered: 35 values.

One function puts them in their order, so that what a trade wrote down and what an agent is
asked later are the same thing. A value that a feed or the moment does not have is absent by
name; zero is a value like any other.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from engine.core.types import EntryConditions

LEVERAGE_FEATURES = (
    "price_change_1h", "price_change_4h", "price_change_24h", "price_vs_ema20",
    "price_vs_ema50", "price_vs_vwap",
    "rsi", "rsi_change", "macd_hist", "macd_signal_cross", "momentum_5", "momentum_20",
    "atr_ratio", "bb_position", "bb_width", "volatility_ratio", "high_volatility",
    "adx", "trend_direction", "trend_strength", "ema_alignment",
    "volume_ratio", "buy_volume_ratio",
    "funding_rate", "open_interest_change", "long_short_ratio",
    "current_position", "current_leverage", "position_pnl", "position_duration",
    "unrealized_pnl", "margin_ratio",
    "drawdown_current", "consecutive_losses", "win_rate_recent",
)  # fmt: skip
"""Price, momentum, volatility, trend, volume, market structure, position, risk; in this order."""

_OF_THE_ROW = frozenset(LEVERAGE_FEATURES[:22]) - {"high_volatility"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What no indicator tells; NaN is not known.

    `high_volatility` is 1 or 0; `buy_volume_ratio` the share of the last decision bar's
    volume that buyers took; `funding_rate` the last one paid, as a share of the notional.
    `current_position` is 1 long, -1 short, 0 flat, and what a flat one has earned is 0.
    Percent are points; `position_duration` is in hours. `margin_ratio` is maintenance over
    balance and exists where there is margin; `win_rate_recent` is in [0, 1].
    """

    high_volatility: float = math.nan
    buy_volume_ratio: float = math.nan
    funding_rate: float = math.nan
    open_interest_change: float = math.nan
    long_short_ratio: float = math.nan
    current_position: float = math.nan
    current_leverage: float = math.nan
    position_pnl: float = math.nan
    position_duration: float = math.nan
    unrealized_pnl: float = math.nan
    margin_ratio: float = math.nan
    drawdown_current: float = math.nan
    consecutive_losses: float = math.nan
    win_rate_recent: float = math.nan


def leverage_state(feature: Callable[[str], float], around: Surroundings) -> EntryConditions:
    """The 35 in order; `feature` gives a value of the last decision bar's row by name."""
    values = [
        (name, feature(name) if name in _OF_THE_ROW else getattr(around, name))
        for name in LEVERAGE_FEATURES
    ]
    return EntryConditions(
        known=tuple((name, float(value)) for name, value in values if math.isfinite(value)),
        absent=tuple(name for name, value in values if not math.isfinite(value)),
    )


def as_vector(conditions: EntryConditions) -> tuple[float, ...]:
    """All 35 in order for an agent, NaN where absent."""
    known = dict(conditions.known)
    return tuple(known.get(name, math.nan) for name in LEVERAGE_FEATURES)
