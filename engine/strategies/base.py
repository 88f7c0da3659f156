"""The one protocol of all strategies: a context in, a signal out.

Whether rules were written by hand, evolved, trained or come from a language model, the
engine asks them the same way and holds them to the same promises; what every strategy owes
(no confidence from unknown values, no short where there is none) is kept here, once.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from engine.analysis.layout import INDEX
from engine.core.parameters import Parameter, Parameters
from engine.core.types import Action, Bar, Direction, Instrument, Quote, Signal

if TYPE_CHECKING:
    from engine.analysis.indicators import Floats, IndicatorState
    from engine.analysis.regime import RegimeState

CLOSES = 64
"""Closing prices a context carries: the longest average of a built-in (60) and its change."""

BOTH = frozenset(Direction)


@dataclass(frozen=True, slots=True)
class StrategyContext:
    """What a strategy may know when a decision bar closes; nothing in it is later than that.

    `row` and `previous` are feature rows of this bar and the one before (`FEATURES`,
    `INDEX`), `closes` the closing prices of the last bars, oldest first, this one last.
    `holding` is the direction of the position in this symbol, None for none.
    """

    symbol: str
    time_ns: int
    bar: Bar
    row: Floats
    previous: Floats | None
    closes: Floats
    regime: RegimeState | None
    parameters: Parameters
    instrument: Instrument
    quote: Quote | None = None
    holding: Direction | None = None
    looked_back: list[str] = field(default_factory=list)
    """Features of the bar before that were asked for (`before`): what was read is kept."""

    @classmethod
    def at_close(
        cls,
        bar: Bar,
        indicators: IndicatorState,
        regime: RegimeState | None,
        parameters: Parameters,
        instrument: Instrument,
        quote: Quote | None = None,
        holding: Direction | None = None,
    ) -> StrategyContext:
        """The context of the bar that `indicators` took last. Valid until it takes the next."""
        from engine.analysis.compiled import CLOSE

        series, last = indicators.channel(CLOSE)
        kept = min(CLOSES, indicators.bars_kept)
        return cls(
            symbol=bar.symbol,
            time_ns=bar.close_ns,
            bar=bar,
            row=indicators.row(),
            previous=indicators.row(1) if indicators.bars_seen > 1 else None,
            closes=series[last + 1 - kept : last + 1],
            regime=regime,
            parameters=parameters,
            instrument=instrument,
            quote=quote,
            holding=holding,
        )

    def feature(self, name: str) -> float:
        """One value of this bar's row, by name; NaN is a value that is not known yet."""
        return float(self.row[INDEX[name]])

    def before(self, name: str) -> float:
        """The same value of the bar before, NaN where there was none."""
        self.looked_back.append(name)
        return float(self.previous[INDEX[name]]) if self.previous is not None else math.nan

    def get(self, parameter: Parameter, strategy: str) -> float:
        """A number in force for this symbol, regime and strategy."""
        regime = self.regime.label if self.regime is not None else None
        return float(self.parameters.get(parameter, self.symbol, regime, strategy))


class Verdict(NamedTuple):
    """What a strategy's own rules say, before the promises of every strategy are applied.

    `stop` and `target` are prices, NaN where they are left to the exit plan.
    """

    action: Action
    confidence: float
    reason: str
    stop: float = math.nan
    target: float = math.nan


class Strategy(ABC):
    """Base of all strategies. `analyze` is asked at the close of each decision bar.

    A strategy has no memory of its own: equal contexts give equal signals, so that a replay
    and a live run agree and nothing can leak from a later bar.
    """

    id: ClassVar[str]
    title: ClassVar[str]
    directions: ClassVar[frozenset[Direction]] = BOTH
    sizer: ClassVar[str] = "confidence_scaled"
    """Which of the engine's sizers makes the base size of its entries."""
    manager: ClassVar[str] = "core"
    """Which risk manager says how much one of its entries may lose."""
    features: ClassVar[tuple[str, ...]]
    """What `judge` reads; the bar is a HOLD while one of them is not known."""

    @abstractmethod
    def judge(self, context: StrategyContext) -> Verdict:
        """The rules themselves, on features that are all known."""

    def analyze(self, context: StrategyContext) -> Signal:
        """The signal for this bar: always one, and HOLD with a reason where there is none.

        SELL closes a long, or opens a short where the instrument has one; with neither it
        becomes HOLD. The confidence is in [0, 1] and 0 for HOLD.
        """
        row = context.row
        for name in self.features:
            if not math.isfinite(row[INDEX[name]]):
                return self._hold(context, f"{name} is not known yet")
        verdict = self.judge(context)
        action, confidence = verdict.action, verdict.confidence
        if action is Action.HOLD:
            return self._hold(context, verdict.reason)
        if not math.isfinite(confidence):
            return self._hold(context, f"no confidence can be told: {verdict.reason}")
        wanted = Direction.LONG if action is Action.BUY else Direction.SHORT
        closes = context.holding is not None and context.holding is not wanted
        if not closes:
            if wanted not in self.directions:
                return self._hold(context, f"doesn't trade {wanted}: {verdict.reason}")
            if wanted is Direction.SHORT and not context.instrument.can_short:
                return self._hold(context, f"spot can't be sold short: {verdict.reason}")
        return Signal(
            strategy=self.id,
            symbol=context.symbol,
            time_ns=context.time_ns,
            action=action,
            confidence=min(1.0, max(0.0, confidence)),
            entry=context.bar.close,
            stop=verdict.stop,
            target=verdict.target,
            reason=verdict.reason,
        )

    def _hold(self, context: StrategyContext, reason: str) -> Signal:
        return Signal(
            strategy=self.id,
            symbol=context.symbol,
            time_ns=context.time_ns,
            action=Action.HOLD,
            confidence=0.0,
            entry=context.bar.close,
            reason=reason,
        )


def unit(value: float) -> float:
    """`value` held to [0, 1]."""
    return min(1.0, max(0.0, value))


def share(difference: float, total: float) -> float:
    """How much of `total` a difference is, in [0, 1]; 0 where there is nothing to share."""
    return unit(difference / total) if total > 0.0 else 0.0
