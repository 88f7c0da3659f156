"""The advisor's word on an entry: waited for until its deadline, and only by the entry.

Votes decide first, without it. An entry that they want is held while the model is asked; its
answer becomes the fifth vote and the decision is made again, under an id of its own. It can
only tighten: agreeing adds no confidence, holding back takes some or turns the decision into
HOLD. Exits, conditions at their price and a person's orders never come here.

An entry that waits is journaled. What waited when the engine stopped is not sent after a restart,
whose market is another one: it has expired, is followed like any refusal, and the next decision on
its symbol is quoted and gated anew.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace

from msgspec.structs import replace as replace_held

from engine.core.clock import SECOND
from engine.core.records import Decided, EntryHeld, Noted
from engine.core.types import Action, Actor, Decision
from engine.core.views import LlmView
from engine.decision.combine import Combiner
from engine.decision.sources import DecisionContext, Opinion, TechnicalSource
from engine.kernel.calls import keep_call
from engine.kernel.deciding import Candidate
from engine.kernel.desk import Desk
from engine.kernel.entries import Entries
from engine.kernel.inputs import advised
from engine.kernel.situations import Situations
from engine.kernel.unmade import Unmade
from engine.llm.advice import Advice, AdviceQuestion
from engine.llm.advice import Candidate as Asked
from engine.llm.line import Line
from engine.llm.replies import Ask, Outcome, Reply, Role
from engine.llm.settings import OVERRIDE, TIMEOUT

WHO = "advisor"

LOST = "lost"
"""What an entry was that waited while the engine stopped."""

MOST_HELD = 8
"""Entries that may wait at a time; a further one goes on without the advisor."""


@dataclass(frozen=True, slots=True)
class _Held:
    """An entry that waits: until when, and the call that is made for it."""

    candidate: Candidate
    id: str
    asked_ns: int
    until_ns: int


class _Heard:
    """The model's vote, as a source of the decision."""

    name = "llm"

    def __init__(self, opinion: Opinion) -> None:
        self._opinion = opinion

    def vote(self, context: DecisionContext) -> Opinion:
        return self._opinion


class Advising:
    """Holds entries for the advisor. Owned by the kernel thread; does nothing without a model.

    `ready` is told when an entry may go on, so that no cycle is waited for.
    """

    def __init__(self, desk: Desk, entries: Entries, situations: Situations) -> None:
        self._desk = desk
        self._entries = entries
        self._situations = situations
        self._held: deque[_Held] = deque()
        self._lost: list[EntryHeld] = []
        self.ready: Callable[[], None] = lambda: None

    @property
    def line(self) -> Line | None:
        line = self._desk.advisor
        return line if line is not None and line.model is not None else None

    @property
    def answer_ns(self) -> int:
        """Engine time at which a recorded answer arrives, 0 where none is waited for."""
        return self.line.answer_ns if self.line is not None else 0

    def hold(self, candidate: Candidate) -> bool:
        """Whether this entry waits for the advisor from now on."""
        line = self.line
        if line is None or candidate.closes is not None or candidate.context is None:
            return False
        if len(self._held) >= MOST_HELD:
            return False
        desk = self._desk
        for held in [one for one in self._held if one.candidate.symbol is candidate.symbol]:
            self._forget(held)
        wait_ns = int(float(desk.params.get(TIMEOUT)) * SECOND)
        held = _Held(candidate, desk.ids.next("L"), desk.now_ns, desk.now_ns + wait_ns)
        self._held.append(held)
        candidate.symbol.awaits = "the advisor"
        if len(self._held) == 1 and not self._begin(held):
            self._held.remove(held)
            candidate.symbol.awaits = ""
            return False
        desk.record(self._waits(held))
        return True

    def _waits(self, held: _Held, over: bool = False) -> EntryHeld:
        wish, symbol = held.candidate.wish, held.candidate.symbol
        return EntryHeld(
            time_ns=self._desk.now_ns,
            id=held.id,
            symbol=symbol.symbol,
            decision=held.candidate.decision.id,
            direction=wish.direction,
            price=symbol.last,
            stop=wish.stop,
            target=wish.target,
            strategy=wish.strategy,
            regime=symbol.label,
            score=held.candidate.decision.confidence,
            over=over,
        )

    def restore(self, held: tuple[EntryHeld, ...]) -> None:
        """What waited when the engine stopped; told once its symbol has a price again."""
        desk = self._desk
        for one in held:
            if one.symbol in desk.symbols:
                self._lost.append(one)
                continue
            desk.record(replace_held(one, time_ns=desk.now_ns, over=True))
            desk.note(f"the {one.direction} that waited for the advisor is over: not followed now",
                      ref=one.decision, symbol=one.symbol)  # fmt: skip

    def _tell_lost(self) -> None:
        for one in [each for each in self._lost if self._desk.symbols[each.symbol].ready]:
            self._lost.remove(one)
            self._expire(one)

    def _expire(self, one: EntryHeld) -> None:
        """Follow it from the first price at which it could have been sent after all."""
        desk = self._desk
        said = Noted(
            time_ns=desk.now_ns, who=Actor.ENGINE, ref=one.decision, symbol=one.symbol,
            text=f"{one.direction} at {one.price:.8g} expired: the engine stopped while it waited "
            f"for the advisor ({one.id}); the next decision is quoted and gated anew",
        )  # fmt: skip
        self._entries.follower.add(
            Unmade(
                id=desk.ids.next("X"), symbol=one.symbol, kind=LOST, code=one.decision,
                direction=one.direction, price=desk.symbols[one.symbol].last, stop=one.stop,
                targets=(one.target,) if math.isfinite(one.target) else (),
                strategy=one.strategy, regime=one.regime, score=one.score, who="engine",
            ),
            said,
            replace_held(one, time_ns=desk.now_ns, over=True),
        )  # fmt: skip

    def look(self) -> None:
        """Take what was answered, and ask for the next. Asked on every turn of the loop."""
        if self._lost:
            self._tell_lost()
        if not self._held:
            return
        line = self.line
        assert line is not None
        if line.waiting:
            reply = line.look()
            if reply is None:
                return
            held = self._held.popleft()
            self._heard(held, reply)
            self._desk.record(self._waits(held, over=True))
        while self._held and not line.waiting:
            held = self._held[0]
            if self._desk.now_ns >= held.until_ns:
                self._held.popleft()
                self._go_on(held, _neutral("too slow: others were asked first"))
                self._desk.record(self._waits(held, over=True))
            elif not self._begin(held):
                self._held.popleft()
                self._go_on(held, None)
                self._desk.record(self._waits(held, over=True))

    def _begin(self, held: _Held) -> bool:
        line, desk = self.line, self._desk
        assert line is not None
        left_s = max(0.0, (held.until_ns - desk.now_ns) / SECOND)
        situation = self._situations.now()
        question = AdviceQuestion(situation, self._asked(held.candidate))
        return not line.ask(Ask(held.id, question, left_s))

    def _forget(self, held: _Held) -> None:
        """A newer decision on the same symbol takes the place of one that still waits."""
        line = self.line
        if line is not None and self._held and self._held[0] is held:
            line.drop()
        self._held.remove(held)
        self._desk.record(self._waits(held, over=True))

    def _asked(self, candidate: Candidate) -> Asked:
        wish, decision = candidate.wish, candidate.decision
        account = self._entries.appraiser.account()
        equity = float(account.equity) or math.nan
        price = candidate.symbol.last
        return Asked(
            symbol=candidate.symbol.symbol,
            direction=wish.direction,
            price=price,
            stop_pct=abs(wish.stop / price - 1) * 100,
            confidence=decision.confidence,
            strategy=wish.strategy,
            votes=tuple((vote.source, vote.reason) for vote in decision.votes),
            open_positions=len(self._desk.book.open()),
            exposure_pct=float(account.exposure) / equity * 100,
            day_pnl_pct=float(account.day_pnl) / equity * 100,
            drawdown_pct=account.drawdown_pct,
        )

    # The answer.

    def _heard(self, held: _Held, reply: Reply) -> None:
        """The reply as a vote: journaled with what it made of the entry."""
        opinion = self._opinion(held, reply)
        verdict = self._go_on(held, opinion)
        keep_call(
            self._desk,
            Role.ADVISOR,
            held.id,
            held.asked_ns,
            reply,
            ((held.candidate.decision.id, verdict),),
            subject=held.candidate.symbol.symbol,
        )

    def _opinion(self, held: _Held, reply: Reply) -> Opinion | None:
        """None where there is nobody; a neutral vote where somebody failed to answer."""
        if reply.outcome.absent:
            return None
        if reply.outcome is not Outcome.OK:
            return _neutral(reply.why)
        advice: Advice = reply.answer
        words = "; ".join((advice.reasoning, *(f"beware: {one}" for one in advice.warnings)))
        if not advice.hold:
            # No more than the others are sure of: agreeing must never make a trade larger.
            least = min(advice.confidence, held.candidate.decision.confidence)
            said = f"agrees ({advice.confidence:.0%}): {words}"
            return Opinion(held.candidate.decision.action, least, said)
        veto = advice.confidence >= float(self._desk.params.get(OVERRIDE))
        said = f"would hold ({advice.confidence:.0%}): {words}"
        return Opinion(Action.HOLD, advice.confidence, said, veto=veto)

    def _go_on(self, held: _Held, opinion: Opinion | None) -> str:
        """Decide again with the fifth vote; returns in words what became of the entry."""
        desk, candidate = self._desk, held.candidate
        candidate.symbol.awaits = ""
        if candidate.symbol.decision is not candidate.decision:
            return "a newer decision took its place"
        if opinion is None:
            self._return(candidate)
            return "absent: the entry goes on without it"
        decision = self._again(candidate, opinion)
        candidate.symbol.decision = decision
        first = candidate.decision.id
        desk.record(
            Decided(time_ns=desk.now_ns, decision=decision),
            advised(decision.id, desk.now_ns, first, opinion.veto),
        )
        desk.hub.append("decisions", decision)
        if decision.action is Action.HOLD:
            self._overridden(candidate, decision)
            return f"HOLD instead of {candidate.decision.action}: {opinion.reason}"
        wish = replace(candidate.wish, confidence=decision.confidence)
        self._return(replace(candidate, decision=decision, wish=wish))
        return f"{decision.action} at {decision.confidence:.0%}: {opinion.reason}"

    def _again(self, candidate: Candidate, opinion: Opinion) -> Decision:
        assert candidate.context is not None
        combiner = Combiner(self._desk.params, [TechnicalSource(), _Heard(opinion)])
        return combiner.decide(self._desk.ids.next("D"), candidate.context)

    def _return(self, candidate: Candidate) -> None:
        self._entries.returning.append(candidate)
        self.ready()

    def _overridden(self, candidate: Candidate, decision: Decision) -> None:
        """Follow what the entry would have made: what the override was worth."""
        wish = candidate.wish
        self._entries.follower.add(
            Unmade(
                id=self._desk.ids.next("X"),
                symbol=candidate.symbol.symbol,
                kind="vetoed",
                code=decision.id,
                direction=wish.direction,
                price=candidate.symbol.last,
                stop=wish.stop,
                targets=(wish.target,) if math.isfinite(wish.target) else (),
                strategy=wish.strategy,
                regime=candidate.symbol.label,
                score=candidate.decision.confidence,
                who=WHO,
            )
        )

    def view(self) -> LlmView | None:
        """The advisor's health, None where there is none."""
        line = self.line
        if line is None:
            return None
        last = line.health.last
        state = "asking" if line.waiting else "ok"
        failed = last is not None and last.outcome is not Outcome.OK
        reason = last.why if last is not None and failed else ""
        return line.view("absent" if failed and not line.waiting else state, reason)


def _neutral(why: str) -> Opinion:
    """A vote for nothing, which differs from one that chose to hold."""
    return Opinion(Action.HOLD, 0.0, f"neutral, no answer: {why}")
