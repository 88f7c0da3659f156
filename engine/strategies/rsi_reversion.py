"""RSI reversion: buy what turns up out of oversold, sell what turns down out of overbought.

Prices that ran too far tend to come back part of the way; waiting for the turn keeps the
rule from buying into the fall itself.
"""

from __future__ import annotations

from engine.analysis.spec import ADX_THRESHOLD
from engine.core.parameters import declare
from engine.core.types import Action
from engine.strategies.base import Strategy, StrategyContext, Verdict, unit

OVERSOLD = declare(
    "strat.rsi_rev.oversold", 30, low=20, high=40, step=1, unit="RSI", scopes="T", risk=1,
    doc="RSI at or below which a turn upwards is bought.",
)  # fmt: skip
OVERBOUGHT = declare(
    "strat.rsi_rev.overbought", 70, low=60, high=80, step=1, unit="RSI", scopes="T", risk=-1,
    doc="RSI at or above which a turn downwards is sold.",
)  # fmt: skip


class RsiReversion(Strategy):
    """BUY when the RSI was oversold on the last bar and rises, SELL mirrored.

    The confidence is the mean of three measures in [0, 1]:

    - depth, how far beyond its level the RSI was: (level − RSI) / level, mirrored above;
    - stretch, where the close stands between the middle of the Bollinger bands (0) and
      their edge or beyond (1);
    - calm, 1 − ADX / 2·threshold: the stronger the trend, the less a reversion.
    """

    id = "rsi_reversion"
    title = "RSI reversion"
    features = ("rsi", "rsi_change", "bb_position", "adx")

    def judge(self, context: StrategyContext) -> Verdict:
        rsi = context.feature("rsi")
        change = context.feature("rsi_change")
        before = rsi - change
        low = context.get(OVERSOLD, self.id)
        high = context.get(OVERBOUGHT, self.id)
        place = context.feature("bb_position")
        if before <= low and change > 0.0:
            depth, stretch = (low - before) / low, 1.0 - 2.0 * place
            action, word = Action.BUY, f"turned up out of oversold {low:g}"
        elif before >= high and change < 0.0:
            depth, stretch = (before - high) / (100.0 - high), 2.0 * place - 1.0
            action, word = Action.SELL, f"turned down out of overbought {high:g}"
        else:
            return Verdict(Action.HOLD, 0.0, f"RSI {rsi:.1f} made no turn beyond {low:g}/{high:g}")
        calm = 1.0 - context.feature("adx") / (2.0 * context.get(ADX_THRESHOLD, self.id))
        confidence = (unit(depth) + unit(stretch) + unit(calm)) / 3.0
        return Verdict(action, confidence, f"RSI {rsi:.1f} after {before:.1f} {word}")
