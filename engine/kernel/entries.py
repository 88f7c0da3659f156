"""From a closed decision bar to an entry: hear, rank, propose, approve, send.

What strategies say becomes at most one candidate a symbol; a candidate becomes a proposal
only if every gate admits it, and an order only if nobody has to be asked or somebody said
yes to exactly what was shown.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import msgspec

from engine.core.clock import SECOND
from engine.core.errors import CommandRefused
from engine.core.exits import ExitReason
from engine.core.records import (
    ConditionChanged,
    Decided,
    DecidedFrom,
    Denied,
    Entering,
    FeedChanged,
    ProposalChanged,
    RegimeChanged,
    Signalled,
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
    Position,
    Proposal,
    ProposalState,
    Purpose,
    Signal,
    TradeCondition,
)
from engine.decision.combine import MIN_CONFIDENCE, Combiner
from engine.decision.sources import DecisionContext, TechnicalSource
from engine.execution.proposals import ProposalClass
from engine.kernel.appraisal import Appraisal, Appraiser, Wish
from engine.kernel.desk import Desk
from engine.kernel.exits import Exits
from engine.kernel.follow import Follower
from engine.kernel.growth import Growth
from engine.kernel.guard import Guard
from engine.kernel.inputs import Keeper
from engine.kernel.learning import Learning
from engine.kernel.orders import Orders, plan_for
from engine.kernel.retries import Retries
from engine.kernel.surroundings import entry_conditions
from engine.kernel.symbols import SymbolDesk
from engine.kernel.turnover import Turnover
from engine.kernel.unmade import Unmade
from engine.learning.patterns import recognise
from engine.market.costs import Costs
from engine.risk.gates import first_refusal
from engine.strategies.base import StrategyContext
from engine.strategies.coordination import coordinate

READING_NS = 20 * SECOND
"""Wall time for which a proposal stands at least, while the market runs faster than real."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A decision that wants something done: an entry, or (`closes`) the end of a position."""

    symbol: SymbolDesk
    decision: Decision
    wish: Wish
    rank: float
    closes: Position | None = None
    context: DecisionContext | None = None
    """What the decision was made from, to make it again with one more vote."""


class Entries:
    """Everything between a decision bar and an entry order. Owned by the kernel thread."""

    def __init__(self, desk: Desk, orders: Orders, exits: Exits, guard: Guard) -> None:
        self._desk = desk
        self._orders = orders
        self._exits = exits
        self._guard = guard
        self.appraiser = Appraiser(desk)
        self.appraiser.margin_used = exits.perpetuals.margin_used
        self.follower = Follower(desk)
        self.growth = Growth(
            desk, orders, exits, self.appraiser, self.follower,
            lambda proposal, why: self.wait(self.with_margin(proposal), why),
        )  # fmt: skip
        self.turnover = Turnover(desk, exits)
        self.learning: Learning | None = None
        self.denied: list[Callable[[Denied], None]] = []
        self.proposed: list[Callable[[Proposal], None]] = []
        self.retries = Retries(desk, orders)
        self.returning: list[Candidate] = []
        """Candidates for which room is being made; they are asked again in the next cycle."""
        self.hold: Callable[[Candidate], bool] = lambda candidate: False
        """Whether an entry waits for a word on it before it is proposed."""
        self._combiner = Combiner(desk.params, [TechnicalSource()])
        self._keeper = Keeper(desk.params, desk.statistics)

    # Signals: what strategies say.

    def hear(self) -> list[Candidate]:
        """Decide on every symbol whose decision bar closed since the last time."""
        self.appraiser.new_in_cycle = 0
        closed = [s for s in self._desk.symbols.values() if s.pending is not None]
        if not closed:
            return []
        self._desk.risk.refresh()
        heard = []
        for symbol in closed:
            candidate = self._decide(symbol)
            symbol.pending = None
            if candidate is not None and not self.hold(candidate):
                heard.append(candidate)
        return heard

    def _decide(self, symbol: SymbolDesk) -> Candidate | None:
        desk, bar = self._desk, symbol.pending
        assert bar is not None
        self._regime(symbol)
        if not symbol.ready:
            return None
        held = desk.book.of_symbol(symbol.symbol)
        position = held[0] if held else None
        context = StrategyContext.at_close(
            bar,
            symbol.indicators,
            symbol.regime,
            desk.params,
            symbol.instrument,
            symbol.quote,
            position.direction if position is not None else None,
        )
        signals = [strategy.analyze(context) for strategy in desk.strategies]
        costs = self._keeper.asked(lambda: self._usual_costs(symbol))
        standing = self._keeper.stood(lambda signal: self._standing(symbol, signal))
        said = coordinate(context, signals, desk.statistics, costs, standing)
        asked_of = DecisionContext(context, said)
        decision = self._combiner.decide(desk.ids.next("D"), asked_of)
        symbol.said, symbol.decision = said, decision
        desk.tally.decisions += 1
        self._exits.refresh(symbol, decision)
        if self.learning is not None:
            self.learning.decided(symbol, decision)
        asked = [one.id for one in desk.strategies]
        if said.ranked:
            inputs = self._keeper.decided(decision.id, desk.now_ns, context, asked)
            self._journal(decision, *inputs)
        else:
            desk.record(*self._keeper.quiet(decision, desk.now_ns, context, asked))
        if decision.action is Action.HOLD or said.winner is None:
            return None
        direction = Direction.LONG if decision.action is Action.BUY else Direction.SHORT
        winner = said.winner
        wish = Wish(
            symbol=symbol,
            direction=direction,
            strategy=winner.signal.strategy,
            confidence=decision.confidence,
            stop=winner.stop,
            target=winner.signal.target,
        )
        return Candidate(symbol, decision, wish, winner.rank, position, asked_of)

    def _standing(self, symbol: SymbolDesk, signal: Signal) -> float:
        """What coin, pair and pattern have shown so far makes of a signal's rank."""
        direction = Direction.LONG if signal.action is Action.BUY else Direction.SHORT
        seen = recognise(signal.strategy, symbol.label, direction)
        return self._desk.memory.order(symbol.symbol, signal.strategy, seen.id)

    def preference(self, condition: TradeCondition) -> float:
        """Which of several triggered conditions goes first: the smaller."""
        wish = self._wished(condition)
        memory = self._desk.memory
        return -memory.order(condition.symbol, condition.strategy, wish.recognised)

    def _usual_costs(self, symbol: SymbolDesk) -> Costs:
        return self.appraiser.costs(symbol, self.appraiser.usual_notional(self.appraiser.account()))

    def _journal(self, decision: Decision, *inputs: DecidedFrom) -> None:
        desk = self._desk
        spoke = [signal for signal in decision.signals if signal.action is not Action.HOLD]
        desk.tally.signals += len(spoke)
        desk.record(
            Decided(time_ns=desk.now_ns, decision=decision),
            *inputs,
            *(Signalled(time_ns=desk.now_ns, signal=signal) for signal in spoke),
        )
        desk.hub.append("decisions", decision)

    def _regime(self, symbol: SymbolDesk) -> None:
        change = symbol.detector.transition
        if change is not None:
            self._desk.record(
                RegimeChanged(
                    time_ns=self._desk.now_ns,
                    symbol=symbol.symbol,
                    from_regime=str(change.before),
                    to_regime=str(change.after),
                    vol_level=str(symbol.regime.vol_level) if symbol.regime is not None else "",
                    confidence=change.confidence,
                    indicators=dict(change.evidence),
                )
            )

    # Coordination.

    def rank(self, candidates: list[Candidate]) -> list[Candidate]:
        """The most promising first, so that scarce room goes to it; exits before entries."""
        return sorted(
            candidates,
            key=lambda one: (one.closes is None, -one.rank, one.symbol.symbol),
        )

    # Execution.

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
            self.wait(proposal, why)
        else:
            self.retries.sending(proposal, candidate, attempts)
            self._send_unasked(proposal, "admitted without a person")

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
        targets = self._exits.planned_targets(wish, appraisal)
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
        proposal = self.with_margin(proposal)
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
                *self._keeper.appraised(decision.id, now, sized, gated, stages, condition)
            )

    def with_margin(self, proposal: Proposal) -> Proposal:
        """The proposal with the margin it needs and where it would be liquidated."""
        desk = self._desk
        found = self._exits.perpetuals.wanted(proposal)
        if found is None:
            return proposal
        margin, liquidation = found
        told = msgspec.structs.replace(proposal, margin=margin, liquidation=liquidation or 0.0)
        desk.proposals.restore(told, desk.proposals.kind_of(told.id))
        return told

    def _reading_ns(self) -> int:
        """What a person needs to read a proposal, in engine time: at 60 times real time five
        minutes are over before anybody has seen it."""
        desk = self._desk
        asks = desk.proposals.mode is not ApprovalMode.AUTO
        return int(READING_NS * desk.feed.speed) if asks else 0

    def wait(self, proposal: Proposal, why: str) -> Proposal:
        desk = self._desk
        waiting = msgspec.structs.replace(proposal, why_waits=why)
        desk.proposals.restore(waiting, desk.proposals.kind_of(proposal.id))
        desk.record(desk.propose(waiting, Actor.ENGINE, f"waits: {why}"))
        return waiting

    def _send_unasked(self, proposal: Proposal, why: str) -> None:
        """Send without a person; a refusal has been journaled with the proposal it ended."""
        with suppress(CommandRefused):
            self.send(proposal, Actor.ENGINE, why)

    def send(self, proposal: Proposal, who: Actor, why: str) -> Order:
        """Plan the position, commit approval and intent together, send."""
        if proposal.grows:
            return self.growth.send(proposal, who, why)
        desk = self._desk
        symbol = desk.symbols[proposal.symbol]
        approved = desk.proposals.approve(
            proposal.id, proposal.digest, proposal.version, desk.now_ns
        )
        position = desk.ids.next("POS")
        found = Entering(
            time_ns=desk.now_ns,
            position=position,
            symbol=approved.symbol,
            direction=approved.direction,
            leverage=approved.leverage,
            conditions=entry_conditions(
                desk, symbol, self.appraiser.account(), self._exits.perpetuals
            ),
            indicators=symbol.indicators_json(),
        )
        desk.book.plan(plan_for(approved, position, symbol, found))
        order = self._orders.make(
            symbol=approved.symbol,
            direction=approved.direction,
            purpose=Purpose.ENTRY,
            quantity=approved.quantity,
            position=position,
            proposal=approved.id,
            expected=approved.price,
        )
        change = desk.propose(approved, who, why)
        self.appraiser.sent(float(approved.risk))
        try:
            sent = self._orders.enter(order, approved.gates, change, found)
        except CommandRefused as refused:
            self._exits.end_proposal(approved, ProposalState.FAILED, refused.message)
            if refused.code == "journal":
                self.retries.dropped(order, refused.message)
            else:
                self.retries.forget(approved)
            raise
        desk.tally.approvals += 1
        return sent

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

    def follow(self, proposal: Proposal, kind: str, ended: ProposalChanged) -> None:
        """Watch a proposal that ended (`ended` says how) without an order as if it were made."""
        targets = self._desk.own_targets.pop(proposal.id, ())
        if proposal.grows:
            targets = tuple(map(float, proposal.targets))
        self.follower.add(
            Unmade(
                id=proposal.id,
                symbol=proposal.symbol,
                kind=kind,
                code=proposal.note,
                direction=proposal.direction,
                price=float(proposal.price),
                stop=float(proposal.stop),
                targets=targets,
                strategy=proposal.strategy,
                regime=proposal.regime,
                score=proposal.confidence,
                who=ended.who,
            ),
            ended,
        )

    def follow_overridden(self, position: Position, who: Actor) -> None:
        """Watch what the engine's own stop and targets would have made from now on."""
        desk = self._desk
        symbol = desk.symbols[position.symbol]
        price = symbol.exit_price(position.direction)
        if not math.isfinite(price):
            return
        self.follower.add(
            Unmade(
                id=desk.ids.next("X"),
                symbol=position.symbol,
                kind="overridden",
                code=f"{position.id} taken over",
                direction=position.direction,
                price=price,
                stop=float(position.stop),
                targets=tuple(map(float, position.targets)),
                strategy=position.strategy,
                regime=position.regime,
                score=position.confidence,
                who=who,
            )
        )

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
            self.wait(proposal, why)
        else:
            self._send_unasked(proposal, "condition triggered")

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
        self._journal(decision)
        return decision

    def feed_changed(self, status: FeedStatus) -> None:
        self._desk.record(FeedChanged(time_ns=self._desk.now_ns, status=status))
