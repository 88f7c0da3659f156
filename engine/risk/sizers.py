"""Sizers: how large an entry wants to be, before the account and its limits have a say.

Each answers one question, the base size in percent of equity, and leaves factors, caps and
the lot grid to `size_entry`. So a sizer can be exchanged by name, by a strategy, a person or
a profile, and none of them can exceed a limit.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

from engine.core.parameters import Parameters, declare
from engine.core.regimes import Regime
from engine.decision.size import BASE, REGIME_SIZE, confidence_factor
from engine.risk.kelly import kelly_pct

if TYPE_CHECKING:
    from engine.risk.sizing import SizeContext

KELLY_CONFIDENCE = declare(
    "size.kelly_min_confidence", 0.70, low=0.5, high=0.9, step=0.05, unit="prob", scopes="G",
    risk=-1, doc="Confidence from which Kelly's fraction sizes an entry; below, confidence does.",
)  # fmt: skip
KELLY_TRADES = declare(
    "size.kelly_min_trades", 30, low=10, high=200, step=5, unit="count", scopes="GT", risk=-1,
    doc="Closed trades of a strategy from which its edge counts as measured for Kelly.",
)  # fmt: skip
BASE_AMOUNT = declare(
    "pos.base_size_usd", 500.0, low=100, high=2000, step=50, unit="USD", scopes="GRY", risk=1,
    doc="Size of an entry by the sizer fixed_amount, in the quote currency.",
)  # fmt: skip
VOL_CAP = declare(
    "pos.size_vol_cap", 3.0, low=1.0, high=8.0, step=0.5, unit="%", scopes="GRY", risk=1,
    doc="Daily volatility from which the sizer fixed_amount shrinks in proportion.",
)  # fmt: skip

Step = tuple[str, float, float]
"""Name of a step, its value, and the size in percent of equity behind it."""


class Sizer(Protocol):
    """The contract: steps to a base size, finite and never negative, the last one counts.

    `distance` is from entry to stop as a fraction of the price, above 0; `risk` what the
    risk manager allows to be lost there, in percent of equity.
    """

    name: str

    def steps(
        self, context: SizeContext, p: Parameters, distance: float, risk: float
    ) -> tuple[Step, ...]:
        """The steps in their order, at least one."""
        ...


class ConfidenceScaled:
    """base × confidence^exponent: an unsure decision is small out of proportion."""

    name = "confidence_scaled"

    def steps(
        self, context: SizeContext, p: Parameters, distance: float, risk: float
    ) -> tuple[Step, ...]:
        base = float(p.get(BASE, strategy=context.strategy))
        sure = confidence_factor(p, context.confidence, context.strategy)
        return ("base", base, base), ("confidence", sure, base * sure)


class ConfidenceWeighted:
    """base × confidence: in proportion to how sure the decision is."""

    name = "confidence_weighted"

    def steps(
        self, context: SizeContext, p: Parameters, distance: float, risk: float
    ) -> tuple[Step, ...]:
        base = float(p.get(BASE, strategy=context.strategy))
        sure = min(1.0, max(0.0, context.confidence))
        return ("base", base, base), ("confidence weight", sure, base * sure)


class FixedFraction:
    """The size whose loss at the stop is the same fraction of equity each time."""

    name = "fixed_fraction"

    def steps(
        self, context: SizeContext, p: Parameters, distance: float, risk: float
    ) -> tuple[Step, ...]:
        return (("fixed fraction at risk", risk, risk / distance),)


class FixedAmount:
    """The same amount of money each time, less where the market moves more than usual.

    A volatility that is not known counts as twice the cap: half the amount.
    """

    name = "fixed_amount"

    def steps(
        self, context: SizeContext, p: Parameters, distance: float, risk: float
    ) -> tuple[Step, ...]:
        symbol = context.instrument.symbol
        regime = context.regime.value if context.regime is not None else None
        amount = float(p.get(BASE_AMOUNT, symbol, regime))
        pct = amount / context.equity * 100.0
        cap = float(p.get(VOL_CAP, symbol, regime))
        vol = context.daily_vol_pct
        calm = 0.5 if math.isnan(vol) else min(1.0, cap / vol) if vol > 0.0 else 1.0
        return ("fixed amount", amount, pct), ("volatility cap", calm, pct * calm)


class RegimeAdaptive:
    """The whole base, and the regime alone says how much of it.

    The regime's own factor is applied to every entry later; where no regime is known, that
    factor is missing, and the strictest one stands in here.
    """

    name = "regime_adaptive"

    def steps(
        self, context: SizeContext, p: Parameters, distance: float, risk: float
    ) -> tuple[Step, ...]:
        base = float(p.get(BASE, strategy=context.strategy))
        first = ("base", base, base)
        if context.regime is not None:
            return (first,)
        symbol = context.instrument.symbol
        strict = min(float(p.get(one, symbol)) for one in REGIME_SIZE.values()) / 100.0
        return first, ("regime not known", strict, base * strict)


class Kelly:
    """A fraction of Kelly's bet on the lower bound of the edge, for sure decisions.

    An edge that was measured and isn't there gives no size at all. Where the decision isn't
    sure or too few trades have been made, confidence sizes the entry as ever: otherwise a
    new strategy could never be measured.
    """

    name = "kelly"

    def steps(
        self, context: SizeContext, p: Parameters, distance: float, risk: float
    ) -> tuple[Step, ...]:
        edge = context.edge
        sure = context.confidence >= p.get(KELLY_CONFIDENCE)
        least = p.get(KELLY_TRADES, strategy=context.strategy)
        if not sure or edge is None or edge.n < least or math.isnan(edge.net_bps):
            return CONFIDENCE_SCALED.steps(context, p, distance, risk)
        regime: Regime | None = context.regime
        pct = kelly_pct(edge, p, context.strategy, regime.value if regime is not None else None)
        return (("kelly", pct, pct),)


CONFIDENCE_SCALED = ConfidenceScaled()

SIZERS: Mapping[str, Sizer] = {
    sizer.name: sizer
    for sizer in (
        CONFIDENCE_SCALED,
        ConfidenceWeighted(),
        FixedFraction(),
        FixedAmount(),
        RegimeAdaptive(),
        Kelly(),
    )
}

OWN = "own"
SIZER = declare(
    "size.sizer", OWN, choices=(OWN, *SIZERS), unit="name", scopes="GT", risk=0,
    doc="Which sizer makes the base size; `own` is the one the strategy names.",
    learnable=False,
)  # fmt: skip


def sizer_of(parameters: Parameters, strategy: str, own: str) -> Sizer:
    """The sizer in force: set by name, else the strategy's own; an unknown own is the default."""
    chosen = str(parameters.get(SIZER, strategy=strategy))
    return SIZERS.get(own if chosen == OWN else chosen, CONFIDENCE_SCALED)
