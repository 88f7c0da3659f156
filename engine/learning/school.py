"""The school: opportunities in, changes out; all of learning that needs no engine around it.

The kernel feeds it what the engine wanted and what prices followed, and journals what it says.
A test can feed it two hundred invented markets instead.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Protocol

import msgspec

from engine.core.clock import DAY, day_of
from engine.core.learning import (
    Change,
    Compared,
    Opportunity,
    Outcome,
    Path,
    Suggestion,
    TargetKind,
    Trials,
)
from engine.core.parameters import Parameters
from engine.core.records import AnyRecord, OpportunityBegan, OpportunityEnded, TrialsRun
from engine.core.types import Bar, Direction
from engine.learning.adjust import ParameterApplier
from engine.learning.arms import Arms, Weigh
from engine.learning.base import Applier, Learner
from engine.learning.exits import ExitLearner
from engine.learning.gate import AdaptiveGate
from engine.learning.ledger import ChangeLedger
from engine.learning.opportunities import Opportunities
from engine.learning.paths import Bars, Row, packed
from engine.learning.simulate import Simulator

REMEMBERED = 400
"""Ended opportunities that searches look back on."""

Remembered = tuple[Opportunity, Path, Outcome]
Work = Iterator[Suggestion | Trials | None]


class Told(Protocol):
    """What only the engine knows of an opportunity when it ends."""

    def kind_of(self, opportunity: Opportunity) -> str:
        """What became of it: `denied`, `filled`, `rejected`, `expired`, ..."""
        ...

    def tick_of(self, symbol: str) -> float:
        """The price step of a symbol."""
        ...


class School:
    """Owns the ledger, the learners and what is followed. Kernel thread only.

    Every method that moves something returns the records that say so, to be journaled.
    `appliers` and `weighers` carry out and weigh changes of what is no parameter, `learners`
    are asked beside the two that are always there.
    """

    def __init__(
        self,
        params: Parameters,
        profile: str,
        next_id: Callable[[], str],
        appliers: Mapping[TargetKind, Applier] | None = None,
        weighers: Mapping[TargetKind, Weigh] | None = None,
        learners: tuple[Learner, ...] = (),
    ) -> None:
        self._params = params
        self._simulator = Simulator(profile)
        self._wanted = Opportunities(params)
        self._arms = Arms(params, self._simulator, weighers or {})
        carried: dict[TargetKind, Applier] = {TargetKind.PARAMETER: ParameterApplier(params)}
        self.ledger = ChangeLedger(params, carried | dict(appliers or {}), next_id)
        self.learners: tuple[Learner, ...] = (
            ExitLearner(params, self._simulator),
            AdaptiveGate(params),
            *learners,
        )
        self._past: deque[Remembered] = deque(maxlen=REMEMBERED)
        self.ended = 0
        self.trials = 0
        self._day = -1
        self._work: Work = iter(())

    # What the engine wanted.

    def free(self, symbol: str, direction: Direction) -> bool:
        """Whether a candidate of this symbol and direction would be followed."""
        return self._wanted.free(symbol, direction)

    def want(self, opportunity: Opportunity) -> list[AnyRecord]:
        """Follow a candidate; one that can't be protected has no path and is left out."""
        goes = self._simulator.along(opportunity, self._params)
        if goes is None:
            return []
        self._wanted.begin(opportunity, goes)
        return [OpportunityBegan(time_ns=opportunity.opened_ns, opportunity=opportunity)]

    def on_bar(self, bar: Bar) -> None:
        """A base bar closed."""
        self._wanted.on_bar(bar.symbol, _row(bar), bar.span_ns)

    def follows(self, symbol: str) -> bool:
        """Whether any candidate of this symbol is on its way."""
        return self._wanted.follows(symbol)

    def decided(self, symbol: str, atr: float, support: float, regime: float) -> None:
        """A decision bar closed: its ATR, how much the sources want a long, its regime code."""
        self._wanted.brought(symbol, atr, support, regime)
        self._wanted.settle(symbol)

    # What became of it.

    def look(self, now_ns: int, told: Told) -> list[AnyRecord]:
        """What time alone brings: ends and expiries; a new day makes a search of its own."""
        records: list[AnyRecord] = []
        due = self._wanted.due(now_ns)
        if due is not None:
            records += self._end(*due, now_ns, told)
        records += self.ledger.tick(now_ns)
        today = day_of(now_ns)
        if today != self._day:
            if self._day >= 0:
                self._work = self._daily(tuple(self._past), now_ns)
            self._day = today
        return records

    def work(self, now_ns: int) -> list[AnyRecord] | None:
        """A piece of the daily search, a few milliseconds at most; None when it is done."""
        for item in self._work:
            return self._found(item, now_ns)
        return None

    def _daily(self, past: tuple[Remembered, ...], now_ns: int) -> Work:
        for learner in self.learners:
            yield from learner.daily(past, now_ns)

    def _found(self, item: Suggestion | Trials | None, now_ns: int) -> list[AnyRecord]:
        if isinstance(item, Suggestion):
            return self.ledger.suggest(item, now_ns)
        if item is None:
            return []
        self.trials += len(item.values)
        return [TrialsRun(time_ns=now_ns, trials=item)]

    def suggest(self, suggestions: Iterable[Suggestion], now_ns: int) -> list[AnyRecord]:
        """Hand suggestions to the ledger."""
        return [record for one in suggestions for record in self.ledger.suggest(one, now_ns)]

    def _end(
        self, opportunity: Opportunity, bars: Bars, now_ns: int, told: Told
    ) -> list[AnyRecord]:
        """Value it by the rules in force, compare what is watched, and tell the learners."""
        outcome = self._simulator.run(opportunity, bars, self._params)
        if outcome is None or not len(bars):
            return []
        opportunity = msgspec.structs.replace(opportunity, kind=told.kind_of(opportunity))
        path = packed(bars, opportunity.opened_ns, told.tick_of(opportunity.symbol))
        self.ended += 1
        self._past.append((opportunity, path, outcome))
        records: list[AnyRecord] = [
            OpportunityEnded(time_ns=now_ns, opportunity=opportunity, path=path, outcome=outcome)
        ]
        rows = [
            row
            for watched in self.ledger.watched()
            if watched.change.applied_ns <= opportunity.opened_ns
            and (row := self._arms.compare(watched.change, opportunity, bars)) is not None
        ]
        records += self.ledger.compared(rows, now_ns)
        self._arms.keep_only(watched.change.id for watched in self.ledger.watched())
        for learner in self.learners:
            records += self.suggest(learner.ended(opportunity, path, outcome), now_ns)
        return records

    # Restart, and what is shown.

    def restore(
        self,
        changes: Iterable[Change],
        compared: Iterable[Compared],
        frozen: Iterable[str],
        past: Iterable[Remembered],
        following: Iterable[Opportunity],
        last_ns: int,
    ) -> None:
        """Take back what a journal says; `last_ns` is the engine time of its last event."""
        self.ledger.restore(tuple(changes), compared, frozen)
        self._past.extend(past)
        self._day = day_of(last_ns)
        for opportunity in following:
            goes = self._simulator.along(opportunity, self._params)
            if goes is not None:
                self._wanted.begin(opportunity, goes)

    def history(self, symbol: str, bars: Iterable[Bar]) -> None:
        """Bars from before this start: those since an opportunity began are its path.

        What the sources said of them is not known any more, so their scores are absent.
        """
        known = tuple(bars)
        if known:
            self._wanted.recall(symbol, map(_row, known), known[0].span_ns)

    @property
    def following(self) -> int:
        """How many candidates are on their way."""
        return len(self._wanted)

    @property
    def next_daily_ns(self) -> int:
        """When the next search begins; 0 before the first day."""
        return (self._day + 1) * DAY if self._day >= 0 else 0


def _row(bar: Bar) -> Row:
    """A bar of which nobody has said anything yet."""
    nan = float("nan")
    return bar.open_ns, bar.open, bar.high, bar.low, bar.close, nan, nan, nan
