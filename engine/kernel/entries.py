"""From a candidate, or a condition whose price was reached, to a proposal.

A candidate becomes a proposal only if every gate admits it, and an order only if nobody has
to be asked or somebody said yes to exactly what was shown; what is refused is followed to the
end that it would have had.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import msgspec

from engine.core.clock import SECOND
from engine.core.errors import CommandRefused
from engine.core.exits import ExitReason
from engine.core.records import (
    ConditionChanged,
    Denied,
    FeedChanged,
)
from engine.core.types import (
    Action,
    Actor,
    ApprovalMode,
    Control,
    Decision,
    Direction,
    FeedStatus,
    Gate,
    Order,
    Origin,
    Proposal,
    TradeCondition,
)
from engine.decision.combine import MIN_CONFIDENCE
from engine.execution.proposals import ProposalClass
from engine.kernel.appraisal import Appraisal, Appraiser, Wish
from engine.kernel.deciding import Candidate, Deciding
from engine.kernel.desk import Desk
from engine.kernel.exits import Exits
from engine.kernel.follow import Follower
from engine.kernel.growth import Growth
from engine.kernel.guard import Guard
from engine.kernel.learning import Learning
from engine.kernel.orders import Orders
from engine.kernel.retries import Retries
from engine.kernel.sending import Sending
from engine.kernel.turnover import Turnover
from engine.kernel.unmade import Unmade
from engine.risk.gates import first_refusal

READING_NS = 20 * SECOND
"""Wall time for which a proposal stands at least, while the market runs faster than real."""


class Entries:
    """Proposes entries, or says why not. Owned by the kernel thread.

    `deciding` brings the candidates, `sending` takes what was proposed.
    """

    def __init__(self, desk: Desk, orders: Orders, exits: Exits, guard: Guard) -> None:
        self._desk = desk
        self._exits = exits
        self._guard = guard
        self.appraiser = Appraiser(desk)
        self.appraiser.margin_used = exits.perpetuals.margin_used
        self.follower = Follower(desk)
        self.retries = Retries(desk, orders)
        self.deciding = Deciding(desk, exits, self.appraiser)
        self.sending = Sending(desk, orders, exits, self.appraiser, self.retries)
        self.growth = Growth(
            desk, orders, exits, self.appraiser, self.follower,
            lambda proposal, why: self.sending.wait(self.sending.with_margin(proposal), why),
        )  # fmt: skip
        self.turnover = Turnover(desk, exits)
        self.learning: Learning | None = None
        self.denied: list[Callable[[Denied], None]] = []
        self.proposed: list[Callable[[Proposal], None]] = []
        self.returning: list[Candidate] = []
        """Candidates for which room is being made; they are asked again in the next cycle."""

    def preference(self, condition: TradeCondition) -> float:
        """Which of several triggered conditions goes first: the smaller."""
        wish = self._wished(condition)
        memory = self._desk.memory
        return -memory.order(condition.symbol, condition.strategy, wish.recognised)

    def ask_again(self) -> None:
        """Ask once more for entries of which nothing was bought, when their time has come."""
        for again in self.retries.due(self._desk.now_ns):
            try:
                self.propose(again.candidate, again.attempts)
            except CommandRefused as refused:
                self._desk.note(f"not asked for again: {refused}")

    def propose(self, candidate: Candidate, attempts: int = 0) -> None:
        """Close what the decision is against, or size, gate and propose an entry.

        `attempts` is how often that was done for this candidate without anything bought.
        """
        if candidate.closes is not None:
            self._close_by_signal(candidate)
            return
        desk, wish = self._desk, candidate.wish
        self._guard.asked(wish.symbol.symbol, str(wish.direction), wish.strategy)
        account = self.appraiser.account()
        appraisal = self.appraiser.appraise(candidate.wish, account)
        refused = first_refusal(appraisal.gates)
        if refused is not None:
            room = self.turnover.make_room(wish.symbol.symbol, wish.confidence, appraisal.gates)
            if room and candidate not in self.returning:
                self.returning.append(candidate)
            else:
                self._deny(candidate, appraisal, refused)
            return
        proposal = self.create(
            candidate.wish, candidate.decision, appraisal, Origin.ENGINE, ProposalClass.REGULAR, ""
        )
        why = desk.proposals.needs_person(proposal, desk.proposals.mode, account)
        if why:
            self.sending.wait(proposal, why)
        else:
            self.retries.sending(proposal, candidate, attempts)
            self.sending.send_unasked(proposal, "admitted without a person")

    def _close_by_signal(self, candidate: Candidate) -> None:
        """A decision against a position ends it, wherever automatic reductions are allowed."""
        desk, position = self._desk, candidate.closes
        assert position is not None
        if position.taken_over or desk.control.state.severity > Control.REDUCING.severity:
            return
        self._exits.close(
            position, 1.0, candidate.decision.reasoning, reason_code=ExitReason.EXIT_SIGNAL
        )

    def create(
        self,
        wish: Wish,
        decision: Decision,
        appraisal: Appraisal,
        origin: Origin,
        kind: ProposalClass,
        note: str,
        condition: str = "",
    ) -> Proposal:
        desk, symbol = self._desk, wish.symbol
        self._keep_inputs(decision, appraisal, condition)
        targets = self._exits.protection.planned_targets(wish, appraisal)
        proposal = desk.proposals.create(
            now_ns=desk.now_ns,
            symbol=symbol.symbol,
            direction=wish.direction,
            quantity=appraisal.quantity,
            price=appraisal.price,
            stop=appraisal.stop,
            targets=targets,
            strategy=wish.strategy,
            decision=decision.id,
            confidence=wish.confidence,
            gates=appraisal.gates,
            factors=appraisal.factors,
            leverage=appraisal.leverage,
            contract_size=symbol.instrument.contract_size,
            regime=symbol.label,
            reasoning=note or decision.reasoning,
            expected=appraisal.expected,
            origin=origin,
            kind=kind,
            least_ns=self._reading_ns(),
        )
        proposal = msgspec.structs.replace(
            proposal, pattern=wish.recognised, condition=wish.condition
        )
        desk.proposals.restore(proposal, kind)
        proposal = self.sending.with_margin(proposal)
        if math.isfinite(wish.target):
            desk.own_targets[proposal.id] = (wish.target,)
        desk.tally.proposals += 1
        if self.learning is not None and origin is not Origin.PERSON:
            self.learning.want(proposal.id, wish, appraisal, "proposed")
        for listener in self.proposed:
            listener(proposal)
        return proposal

    def _keep_inputs(self, decision: Decision, appraisal: Appraisal, condition: str) -> None:
        """Journal what size and gates were made from, to make them again."""
        gated = appraisal.gated_from
        if gated is not None:
            now, sized = self._desk.now_ns, appraisal.sized_from
            stages = appraisal.stages
            self._desk.record(
                *self.deciding.keeper.appraised(decision.id, now, sized, gated, stages, condition)
            )

    def _reading_ns(self) -> int:
        """What a person needs to read a proposal, in engine time: at 60 times real time five
        minutes are over before anybody has seen it."""
        desk = self._desk
        asks = desk.proposals.mode is not ApprovalMode.AUTO
        return int(READING_NS * desk.feed.speed) if asks else 0

    def send(self, proposal: Proposal, who: Actor, why: str) -> Order:
        """Send what a person approved: an entry, or what adds to a position."""
        if proposal.grows:
            return self.growth.send(proposal, who, why)
        return self.sending.send(proposal, who, why)

    def _deny(
        self, candidate: Candidate, appraisal: Appraisal, gate: Gate, condition: str = ""
    ) -> None:
        """Keep who was refused by what, and follow what it would have made."""
        self._keep_inputs(candidate.decision, appraisal, condition)
        desk, wish = self._desk, candidate.wish
        desk.tally.denials[gate.code] += 1
        denied = Denied(
            time_ns=desk.now_ns,
            id=desk.ids.next("X"),
            symbol=wish.symbol.symbol,
            decision=candidate.decision.id,
            direction=str(wish.direction),
            code=gate.code,
            gate=gate,
            price=float(appraisal.price),
            stop=float(appraisal.stop),
            target=wish.target,
            score=wish.confidence,
            quantity=str(appraisal.quantity),
        )
        if self.learning is not None:
            self.learning.want(denied.id, wish, appraisal, "denied", gate.code)
        self.follower.add(
            Unmade(
                id=denied.id,
                symbol=wish.symbol.symbol,
                kind="denied",
                code=gate.code,
                direction=wish.direction,
                price=float(appraisal.price),
                stop=float(appraisal.stop) if appraisal.stop else math.nan,
                targets=(wish.target,) if math.isfinite(wish.target) else (),
                strategy=wish.strategy,
                regime=wish.symbol.label,
                score=wish.confidence,
                who=Actor.ENGINE,
            ),
            denied,
        )
        for listener in self.denied:
            listener(denied)

    def trigger(self, condition: TradeCondition) -> None:
        """A condition's price was reached: every gate again, then as any other candidate."""
        desk = self._desk
        symbol = desk.symbols[condition.symbol]
        desk.record(ConditionChanged(time_ns=desk.now_ns, condition=condition, state="triggered"))
        wish = self._wished(condition)
        self._guard.asked(symbol.symbol, str(wish.direction), wish.strategy)
        account = self.appraiser.account()
        appraisal = self.appraiser.appraise(wish, account)
        decision = self.ordered(wish, condition.reasoning, appraisal)
        refused = first_refusal(appraisal.gates)
        if refused is not None:
            self._deny(Candidate(symbol, decision, wish, 0.0), appraisal, refused, condition.id)
            return
        proposal = self.create(
            wish, decision, appraisal, Origin.CONDITION, ProposalClass.CONDITION,
            condition.reasoning, condition.id,
        )  # fmt: skip
        if condition.targets:
            desk.own_targets[proposal.id] = condition.targets
        why = desk.proposals.needs_person(proposal, desk.proposals.mode, account)
        if why:
            self.sending.wait(proposal, why)
        else:
            self.sending.send_unasked(proposal, "condition triggered")

    def _wished(self, condition: TradeCondition) -> Wish:
        desk = self._desk
        symbol = desk.symbols[condition.symbol]
        return Wish(
            symbol=symbol,
            direction=condition.direction,
            strategy=condition.strategy,
            confidence=float(desk.params.get(MIN_CONFIDENCE, regime=symbol.label or None)),
            stop=condition.stop,
            target=condition.targets[0] if condition.targets else math.nan,
            condition=condition.id,
            pattern=condition.pattern,
        )

    def ordered(self, wish: Wish, reasoning: str, appraisal: Appraisal) -> Decision:
        """The decision that stands behind an entry which no vote made."""
        desk, symbol = self._desk, wish.symbol
        regime = symbol.regime
        decision = Decision(
            id=desk.ids.next("D"),
            symbol=symbol.symbol,
            time_ns=desk.now_ns,
            action=Action.BUY if wish.direction is Direction.LONG else Action.SELL,
            confidence=wish.confidence,
            size_pct=appraisal.size.pct if appraisal.size is not None else 0.0,
            price=float(appraisal.price),
            regime=symbol.label,
            regime_confidence=regime.confidence if regime is not None else 0.0,
            reasoning=reasoning,
            votes=(),
            absent=(),
            signals=symbol.said.signals if symbol.said is not None else (),
            winner=wish.strategy,
            expected=appraisal.expected,
        )
        self.deciding.told(decision)
        return decision

    def feed_changed(self, status: FeedStatus) -> None:
        self._desk.record(FeedChanged(time_ns=self._desk.now_ns, status=status))
