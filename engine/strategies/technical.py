"""The technical signal: an average crossing or a divergence, with every confirmation.

A crossing alone says little; this one speaks only when momentum, trend, direction and
volume agree, and it names its own stop, one ATR width of the regime away.
"""

from __future__ import annotations

from engine.analysis.spec import ADX_THRESHOLD, RSI_OVERBOUGHT, RSI_OVERSOLD
from engine.core.types import Action, Direction
from engine.strategies.base import Strategy, StrategyContext, Verdict, share, unit
from engine.strategies.stops import initial_stop

NEUTRAL_RSI = 50.0
"""The middle of the RSI by its definition: gains and losses alike."""


class TechnicalSignal(Strategy):
    """LONG: a trigger and all five confirmations; SHORT is the mirror image.

    Trigger: the fast exponential average crosses the slow one, or the RSI diverges from the
    price (regular or hidden) in the trade's favour. Confirmations, with the measure in
    [0, 1] whose mean is the confidence:

    - RSI short of overbought: its distance to the level, full from the neutral 50 on;
    - ADX above its threshold: the excess over the threshold, full at twice of it;
    - volume above its average: the excess, full at twice the average;
    - MACD histogram on the trade's side: its share of |MACD| + |signal line|;
    - the directional indicator of the trade's side leading: the difference over the sum.
    """

    id = "technical"
    title = "Technical"
    features = (
        "ema_cross", "rsi", "adx", "volume_ratio", "macd", "macd_signal", "macd_hist",
        "plus_di", "minus_di", "atr",
    )  # fmt: skip

    def judge(self, context: StrategyContext) -> Verdict:
        long = self._trigger(context, Direction.LONG)
        short = self._trigger(context, Direction.SHORT)
        if not long and not short:
            return Verdict(Action.HOLD, 0.0, "neither a crossing nor a divergence")
        if long and short:
            return Verdict(Action.HOLD, 0.0, f"{long} against {short}")
        direction = Direction.LONG if long else Direction.SHORT
        return self._confirm(context, direction, long or short)

    def _trigger(self, context: StrategyContext, direction: Direction) -> str:
        """What speaks for this direction on this bar, or an empty text."""
        side = "bull" if direction is Direction.LONG else "bear"
        if context.feature("ema_cross") == direction.sign:
            return f"{side}ish average crossing"
        if context.feature(f"rsi_{side}_divergence") == 1.0:
            return f"{side}ish RSI divergence"
        if context.feature(f"rsi_hidden_{side}_divergence") == 1.0:
            return f"hidden {side}ish RSI divergence"
        return ""

    def _confirm(self, context: StrategyContext, direction: Direction, trigger: str) -> Verdict:
        sign = direction.sign
        long = direction is Direction.LONG
        rsi, adx = context.feature("rsi"), context.feature("adx")
        level = context.get(RSI_OVERBOUGHT if long else RSI_OVERSOLD, self.id)
        threshold = context.get(ADX_THRESHOLD, self.id)
        room = (level - rsi) * sign
        volume = context.feature("volume_ratio") - 1.0
        histogram = context.feature("macd_hist") * sign
        plus, minus = context.feature("plus_di"), context.feature("minus_di")
        lead = (plus - minus) * sign
        missing = [
            name
            for name, met in (
                (f"RSI {rsi:.1f} beyond {level:g}", room > 0.0),
                (f"ADX {adx:.1f} not above {threshold:g}", adx > threshold),
                (f"volume {volume + 1.0:.2f} times its average", volume > 0.0),
                ("MACD histogram on the other side", histogram > 0.0),
                (f"+DI {plus:.1f} against −DI {minus:.1f}", lead > 0.0),
            )
            if not met
        ]
        if missing:
            return Verdict(Action.HOLD, 0.0, f"{trigger}, but {', '.join(missing)}")
        confidence = (
            share(room, (level - NEUTRAL_RSI) * sign)
            + share(adx - threshold, threshold)
            + unit(volume)
            + share(histogram, abs(context.feature("macd")) + abs(context.feature("macd_signal")))
            + share(lead, plus + minus)
        ) / 5.0
        close = context.bar.close
        stop = initial_stop(
            context.parameters,
            context.symbol,
            context.regime.label if context.regime is not None else None,
            self.id,
            direction,
            close,
            context.feature("atr"),
        )
        return Verdict(
            Action.BUY if long else Action.SELL,
            confidence,
            f"{trigger}, all confirmed: RSI {rsi:.1f}, ADX {adx:.1f}, "
            f"volume {volume + 1.0:.2f} times its average",
            stop=stop,
        )
