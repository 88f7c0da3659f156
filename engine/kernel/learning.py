"""Learning as the kernel does it: candidates followed, changes judged, learners asked.

Pure computation on what the engine saw, in pieces of a few milliseconds: where engine time is
the wall's a daily search is done a piece a turn; where events move the clock all at once, so
that a replay learns the same every time.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import msgspec

from engine.core import commands as c
from engine.core.clock import DAY, MILLISECOND, day_of, monotonic_ns
from engine.core.learning import (
    LearningView,
    Opportunity,
    Outcome,
    Path,
    Suggestion,
    TargetKind,
    Trials,
)
from engine.core.records import (
    AnyRecord,
    OpportunityBegan,
    OpportunityEnded,
    ParameterSet,
    TrialsRun,
)
from engine.core.types import Action, Bar, Decision, History
from engine.journal.recovered import Recovered
from engine.kernel.appraisal import Appraisal, Wish
from engine.kernel.desk import Desk
from engine.kernel.symbols import SymbolDesk
from engine.learning.adjust import ParameterApplier
from engine.learning.arms import Arms, Weigh
from engine.learning.base import Applier, Learner
from engine.learning.exits import ExitLearner
from engine.learning.gate import AdaptiveGate
from engine.learning.ledger import ChangeLedger
from engine.learning.opportunities import Opportunities
from engine.learning.paths import Bars, packed
from engine.learning.settings import LOSS_STOP
from engine.learning.simulate import Simulator
from engine.position.plan import regime_code

if TYPE_CHECKING:
    from engine.kernel.commands import Answer, Commands

REMEMBERED = 400
"""Ended opportunities that searches look back on."""

TURN_NS = 3 * MILLISECOND
"""How long a turn of the loop may spend on a daily search."""

Remembered = tuple[Opportunity, Path, Outcome]


class Learning:
    """Owned by the kernel thread. `appliers` and `weighers` carry out and weigh changes of what
    is no parameter; `learners` are asked beside those that are always there."""

    def __init__(
        self,
        desk: Desk,
        appliers: dict[TargetKind, Applier] | None = None,
        weighers: dict[TargetKind, Weigh] | None = None,
        learners: tuple[Learner, ...] = (),
    ) -> None:
        self._desk = desk
        params = desk.params
        self._simulator = Simulator(desk.settings.profile)
        self._wanted = Opportunities(params)
        self._arms = Arms(params, self._simulator, weighers or {})
        carried: dict[TargetKind, Applier] = {TargetKind.PARAMETER: ParameterApplier(params)}
        self.ledger = ChangeLedger(params, carried | (appliers or {}), lambda: desk.ids.next("C"))
        self.learners: tuple[Learner, ...] = (
            ExitLearner(params, self._simulator),
            AdaptiveGate(params),
            *learners,
        )
        self._past: deque[Remembered] = deque(maxlen=REMEMBERED)
        self._ended = 0
        self._trials = 0
        self._day = -1
        self._work: Iterator[Suggestion | Trials | None] = iter(())

    # What the engine wanted.

    def want(self, id: str, wish: Wish, appraisal: Appraisal, kind: str, code: str = "") -> None:
        """Follow a candidate, unless one of its symbol and direction still runs."""
        desk, symbol = self._desk, wish.symbol
        stop = float(appraisal.stop)
        if not self._wanted.free(symbol.symbol, wish.direction) or not stop > 0.0:
            return
        opportunity = Opportunity(
            id=id,
            symbol=symbol.symbol,
            direction=wish.direction,
            opened_ns=desk.now_ns,
            price=float(appraisal.price),
            stop=stop,
            targets=(wish.target,) if math.isfinite(wish.target) else (),
            atr=symbol.feature("atr"),
            fee=float(symbol.instrument.taker_fee),
            spread=appraisal.quote.spread_bps / 10_000.0,
            strategy=wish.strategy,
            regime=symbol.label,
            confidence=wish.confidence,
            kind=kind,
            code=code,
        )
        if self._simulator.run(opportunity, Bars.none(), desk.params) is None:
            return
        self._wanted.begin(opportunity)
        desk.record(OpportunityBegan(time_ns=desk.now_ns, opportunity=opportunity))

    def on_bar(self, bar: Bar) -> None:
        """A base bar closed."""
        nan = math.nan
        self._wanted.on_bar(
            bar.symbol,
            (bar.open_ns, bar.open, bar.high, bar.low, bar.close, nan, nan, nan),
            bar.span_ns,
        )

    def decided(self, symbol: SymbolDesk, decision: Decision) -> None:
        """A decision bar closed and was decided on."""
        name = symbol.symbol
        if not self._wanted.follows(name):
            return
        self._wanted.brought(
            name, symbol.feature("atr"), _support(decision), regime_code(symbol.label or None)
        )
        self._wanted.settle(name, self._finished)

    def _finished(self, opportunity: Opportunity, bars: Bars) -> bool:
        outcome = self._simulator.run(opportunity, bars, self._desk.params)
        return outcome is None or outcome.closed

    # What became of it.

    def look(self) -> None:
        """What time alone brings: ends, expiries, the daily search. Asked every cycle."""
        desk = self._desk
        for opportunity, bars in self._wanted.due(desk.now_ns):
            self._end(opportunity, bars)
        self._keep(self.ledger.tick(desk.now_ns))
        today = day_of(desk.now_ns)
        if today != self._day:
            if self._day >= 0:
                self._work = self._daily(tuple(self._past), desk.now_ns)
            self._day = today
        if desk.feed.manual_time:
            for item in self._work:
                self._found(item)

    def work(self) -> None:
        """A piece of the daily search; asked every turn where engine time is the wall's."""
        began = monotonic_ns()
        for item in self._work:
            self._found(item)
            if monotonic_ns() - began > TURN_NS:
                return

    def _daily(
        self, past: tuple[Remembered, ...], now_ns: int
    ) -> Iterator[Suggestion | Trials | None]:
        for learner in self.learners:
            yield from learner.daily(past, now_ns)

    def _found(self, item: Suggestion | Trials | None) -> None:
        if isinstance(item, Suggestion):
            self.suggest((item,))
        elif item is not None:
            self._trials += len(item.values)
            self._desk.record(TrialsRun(time_ns=self._desk.now_ns, trials=item))

    def suggest(self, suggestions: Iterable[Suggestion]) -> None:
        """Hand suggestions to the ledger."""
        for one in suggestions:
            self._keep(self.ledger.suggest(one, self._desk.now_ns))

    def _end(self, opportunity: Opportunity, bars: Bars) -> None:
        """Value it by the rules in force, compare what is watched, and tell the learners."""
        desk = self._desk
        outcome = self._simulator.run(opportunity, bars, desk.params)
        if outcome is None or not len(bars):
            return
        proposal = desk.proposals.get(opportunity.id)
        if proposal is not None:
            opportunity = msgspec.structs.replace(opportunity, kind=str(proposal.state))
        tick = float(desk.symbols[opportunity.symbol].instrument.price_tick)
        path = packed(bars, opportunity.opened_ns, tick)
        desk.record(
            OpportunityEnded(
                time_ns=desk.now_ns, opportunity=opportunity, path=path, outcome=outcome
            )
        )
        self._ended += 1
        self._past.append((opportunity, path, outcome))
        rows = [
            row
            for watched in self.ledger.watched()
            if watched.change.applied_ns <= opportunity.opened_ns
            and (row := self._arms.compare(watched.change, opportunity, bars)) is not None
        ]
        self._keep(self.ledger.compared(rows, desk.now_ns))
        for learner in self.learners:
            self.suggest(learner.ended(opportunity, path, outcome))

    def _keep(self, records: list[AnyRecord]) -> None:
        """Journal what the ledger did, and let everybody see moved parameters."""
        if not records:
            return
        self._desk.record(*records)
        if any(isinstance(record, ParameterSet) for record in records):
            for symbol in self._desk.symbols.values():
                symbol.refresh_parameters()

    # What a person says.

    def listen(self, commands: Commands) -> None:
        """Answer the commands that are about changes."""
        handlers: dict[type[Any], Any] = {
            c.AnswerChange: self._answer,
            c.RevertChange: self._revert,
            c.Freeze: self._freeze,
        }
        for kind, handler in handlers.items():
            commands.handles(kind, handler)

    def _answer(self, command: c.AnswerChange) -> Answer:
        now = self._desk.now_ns
        self._keep(
            self.ledger.answer(command.change, command.admit, command.actor, command.reason, now)
        )
        change = self.ledger.find(command.change)
        what = f"{change.target.text}: {change.before} → {change.after}"
        if command.admit:
            return "admitted", f"admitted {what}; compared with what it replaced", change.id
        return "refused", f"refused {what}", change.id

    def _revert(self, command: c.RevertChange) -> Answer:
        now = self._desk.now_ns
        self._keep(self.ledger.revert(command.change, command.actor, command.reason, now))
        change = self.ledger.find(command.change)
        return "reverted", f"{change.target.text} is back at {change.before}", change.id

    def _freeze(self, command: c.Freeze) -> Answer:
        records = self.ledger.freeze(
            command.target, command.frozen, command.actor, self._desk.now_ns
        )
        self._keep(records)
        state = "frozen" if command.frozen else "free"
        if not records:
            return "already", f"{command.target} is {state} already", command.target
        return state, f"{command.target} is {state}", command.target

    # Restart, and what is shown.

    def restore(self, recovered: Recovered) -> None:
        """Take back changes, evidence and what is being followed."""
        learned = recovered.learned
        self.ledger.restore(learned.changes, learned.compared, learned.frozen)
        self._past.extend(learned.ended)
        self._ended, self._trials = learned.ended_count, learned.trials
        self._day = day_of(recovered.last_ns)
        for opportunity in learned.following:
            if opportunity.symbol in self._desk.symbols:
                self._wanted.begin(opportunity)

    def history(self, history: History) -> None:
        """Bars from before this start: those since an opportunity began are its path."""
        since = self._wanted.since(history.symbol)
        if since is None:
            return
        for bar in history.bars:
            if bar.open_ns >= since:
                self.on_bar(bar)

    def view(self) -> LearningView:
        desk = self._desk
        lost = sum(max(0.0, watched.lost) for watched in self.ledger.watched())
        each = float(desk.params.get(LOSS_STOP))
        return LearningView(
            changes=self.ledger.changes()[:60],
            frozen=tuple(sorted(self.ledger.frozen)),
            opportunities=self._ended,
            following=len(self._wanted),
            trials=self._trials,
            next_daily_ns=(self._day + 1) * DAY if self._day >= 0 else 0,
            budget=f"changes in force have cost {lost:.1f} R; each is stopped at {each:g} R",
        )


def _support(decision: Decision) -> float:
    """How much the sources want a long (negative: a short); NaN where nobody spoke."""
    if all(vote.action is Action.HOLD for vote in decision.votes):
        return math.nan
    sign = {Action.BUY: 1.0, Action.SELL: -1.0, Action.HOLD: 0.0}
    return sum(vote.weight * sign[vote.action] * vote.confidence for vote in decision.votes)
