"""Moving-average crossover: follow the short average when it crosses the long one.

The plainest trend follower there is, and the yardstick that cleverer ones have to beat.
"""

from __future__ import annotations

from engine.core.parameters import declare
from engine.core.types import Action
from engine.strategies.base import Strategy, StrategyContext, Verdict, share, unit

FAST = declare(
    "strat.ma_cross.fast", 5, low=3, high=20, step=1, unit="bars", scopes="T", risk=-1,
    doc="Bars of the fast simple average; the shorter, the more crossings.",
)  # fmt: skip
SLOW = declare(
    "strat.ma_cross.slow", 20, low=10, high=60, step=1, unit="bars", scopes="T", risk=-1,
    doc="Bars of the slow simple average; the longer, the fewer crossings.",
)  # fmt: skip


class MaCrossover(Strategy):
    """BUY on the bar on which the fast simple average crosses above the slow one, SELL below.

    The confidence is the mean of three measures in [0, 1]:

    - reach, how far the close stands beyond the slow average, full at one ATR;
    - volume, what the bar traded above its average, full at twice the average;
    - agreement, the difference of the directional indicators over their sum, on the
      crossing's side.
    """

    id = "ma_crossover"
    title = "MA crossover"
    features = ("close", "atr", "volume_ratio", "plus_di", "minus_di")

    def judge(self, context: StrategyContext) -> Verdict:
        fast = int(context.get(FAST, self.id))
        slow = int(context.get(SLOW, self.id))
        if fast >= slow:
            return Verdict(Action.HOLD, 0.0, f"averages {fast}/{slow} are out of order")
        closes = context.closes
        if len(closes) <= slow:
            return Verdict(Action.HOLD, 0.0, f"{len(closes)} of {slow + 1} closes are known")
        recent = closes[-slow - 1 :].tolist()
        short_now, long_now = sum(recent[-fast:]) / fast, sum(recent[1:]) / slow
        short_then, long_then = sum(recent[-fast - 1 : -1]) / fast, sum(recent[:-1]) / slow
        if short_then <= long_then and short_now > long_now:
            action, sign = Action.BUY, 1.0
        elif short_then >= long_then and short_now < long_now:
            action, sign = Action.SELL, -1.0
        else:
            side = "above" if short_now > long_now else "below"
            return Verdict(Action.HOLD, 0.0, f"average {fast} stays {side} {slow}")
        reach = share((recent[-1] - long_now) * sign, context.feature("atr"))
        volume = unit(context.feature("volume_ratio") - 1.0)
        plus, minus = context.feature("plus_di"), context.feature("minus_di")
        agreement = share((plus - minus) * sign, plus + minus)
        side = "above" if sign > 0 else "below"
        return Verdict(
            action, (reach + volume + agreement) / 3.0, f"average {fast} crossed {side} {slow}"
        )
