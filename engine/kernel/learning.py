"""Learning as the kernel does it: the school is told what happens, and its answers are kept.

Where engine time is the wall's a daily search is done a piece a turn; where events move the
clock all at once, so that a replay learns the same every time.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import msgspec

from engine.core import commands as c
from engine.core.clock import MILLISECOND, monotonic_ns
from engine.core.learning import (
    Change,
    Knowledge,
    LearningView,
    Opportunity,
    Score,
    Suggestion,
    Target,
    TargetKind,
)
from engine.core.lived import JournalEntry
from engine.core.records import AnyRecord, ParameterSet
from engine.core.types import Action, Actor, Bar, Decision, History
from engine.journal.recovered import Recovered
from engine.kernel.appraisal import Appraisal, Wish
from engine.kernel.desk import Desk
from engine.kernel.symbols import SymbolDesk
from engine.learning.arms import Weigh
from engine.learning.base import Applier
from engine.learning.school import School
from engine.learning.settings import LOSS_STOP
from engine.position.plan import regime_code

if TYPE_CHECKING:
    from engine.kernel.commands import Answer, Commands

TURN_NS = 3 * MILLISECOND
"""How long a turn of the loop may spend on a daily search."""

SHOWN = 60
"""Changes that a snapshot carries."""


class Learning:
    """The kernel's side of the school. Owned by the kernel thread."""

    def __init__(
        self,
        desk: Desk,
        appliers: dict[TargetKind, Applier] | None = None,
        weighers: dict[TargetKind, Weigh] | None = None,
    ) -> None:
        self._desk = desk
        self.school = School(
            desk.params,
            desk.settings.profile,
            lambda: desk.ids.next("C"),
            appliers,
            weighers,
        )
        self.knowledge: Callable[[], Knowledge | None] = lambda: None
        self.scoreboard: Callable[[], tuple[Score, ...]] = tuple
        self.moved = True
        """Whether the ledger did anything since it was last looked at."""
        self._shown: dict[str, tuple[bytes, Change]] = {}
        self._changes: tuple[Change, ...] = ()

    # What happens.

    def want(self, id: str, wish: Wish, appraisal: Appraisal, kind: str, code: str = "") -> None:
        """Follow a candidate, unless one of its symbol and direction still runs."""
        desk, symbol = self._desk, wish.symbol
        stop = float(appraisal.stop)
        if not self.school.free(symbol.symbol, wish.direction) or not stop > 0.0:
            return
        self._keep(
            self.school.want(
                Opportunity(
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
                    pattern=wish.recognised,
                    vol_level=symbol.vol_level,
                    size_factor=appraisal.bearing.size_factor if appraisal.bearing else 1.0,
                )
            )
        )

    def on_bar(self, bar: Bar) -> None:
        """A base bar closed."""
        self.school.on_bar(bar)

    def decided(self, symbol: SymbolDesk, decision: Decision) -> None:
        """A decision bar closed and was decided on."""
        if self.school.follows(symbol.symbol):
            self.school.decided(
                symbol.symbol,
                symbol.feature("atr"),
                _support(decision),
                regime_code(symbol.label or None),
            )

    def look(self) -> None:
        """What time alone brings. Asked every cycle."""
        desk = self._desk
        self._keep(self.school.look(desk.now_ns, self))
        if desk.feed.manual_time:
            while (records := self.school.work(desk.now_ns)) is not None:
                self._keep(records)

    def work(self) -> None:
        """A piece of the daily search; asked every turn where engine time is the wall's."""
        began = monotonic_ns()
        while (records := self.school.work(self._desk.now_ns)) is not None:
            self._keep(records)
            if monotonic_ns() - began > TURN_NS:
                return

    def suggest(self, suggestions: Iterable[Suggestion]) -> None:
        """Hand suggestions to the ledger."""
        self._keep(self.school.suggest(suggestions, self._desk.now_ns))

    def closed(self, entry: JournalEntry) -> None:
        """A trade closed and is journaled: tell every learner."""
        for learner in self.school.learners:
            self.suggest(learner.closed(entry.closed))

    def kind_of(self, opportunity: Opportunity) -> str:
        """What became of a proposal by now; a denial stays one."""
        proposal = self._desk.proposals.get(opportunity.id)
        return str(proposal.state) if proposal is not None else opportunity.kind

    def tick_of(self, symbol: str) -> float:
        return float(self._desk.symbols[symbol].instrument.price_tick)

    def _keep(self, records: list[AnyRecord]) -> None:
        """Journal what the school did, and let everybody see moved parameters."""
        if not records:
            return
        self.moved = True
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
        now, ledger = self._desk.now_ns, self.school.ledger
        self._keep(ledger.answer(command.change, command.admit, command.actor, command.reason, now))
        change = ledger.find(command.change)
        what = f"{change.target.text}: {change.replaced} → {change.after}"
        if command.admit:
            return "admitted", f"admitted {what}; compared with what it replaced", change.id
        return "refused", f"refused {what}", change.id

    def _revert(self, command: c.RevertChange) -> Answer:
        now, ledger = self._desk.now_ns, self.school.ledger
        self._keep(ledger.revert(command.change, command.actor, command.reason, now))
        change = ledger.find(command.change)
        stands = ledger.standing(change.target)
        return "reverted", f"{change.target.text} is back at {stands}", change.id

    def _freeze(self, command: c.Freeze) -> Answer:
        records = self.school.ledger.freeze(
            command.target, command.frozen, command.actor, self._desk.now_ns
        )
        self._keep(records)
        state = "frozen" if command.frozen else "free"
        if not records:
            return "already", f"{command.target} is {state} already", command.target
        return state, f"{command.target} is {state}", command.target

    def overruled(self, target: Target, who: Actor, reason: str) -> None:
        """A person has set a target by hand: a change that held it is over."""
        self._keep(self.school.ledger.overruled(target, who, reason, self._desk.now_ns))

    # Restart, and what is shown.

    def restore(self, recovered: Recovered) -> None:
        """Take back changes, evidence and what is being followed."""
        learned = recovered.learned
        self.school.restore(
            learned.changes,
            learned.compared,
            learned.frozen,
            learned.ended,
            (one for one in learned.following if one.symbol in self._desk.symbols),
            recovered.last_ns,
        )
        self.school.ended, self.school.trials = learned.ended_count, learned.trials
        self.moved = True

    def history(self, history: History) -> None:
        """Bars from before this start."""
        self.school.history(history.symbol, history.bars)

    def _current(self) -> tuple[Change, ...]:
        """The changes to show; one whose figures did not move is the same object as before."""
        if self.moved:
            kept: dict[str, tuple[bytes, Change]] = {}
            for change in self.school.ledger.changes()[:SHOWN]:
                raw, known = msgspec.msgpack.encode(change), self._shown.get(change.id)
                kept[change.id] = known if known and known[0] == raw else (raw, change)
            self._shown, self.moved = kept, False
            self._changes = tuple(change for _, change in kept.values())
        return self._changes

    def view(self) -> LearningView:
        """What was learned, for the snapshot."""
        ledger = self.school.ledger
        lost = sum(max(0.0, watched.lost) for watched in ledger.watched())
        each = float(self._desk.params.get(LOSS_STOP))
        return LearningView(
            changes=self._current(),
            knowledge=self.knowledge(),
            scoreboard=self.scoreboard(),
            frozen=tuple(sorted(ledger.frozen)),
            opportunities=self.school.ended,
            following=self.school.following,
            trials=self.school.trials,
            next_daily_ns=self.school.next_daily_ns,
            budget=f"changes in force have cost {lost:.1f} R; each is stopped at {each:g} R",
        )


def _support(decision: Decision) -> float:
    """How much the sources want a long (negative: a short); NaN where nobody spoke."""
    if all(vote.action is Action.HOLD for vote in decision.votes):
        return math.nan
    sign = {Action.BUY: 1.0, Action.SELL: -1.0, Action.HOLD: 0.0}
    return sum(vote.weight * sign[vote.action] * vote.confidence for vote in decision.votes)
