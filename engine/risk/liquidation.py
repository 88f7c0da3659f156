"""Liquidation protection: where a leveraged position is reduced, left, and taken away.

Three prices lie between the entry and the loss of the whole margin:

- the danger price: the margin ratio or the distance to liquidation says that it is time to
  hold less;
- the guard: everything is sold, while a part of the way to liquidation is still left. With
  little leverage it comes before the danger price, and nothing is left to reduce;
- the liquidation price: the venue sells. That is the last resort for a market that jumped
  over the other two. It takes a fee, and no more is lost than the margin: the venue's
  insurance fund carries what lies beyond.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal

from engine.core.parameters import Parameters, declare
from engine.core.types import ZERO, Direction
from engine.portfolio.pnl import HUNDRED, MONEY, ONE
from engine.risk.margin import Margin

DANGER_RATIO = declare(
    "lev.margin_danger_ratio", 0.70, low=0.4, high=0.9, step=0.05, unit="ratio", scopes="G",
    risk=1, doc="Margin ratio from which a position is in danger and is reduced.",
)  # fmt: skip
DANGER_DISTANCE = declare(
    "lev.liq_distance_pct", 5.0, low=2, high=25, step=1, unit="%", scopes="G", risk=-1,
    doc="Distance to liquidation below which a position is in danger and is reduced.",
)  # fmt: skip
BUFFER = declare(
    "lev.liquidation_buffer_pct", 15.0, low=5, high=40, step=1, unit="%", scopes="G", risk=-1,
    doc="Share of the way from entry to liquidation that is left when everything is sold.",
)  # fmt: skip
LIQUIDATION_FEE = declare(
    "paper.liquidation_fee_pct", 1.25, low=0.0, high=5.0, step=0.05, unit="% of notional",
    scopes="G", risk=-1, learnable=False,
    doc="What the venue takes for a liquidation; Binance asks 1.25 % on its main perpetuals.",
)  # fmt: skip

FEE_STEP = Decimal("0.00000001")
"""Binance charges to eight digits; downwards here, so that the margin always covers it."""


@dataclass(frozen=True, slots=True)
class Protection:
    """The prices at which a leveraged position is reduced, left and liquidated.

    A position that nothing can liquidate has no protection (`of` gives None).
    """

    direction: Direction
    danger: float
    guard: float
    liquidation: float

    def in_danger(self, price: float) -> bool:
        return (price - self.danger) * self.direction.sign <= 0.0

    def liquidated(self, price: float) -> bool:
        return (price - self.liquidation) * self.direction.sign <= 0.0

    @classmethod
    def of(cls, margin: Margin, parameters: Parameters) -> Protection | None:
        """The three prices of a position with this margin."""
        end = margin.liquidation
        if end is None:
            return None
        sign = margin.direction.sign
        gap = MONEY.subtract(margin.entry, end)
        guard = end + gap * _share(parameters.get(BUFFER))
        near = MONEY.divide(end, ONE - sign * _share(parameters.get(DANGER_DISTANCE)))
        by_ratio = margin.price_at(Decimal(repr(parameters.get(DANGER_RATIO))))
        danger = near if by_ratio is None else max(near * sign, by_ratio * sign) * sign
        return cls(margin.direction, float(danger), float(guard), float(end))


def _share(percent: float) -> Decimal:
    return Decimal(repr(float(percent))) / HUNDRED


def liquidation_fill(
    margin: Margin, market: Decimal, parameters: Parameters
) -> tuple[Decimal, Decimal]:
    """At which price the venue takes a position over, and its fee in quote currency.

    Not worse than the price at which the margin is gone; the fee is taken out of what is
    left of the margin and never out of anything else.
    """
    sign = margin.direction.sign
    price = max(market * sign, margin.bankruptcy * sign) * sign
    left = max(ZERO, margin.balance(price))
    fee = MONEY.multiply(margin.notional(price), _share(parameters.get(LIQUIDATION_FEE)))
    return price, min(fee, left).quantize(FEE_STEP, ROUND_DOWN, context=MONEY)
