"""The numbers that limit what may be done, and those that several limits are made of.

Declared in one place because gates, sizing and breakers must hold the same value against
the same base; each doc names that base.
"""

from __future__ import annotations

import math

from engine.core.parameters import Parameters, declare

# What may be open.
MAX_OPEN = declare(
    "cand.max_open_positions", 10, low=1, high=24, step=1, unit="count", scopes="G", risk=1,
    doc="Most positions open at a time.",
)  # fmt: skip
MAX_CONCURRENT = declare(
    "pos.max_concurrent", 16, low=4, high=24, step=1, unit="count", scopes="GR", risk=1,
    doc="Most positions open at a time, by regime; the lower of the two holds.",
)  # fmt: skip
MAX_NEW = declare(
    "pos.max_new_per_cycle", 6, low=1, high=10, step=1, unit="count", scopes="GR", risk=1,
    doc="Most positions opened in one cycle.",
)  # fmt: skip
MAX_TRADES = declare(
    "cand.max_trades_per_day", 50, low=5, high=200, step=5, unit="count", scopes="G", risk=1,
    doc="Most trades opened from one 00:00 UTC to the next.",
)  # fmt: skip
COOLDOWN_MINUTES = declare(
    "pos.cooldown_min_per_ticker", 15, low=0, high=240, step=5, unit="min", scopes="GRY", risk=-1,
    doc="Time after the end of a position before its symbol may be entered again.",
)  # fmt: skip
ORDERS_PER_SECOND = declare(
    "cb.orders_per_s", 5, low=1, high=20, step=1, unit="1/s", scopes="G", risk=1,
    doc="Most orders sent within one second.", learnable=False,
)  # fmt: skip
MAX_LEVERAGE = declare(
    "lev.max_leverage", 10, low=1, high=10, step=1, unit="x", scopes="GRY", risk=1,
    doc="Most leverage of a position on a perpetual; spot is always 1.",
)  # fmt: skip

# What a market must be like.
MAX_SPREAD = declare(
    "exec.max_spread_bps", 50.0, low=5, high=100, step=5, unit="bps", scopes="GRY", risk=1,
    doc="Widest spread at which an entry is made, of the mid price.",
)  # fmt: skip

MAX_SKEW = declare(
    "exec.max_clock_skew_s", 1.0, low=0.1, high=5, step=0.1, unit="s", scopes="G", risk=1,
    learnable=False,
    doc="Most that this machine's clock may be off the venue's; it would refuse a signed order.",
)  # fmt: skip

# How large.
MAX_POSITION = declare(
    "size.max_position_pct", 25.0, low=5, high=50, step=1, unit="% equity", scopes="G", risk=1,
    doc="Hard cap of one symbol's notional, of equity; above 25 only in profile aggressive.",
)  # fmt: skip
PROFILE_POSITION = declare(
    "size.profile_max_pos_pct", 10.0, low=2, high=25, step=1, unit="%", scopes="G", risk=1,
    doc="The profile's cap of one symbol's notional, of equity.",
)  # fmt: skip
SYMBOL_EXPOSURE = declare(
    "risk.max_symbol_exposure_pct", 10.0, low=3, high=25, step=1, unit="%", scopes="GR", risk=1,
    doc="Most notional in one symbol, of equity, all its positions together.",
)  # fmt: skip
RISK_REGULAR = declare(
    "size.risk_regular_pct", 1.0, low=0.25, high=3, step=0.25, unit="%", scopes="GR", risk=1,
    doc="Loss at the stop of an ordinary entry, of equity.",
)  # fmt: skip
RISK_DIAMOND = declare(
    "size.risk_diamond_pct", 2.0, low=0.5, high=4, step=0.25, unit="%", scopes="GR", risk=1,
    doc="Loss at the stop of a diamond, of equity.",
)  # fmt: skip
RISK_CEILING = declare(
    "risk.ceiling_per_trade_pct", 3.0, low=0.5, high=3.0, step=0.25, unit="% equity", scopes="G",
    risk=1, doc="No boost lifts the loss at the stop of one entry above this, of equity.",
    learnable=False,
)  # fmt: skip
VOL_HIGH = declare(
    "risk.vol_high_pct", 3.0, low=1.5, high=8, step=0.25, unit="% daily", scopes="GY", risk=1,
    doc="Daily volatility above which sizes are reduced.",
)  # fmt: skip
VOL_HIGH_FACTOR = declare(
    "risk.vol_high_factor", 0.7, low=0.3, high=1.0, step=0.05, unit="factor", scopes="G", risk=1,
    doc="Size factor in a volatile market.",
)  # fmt: skip
FACTOR_MAX = declare(
    "size.factor_max", 1.5, low=1.0, high=1.5, step=0.05, unit="factor", scopes="G", risk=1,
    doc="The product of all size factors is held to this from above, never from below.",
    learnable=False,
)  # fmt: skip

# How much may be lost.
DAILY_RISK = declare(
    "risk.max_daily_risk_pct", 6.0, low=1, high=10, step=0.5, unit="%", scopes="G", risk=1,
    doc="Losses at the stops of all entries since 00:00 UTC together, of day-start equity.",
)  # fmt: skip
DAILY_LOSS = declare(
    "risk.daily_loss_pct", 4.0, low=1, high=6, step=0.5, unit="% equity", scopes="GR", risk=1,
    doc="Loss since 00:00 UTC, realised and not, of day-start equity, that ends the day.",
)  # fmt: skip
MAX_DRAWDOWN = declare(
    "risk.max_drawdown_pct", 20.0, low=8, high=25, step=1, unit="%", scopes="G", risk=1,
    doc="Fall from the equity high-water mark that halts trading.",
)  # fmt: skip


def max_open(parameters: Parameters, regime: str | None = None) -> int:
    """How many positions may be open: the lower of the two limits."""
    return int(min(parameters.get(MAX_OPEN), parameters.get(MAX_CONCURRENT, regime=regime)))


def position_cap_pct(parameters: Parameters, regime: str | None = None) -> float:
    """Most notional in one symbol, in percent of equity: the strictest of the three caps."""
    return float(
        min(
            parameters.get(PROFILE_POSITION),
            parameters.get(MAX_POSITION),
            parameters.get(SYMBOL_EXPOSURE, regime=regime),
        )
    )


def risk_pct(parameters: Parameters, diamond: bool, regime: str | None = None) -> float:
    """Base risk of one trade, in percent of equity, never above the ceiling."""
    base = parameters.get(RISK_DIAMOND if diamond else RISK_REGULAR, regime=regime)
    return float(min(base, parameters.get(RISK_CEILING)))


def risk_limit_pct(parameters: Parameters, diamond: bool, regime: str | None = None) -> float:
    """Most risk of one trade with every boost there may be, in percent of equity."""
    boosted = risk_pct(parameters, diamond, regime) * parameters.get(FACTOR_MAX)
    return float(min(boosted, parameters.get(RISK_CEILING)))


def loss_pct(start: float, now: float) -> float:
    """How far `now` lies below `start`, in percent of `start`; 0 where it doesn't.

    NaN where either is no number or there was nothing to lose: no gate admits that.
    """
    if not start > 0.0:
        return math.nan
    lost = (start - now) / start * 100.0
    return 0.0 if lost < 0.0 else lost
