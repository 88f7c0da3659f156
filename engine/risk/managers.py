"""Risk managers: how much one entry may lose, and whether good times may make it larger.

A manager sets the risk budget of an entry and may leave boosts out; it can only stay at or
below what the limits allow, because those are applied after it. Exchanged by name like a
sizer, so that a strategy of another temper needs no engine of its own.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple, Protocol

from engine.core.parameters import Parameters, declare
from engine.decision.size import REGIME_SIZE, regime_factor
from engine.risk.limits import RISK_CEILING, VOL_HIGH, VOL_HIGH_FACTOR, risk_pct

if TYPE_CHECKING:
    from engine.risk.sizing import SizeContext

PER_TRADE = declare(
    "risk.per_trade_pct", 1.5, low=0.25, high=3, step=0.25, unit="% equity", scopes="GRT", risk=1,
    doc="Loss at the stop of every entry under the risk manager fixed, of equity.",
)  # fmt: skip


class Terms(NamedTuple):
    """What a manager grants: risk in percent of equity, why, and whether boosts count."""

    risk: float
    why: str
    boosts: bool = True


class RiskManager(Protocol):
    """The contract: a finite budget, at least 0 and never above the ceiling of one trade."""

    name: str

    def terms(self, context: SizeContext, p: Parameters) -> Terms:
        """The terms of this entry."""
        ...


def _regime_name(context: SizeContext) -> str | None:
    return context.regime.value if context.regime is not None else None


class Core:
    """The risk of one trade as it is set, with every boost that the account has earned."""

    name = "core"

    def terms(self, context: SizeContext, p: Parameters) -> Terms:
        return Terms(risk_pct(p, context.diamond, _regime_name(context)), "risk per trade")


class RegimeAdaptive:
    """Less risk where the regime is bad, and the least where none is known. Never more."""

    name = "regime_adaptive"

    def terms(self, context: SizeContext, p: Parameters) -> Terms:
        symbol = context.instrument.symbol
        if context.regime is None:
            share = min(float(p.get(one, symbol)) for one in REGIME_SIZE.values()) / 100.0
        else:
            share = regime_factor(p, symbol, context.regime, context.regime_confidence)
        base = risk_pct(p, context.diamond, _regime_name(context))
        return Terms(base * min(1.0, share), "risk per trade in this regime")


class Volatility:
    """Equal risk in unequal markets: the budget shrinks as volatility exceeds what is high.

    Unknown volatility is treated as high.
    """

    name = "volatility"

    def terms(self, context: SizeContext, p: Parameters) -> Terms:
        base = risk_pct(p, context.diamond, _regime_name(context))
        vol = context.daily_vol_pct
        if math.isnan(vol):
            share = float(p.get(VOL_HIGH_FACTOR))
        else:
            high = float(p.get(VOL_HIGH, context.instrument.symbol))
            share = min(1.0, high / vol) if vol > 0.0 else 1.0
        return Terms(base * share, "risk per trade at this volatility")


class Fixed:
    """The same risk for every entry, whatever the market or the last trades were."""

    name = "fixed"

    def terms(self, context: SizeContext, p: Parameters) -> Terms:
        risk = float(p.get(PER_TRADE, regime=_regime_name(context), strategy=context.strategy))
        return Terms(min(risk, float(p.get(RISK_CEILING))), "fixed risk per trade", boosts=False)


CORE = Core()

MANAGERS: Mapping[str, RiskManager] = {
    manager.name: manager for manager in (CORE, RegimeAdaptive(), Volatility(), Fixed())
}

OWN = "own"
MANAGER = declare(
    "risk.manager", OWN, choices=(OWN, *MANAGERS), unit="name", scopes="GT", risk=0,
    doc="Which risk manager sets the risk of an entry; `own` is the one the strategy names.",
    learnable=False,
)  # fmt: skip


def manager_of(parameters: Parameters, strategy: str, own: str) -> RiskManager:
    """The manager in force: set by name, else the strategy's own; an unknown own is core."""
    chosen = str(parameters.get(MANAGER, strategy=strategy))
    return MANAGERS.get(own if chosen == OWN else chosen, CORE)
