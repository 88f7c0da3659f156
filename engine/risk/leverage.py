"""The leverage manager: how much leverage an entry on a perpetual gets, stage by stage.

A base is adjusted by what is known of volatility, trend, confidence, regime and margin in
use, brought down to a level that exists, and limited until its stop fires before its
liquidation does. Every stage is a row, so that a person reads how 5x became 3x; what is not
known is named and adjusts nothing.

Leverage by itself moves no limit. A leveraged entry may be √leverage times as large, as far
as boosts and caps of any entry allow, and two caps are its own: the risk budget, and what
Kelly's fraction of the proven edge carries. An edge that isn't proven gets the smallest size.

The manager chooses up to `lev.auto_max`, 1 unless a profile or a person sets it: leverage is
nobody's default. A person may ask for more in a proposal, up to `lev.max_leverage`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal

from engine.core.parameters import Parameter, Parameters
from engine.core.regimes import Regime
from engine.core.types import Direction, ExpectedValue, Instrument, SizeFactor
from engine.risk.kelly import kelly_pct
from engine.risk.leverage_settings import (
    ADX_BOOST,
    ADX_CUT,
    ADX_STRONG,
    ADX_WEAK,
    AUTO_MAX,
    HIGH_LEVERAGE,
    HIGH_VOL,
    LOW_LEVERAGE,
    LOW_VOL,
    MARGIN_IN_USE,
    MIN_SIZE,
    RATIO_HIGH,
    RATIO_LOW,
    REGIME_FACTORS,
    RISK_BUDGET,
    SURE,
    SURE_BOOST,
    TREND_BOOST,
    TREND_CUT,
    TREND_STRONG,
    TREND_WEAK,
    UNSURE,
    UNSURE_CUT,
    VOL_BOOST,
    VOL_CUT,
)
from engine.risk.limits import MAX_LEVERAGE
from engine.risk.liquidation import Protection
from engine.risk.margin import Margin, Tiers

LEVELS = (1, 2, 3, 5, 10)
"""What leverage may be chosen; an adjusted value is brought down to one of these."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeverageContext:
    """What leverage is chosen from. NaN and None are not known.

    `base` is who proposes's own wish, None for the manager's. `vol_ratio` is short against
    long volatility; `trend` the gap of the trend averages in ATR, positive in the entry's
    favour. `margin_used` is the share of equity put aside for open positions. `notional` is
    about what the entry will be worth, `per_trade` its expected value.
    """

    instrument: Instrument
    direction: Direction
    strategy: str
    confidence: float
    price: Decimal
    stop: Decimal
    notional: Decimal
    tiers: Tiers
    per_trade: ExpectedValue
    base: int | None = None
    regime: Regime | None = None
    daily_vol_pct: float = math.nan
    vol_ratio: float = math.nan
    trend: float = math.nan
    adx: float = math.nan
    margin_used: float = 0.0


@dataclass(frozen=True, slots=True)
class Leverage:
    """The answer: a level, the rows that led to it, and what it means for the size.

    `factors` go into the size like any other factor, `caps` hold it, in percent of equity.
    `most` is what `most_leverage` allows, for leverage above 1.
    """

    value: int
    stages: tuple[SizeFactor, ...]
    absent: tuple[str, ...] = ()
    factors: tuple[tuple[str, float], ...] = ()
    caps: tuple[tuple[str, float], ...] = ()
    most: int | None = None


def choose(context: LeverageContext, parameters: Parameters) -> Leverage:
    """The manager's own choice for one entry; 1 without rows where there is none to make."""
    label = context.regime.value if context.regime is not None else None
    symbol = context.instrument.symbol
    most = min(parameters.get(AUTO_MAX, symbol, label), parameters.get(MAX_LEVERAGE, symbol, label))
    if not context.instrument.can_short or most <= 1:
        return Leverage(1, ())
    stages = _Stages(context, parameters)
    adjusted = stages.run()
    level = max(level for level in LEVELS if level == 1 or level <= adjusted + 1e-9)
    stages.note("leverage level", float(level), float(level))
    room = most_leverage(context, parameters)
    allowed = max(level for level in LEVELS if level == 1 or level <= min(most, room))
    if allowed < level:
        name = "leverage at most" if most <= room else "leverage within its stop"
        stages.note(name, float(min(most, room)), float(allowed))
        level = allowed
    return fixed(level, context, parameters, tuple(stages.rows), tuple(stages.absent))


def fixed(
    level: int,
    context: LeverageContext,
    parameters: Parameters,
    stages: tuple[SizeFactor, ...] = (),
    absent: tuple[str, ...] = (),
) -> Leverage:
    """What a given leverage means for the size; a person's own goes the same way."""
    if level <= 1:
        return Leverage(1, stages, absent)
    label = context.regime.value if context.regime is not None else None
    proven = kelly_pct(context.per_trade, parameters, context.strategy, label)
    least = float(parameters.get(MIN_SIZE))
    away = (context.price - context.stop) * context.direction.sign
    caps = [("Kelly, of the proven edge", max(proven, least))]
    if context.stop > 0 and away > 0:
        share = float(away / context.price)
        caps.append(("risk budget", float(parameters.get(RISK_BUDGET)) / share))
    return Leverage(
        value=level,
        stages=stages,
        absent=absent,
        factors=((f"leverage {level}x", math.sqrt(level)),),
        caps=tuple(caps),
        most=most_leverage(context, parameters),
    )


def most_leverage(context: LeverageContext, parameters: Parameters) -> int:
    """The most leverage at which the stop fires before the liquidation guard does.

    The venue's own limit for this notional counts too, and an entry must not begin in
    the danger zone. 1 where more is too much.
    """
    if not context.instrument.can_short:
        return 1
    sign, venue = context.direction.sign, context.tiers.leverage(context.notional)
    for level in range(int(MAX_LEVERAGE.high or 1), 1, -1):
        if level > venue:
            continue
        margin = Margin.at(
            context.direction, context.price, context.notional / context.price, level,
            context.tiers,
        )  # fmt: skip
        protection = Protection.of(margin, parameters)
        if protection is None:
            return level
        beyond = (float(context.stop) - protection.guard) * sign > 0.0
        if beyond and not protection.in_danger(float(context.price)):
            return level
    return 1


class _Stages:
    """The base and its adjustments, row by row."""

    def __init__(self, context: LeverageContext, parameters: Parameters) -> None:
        self._context, self._parameters = context, parameters
        self.rows: list[SizeFactor] = []
        self.absent: list[str] = []
        self._value = 1.0

    def note(self, name: str, value: float, result: float) -> None:
        self.rows.append(SizeFactor(name=name, value=value, result=result))

    def run(self) -> float:
        context, get = self._context, self._parameters.get
        base = float(context.base) if context.base is not None else self._base()
        self._value = base
        self.note("leverage base", base, base)
        self._graded("volatility", context.vol_ratio, RATIO_LOW, VOL_BOOST, RATIO_HIGH, VOL_CUT)
        self._graded("trend", context.trend, TREND_WEAK, TREND_CUT, TREND_STRONG, TREND_BOOST)
        self._graded("ADX", context.adx, ADX_WEAK, ADX_CUT, ADX_STRONG, ADX_BOOST)
        self._graded("confidence", context.confidence, UNSURE, UNSURE_CUT, SURE, SURE_BOOST)
        if context.regime is None:
            self.absent.append("leverage regime")
        else:
            factor = float(get(REGIME_FACTORS[context.regime]))
            self._times(f"regime {context.regime}", factor)
        if context.margin_used > get(MARGIN_IN_USE):
            self._times("margin in use", max(0.0, 1.0 - context.margin_used))
        return self._value

    def _base(self) -> float:
        """By the market's volatility; where that isn't known, none."""
        vol, symbol, get = (
            self._context.daily_vol_pct,
            self._context.instrument.symbol,
            self._parameters.get,
        )
        if math.isnan(vol):
            self.absent.append("leverage base")
            return 1.0
        if vol > get(HIGH_VOL, symbol):
            return 1.0
        return float(get(HIGH_LEVERAGE if vol < get(LOW_VOL, symbol) else LOW_LEVERAGE))

    def _graded(
        self,
        name: str,
        value: float,
        low: Parameter,
        below: Parameter,
        high: Parameter,
        above: Parameter,
    ) -> None:
        """One factor below a threshold, another above a higher one, none between them."""
        get = self._parameters.get
        if math.isnan(value):
            self.absent.append(f"leverage {name}")
        elif value < get(low):
            self._times(name, float(get(below)))
        elif value > get(high):
            self._times(name, float(get(above)))
        else:
            self._times(name, 1.0)

    def _times(self, name: str, factor: float) -> None:
        self._value *= factor
        self.note(f"leverage {name}", factor, self._value)
