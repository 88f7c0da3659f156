"""Kelly's fraction on what is proven of an edge, not on what is hoped of it.

The fraction that grows wealth fastest is f = p − (1 − p)/b for a bet that wins b times its
stake with probability p (Kelly 1956). Estimates of p are too high as often as too low, and
betting too much costs more than betting too little; so p is its lower confidence bound, the
payoff is net of costs, and only a fraction of f is used (Thorp 2006).
"""

from __future__ import annotations

import math

from engine.core.parameters import Parameters, declare
from engine.core.types import ExpectedValue
from engine.strategies.expected_value import BPS, PRIOR_TRADES

KELLY_FRACTION = declare(
    "size.kelly_fraction", 0.25, low=0.05, high=1.0, step=0.05, unit="fraction", scopes="GT",
    risk=1, doc="Share of Kelly's fraction that a leveraged entry may use.",
)  # fmt: skip
EDGE_Z = declare(
    "lev.edge_z", 1.65, low=0.0, high=3.0, step=0.05, unit="sigma", scopes="GT", risk=-1,
    doc="How far the win rate that Kelly uses lies below its estimate; 1.65 is 95 % one-sided.",
)  # fmt: skip


def lower_probability(probability: float, trades: float, z: float) -> float:
    """The lower end of Wilson's score interval (1927) for a share seen in `trades` trades.

    It stays within [0, 1] and is fair for small samples. No trades prove nothing: 0.
    """
    if not trades > 0.0 or math.isnan(probability):
        return 0.0
    share = z * z / trades
    middle = probability + share / 2.0
    spread = z * math.sqrt(probability * (1.0 - probability) / trades + share / (4.0 * trades))
    return max(0.0, (middle - spread) / (1.0 + share))


def kelly_pct(
    expected: ExpectedValue, parameters: Parameters, strategy: str, regime: str | None = None
) -> float:
    """The largest notional that the proven edge carries, in percent of equity; 0 without one.

    The prior counts as the trades that it weighs as much as. Kelly's stake is what a losing
    trade costs, so the notional is the stake over the loss per unit of notional.
    """
    costs = expected.fees_bps + expected.spread_bps + expected.slippage_bps
    win, loss = expected.win_bps - costs, expected.loss_bps + costs
    if not (win > 0.0 and loss > 0.0):
        return 0.0
    weight = float(parameters.get(PRIOR_TRADES, regime=regime, strategy=strategy))
    z = float(parameters.get(EDGE_Z, strategy=strategy))
    p = lower_probability(expected.probability, weight + expected.n, z)
    stake = max(0.0, p - (1.0 - p) * loss / win)
    used = stake * float(parameters.get(KELLY_FRACTION, strategy=strategy))
    return used / (loss / BPS) * 100.0
