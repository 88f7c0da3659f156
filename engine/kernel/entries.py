"""From a closed decision bar to an entry: hear, rank, propose, approve, send.

What strategies say becomes at most one candidate a symbol; a candidate becomes a proposal
only if every gate admits it, and an order only if nobody has to be asked or somebody said
yes to exactly what was shown.
"""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import dataclass, replace
from decimal import Decimal

import msgspec

from engine.core.commands import Amend
from engine.core.errors import CommandRefused
from engine.core.exits import ExitReason
from engine.core.records import (
    ConditionChanged,
    Decided,
    Denied,
    FeedChanged,
    RegimeChanged,
    Signalled,
)
from engine.core.types import (
    Account,
    Action,
    Actor,
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
    SizeFactor,
    TradeCondition,
)
from engine.core.views import Outlook
from engine.decision.combine import MIN_CONFIDENCE, Combiner
from engine.decision.sources import DecisionContext, TechnicalSource
from engine.execution.proposals import ProposalClass
from engine.kernel.appraisal import Appraisal, Appraiser, Wish
from engine.kernel.desk import OWN_SIZE, Desk
from engine.kernel.exits import Exits
from engine.kernel.follow import Follower, Unmade
from engine.kernel.growth import Growth
from engine.kernel.guard import Guard
from engine.kernel.orders import Orders, plan_for
from engine.kernel.symbols import SymbolDesk
from engine.market.costs import Costs
from engine.market.instruments import round_price, round_qty
from engine.risk.gates import first_refusal, limits
from engine.strategies.base import StrategyContext
from engine.strategies.coordination import coordinate


@dataclass(frozen=True, slots=True)
class Candidate:
    """A decision that wants something done: an entry, or (`closes`) the end of a position."""

    symbol: SymbolDesk
    decision: Decision
    wish: Wish
    rank: float
    closes: Position | None = None


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
        exits.scale_in = Growth(desk, orders, self.appraiser).more
        self._combiner = Combiner(desk.params, [TechnicalSource()])

    # Signals: what strategies say.

    def hear(self) -> list[Candidate]:
        """Decide on every symbol whose decision bar closed since the last time."""
        self.appraiser.new_in_cycle = 0
        self._desk.risk.refresh()
        heard = []
        for symbol in self._desk.symbols.values():
            if symbol.pending is not None:
                candidate = self._decide(symbol)
                symbol.pending = None
                if candidate is not None:
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
        said = coordinate(context, signals, desk.statistics, lambda: self._usual_costs(symbol))
        decision = self._combiner.decide(desk.ids.next("D"), DecisionContext(context, said))
        symbol.said, symbol.decision = said, decision
        desk.tally.decisions += 1
        self._exits.refresh(symbol, decision)
        if said.ranked:
            self._journal(decision)
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
        return Candidate(symbol, decision, wish, winner.rank, position)

    def _usual_costs(self, symbol: SymbolDesk) -> Costs:
        return self.appraiser.costs(symbol, self.appraiser.usual_notional(self.appraiser.account()))

    def _journal(self, decision: Decision) -> None:
        desk = self._desk
        spoke = [signal for signal in decision.signals if signal.action is not Action.HOLD]
        desk.tally.signals += len(spoke)
        desk.record(
            Decided(time_ns=desk.now_ns, decision=decision),
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

    def propose(self, candidate: Candidate) -> None:
        """Close what the decision is against, or size, gate and propose an entry."""
        if candidate.closes is not None:
            self._close_by_signal(candidate)
            return
        desk, wish = self._desk, candidate.wish
        self._guard.asked(wish.symbol.symbol, str(wish.direction), wish.strategy)
        account = self.appraiser.account()
        appraisal = self.appraiser.appraise(candidate.wish, account)
        refused = first_refusal(appraisal.gates)
        if refused is not None:
            self._deny(candidate, appraisal, refused)
            return
        proposal = self._create(
            candidate.wish, candidate.decision, appraisal, Origin.ENGINE, ProposalClass.REGULAR, ""
        )
        why = desk.proposals.needs_person(proposal, desk.proposals.mode, account)
        if why:
            self._wait(proposal, why)
        else:
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

    def _create(
        self,
        wish: Wish,
        decision: Decision,
        appraisal: Appraisal,
        origin: Origin,
        kind: ProposalClass,
        note: str,
    ) -> Proposal:
        desk, symbol = self._desk, wish.symbol
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
        )
        proposal = self._with_margin(proposal)
        if math.isfinite(wish.target):
            desk.own_targets[proposal.id] = (wish.target,)
        desk.tally.proposals += 1
        return proposal

    def _with_margin(self, proposal: Proposal) -> Proposal:
        """The proposal with the margin it needs and where it would be liquidated."""
        desk = self._desk
        found = self._exits.perpetuals.wanted(proposal)
        if found is None:
            return proposal
        margin, liquidation = found
        told = msgspec.structs.replace(
            proposal, margin=margin, liquidation=math.nan if liquidation is None else liquidation
        )
        desk.proposals.restore(told, desk.proposals.kind_of(told.id))
        return told

    def _wait(self, proposal: Proposal, why: str) -> Proposal:
        desk = self._desk
        waiting = msgspec.structs.replace(proposal, why_waits=why)
        desk.proposals.restore(waiting, desk.proposals.kind_of(proposal.id))
        desk.record(desk.propose(waiting, Actor.ENGINE, f"waits: {why}"))
        return waiting

    def _send_unasked(self, proposal: Proposal, why: str) -> None:
        """Send without a person; a refusal has been journaled with the proposal it ended."""
        with suppress(CommandRefused):
            self._send(proposal, Actor.ENGINE, why)

    def _send(self, proposal: Proposal, who: Actor, why: str) -> Order:
        """Plan the position, commit approval and intent together, send."""
        desk = self._desk
        symbol = desk.symbols[proposal.symbol]
        approved = desk.proposals.approve(
            proposal.id, proposal.digest, proposal.version, desk.now_ns
        )
        position = desk.ids.next("POS")
        desk.book.plan(plan_for(approved, position, symbol))
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
            sent = self._orders.enter(order, approved.gates, change)
        except CommandRefused as refused:
            self._exits.end_proposal(approved, ProposalState.FAILED, refused.message)
            raise
        desk.tally.approvals += 1
        return sent

    def _deny(self, candidate: Candidate, appraisal: Appraisal, gate: Gate) -> None:
        """Keep who was refused by what, and follow what it would have made."""
        desk, wish = self._desk, candidate.wish
        desk.tally.denials[gate.code] += 1
        denial = desk.ids.next("X")
        desk.record(
            Denied(
                time_ns=desk.now_ns,
                id=denial,
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
        )
        self.follower.add(
            Unmade(
                id=denial,
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
            )
        )

    def follow(self, proposal: Proposal, kind: str) -> None:
        """Watch a proposal that ended without an order as if it had been made."""
        targets = self._desk.own_targets.pop(proposal.id, ())
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
            )
        )

    def follow_overridden(self, position: Position) -> None:
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
            )
        )

    def trigger(self, condition: TradeCondition) -> None:
        """A condition's price was reached: every gate again, then as any other candidate."""
        desk = self._desk
        symbol = desk.symbols[condition.symbol]
        desk.record(ConditionChanged(time_ns=desk.now_ns, condition=condition, state="triggered"))
        wish = Wish(
            symbol=symbol,
            direction=condition.direction,
            strategy=condition.strategy,
            confidence=float(desk.params.get(MIN_CONFIDENCE, regime=symbol.label or None)),
            stop=condition.stop,
            target=condition.targets[0] if condition.targets else math.nan,
        )
        self._guard.asked(symbol.symbol, str(wish.direction), wish.strategy)
        account = self.appraiser.account()
        appraisal = self.appraiser.appraise(wish, account)
        decision = self._ordered(wish, condition.reasoning, appraisal)
        refused = first_refusal(appraisal.gates)
        if refused is not None:
            self._deny(Candidate(symbol, decision, wish, 0.0), appraisal, refused)
            return
        proposal = self._create(
            wish, decision, appraisal, Origin.CONDITION, ProposalClass.CONDITION,
            condition.reasoning,
        )  # fmt: skip
        if condition.targets:
            desk.own_targets[proposal.id] = condition.targets
        why = desk.proposals.needs_person(proposal, desk.proposals.mode, account)
        if why:
            self._wait(proposal, why)
        else:
            self._send_unasked(proposal, "condition triggered")

    def _ordered(self, wish: Wish, reasoning: str, appraisal: Appraisal) -> Decision:
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

    # A person.

    def approve(self, proposal: Proposal, who: Actor) -> Order:
        """Quote again, run every gate again; send, or say what changed and ask again."""
        desk = self._desk
        wish = self._wish_of(proposal)
        appraisal = self.appraiser.appraise(wish, self.appraiser.account())
        refused = first_refusal(appraisal.gates, hard_only=True)
        if refused is not None:
            raise CommandRefused(
                refused.code,
                f"{refused.name} refuses it now: {refused.value:.6g} against "
                f"{refused.threshold:.6g} {refused.unit}",
                "it still waits; approve again when that has passed",
            )
        found = desk.proposals.requote_check(
            proposal, appraisal.price, appraisal.quantity, appraisal.gates, desk.feed.speed
        )
        if found.changed:
            self._ask_again(proposal, wish, appraisal, found.note())
        return self._send(proposal, who, "approved")

    def _ask_again(self, proposal: Proposal, wish: Wish, appraisal: Appraisal, note: str) -> None:
        desk = self._desk
        new = desk.proposals.amend(
            proposal.id,
            quantity=appraisal.quantity,
            price=appraisal.price,
            targets=self._exits.planned_targets(wish, appraisal),
            gates=appraisal.gates,
            factors=appraisal.factors or None,
            note=note,
        )
        new = self._with_margin(new)
        desk.record(desk.propose(new, Actor.ENGINE, note))
        raise CommandRefused(
            "changed", f"the market moved: {note}", f"approve v{new.version} if it still holds"
        )

    def _wish_of(self, proposal: Proposal) -> Wish:
        """The wish behind a waiting proposal; a person's own size is kept."""
        desk = self._desk
        targets = desk.own_targets.get(proposal.id, ())
        return Wish(
            symbol=desk.symbols[proposal.symbol],
            direction=proposal.direction,
            strategy=proposal.strategy,
            confidence=proposal.confidence,
            stop=float(proposal.stop),
            target=targets[0] if len(targets) == 1 else math.nan,
            quantity=proposal.quantity if proposal.id in desk.own_sizes else None,
            leverage=proposal.leverage,
        )

    def amend(self, command: Amend) -> Proposal:
        """A person's terms: checked against every hard gate, then a new version."""
        desk = self._desk
        old = desk.proposals.check_approval(command.proposal, command.digest, 0, desk.now_ns)
        instrument = desk.symbols[old.symbol].instrument
        short = old.direction is Direction.SHORT
        quantity, stop, targets = command.quantity, command.stop, command.targets
        if quantity is not None:
            quantity = round_qty(instrument, quantity)
        if stop is not None:
            stop = round_price(instrument, stop, up=short)
        if targets is not None:
            targets = tuple(round_price(instrument, price, up=short) for price in targets)
            _check_targets(old, targets)
        # Other leverage means another size, unless a person chose that too.
        sized_anew = (
            command.leverage not in (None, old.leverage)
            and quantity is None
            and old.id not in desk.own_sizes
        )
        kept = None if sized_anew else old.quantity
        wish = replace(
            self._wish_of(old),
            quantity=quantity if quantity is not None else kept,
            stop=float(stop) if stop is not None else float(old.stop),
            leverage=command.leverage or old.leverage,
        )
        appraisal = self.appraiser.appraise(wish, self.appraiser.account())
        refused = first_refusal(appraisal.gates, hard_only=True)
        if refused is not None:
            raise CommandRefused(
                refused.code,
                f"{refused.name} refuses these terms: {refused.value:.6g} against "
                f"{refused.threshold:.6g} {refused.unit}",
                "the proposal stays as it was",
            )
        factors: tuple[SizeFactor, ...] | None = None
        if quantity is not None:
            desk.own_sizes.add(old.id)
            factors = (SizeFactor(name=OWN_SIZE, value=float(quantity), result=float(quantity)),)
        elif sized_anew:
            quantity, factors = appraisal.quantity, appraisal.factors
        if targets is not None:
            desk.own_targets[old.id] = tuple(map(float, targets))
        new = desk.proposals.amend(
            old.id,
            quantity=quantity,
            price=appraisal.price,
            stop=stop,
            targets=targets
            if targets is not None
            else self._exits.planned_targets(wish, appraisal),
            leverage=command.leverage,
            gates=appraisal.gates,
            factors=factors,
            note=f"amended by a {command.actor}",
        )
        new = self._with_margin(new)
        desk.record(desk.propose(new, command.actor, "amended"))
        return new

    def reject(self, proposal_id: str, reason: str, who: Actor) -> Proposal:
        """End a waiting proposal; a reason may still be given to one just rejected."""
        desk = self._desk
        known = desk.proposals.get(proposal_id)
        if known is not None and known.state is ProposalState.REJECTED and reason:
            explained = msgspec.structs.replace(known, note=reason)
            desk.proposals.restore(explained, desk.proposals.kind_of(known.id))
            desk.record(desk.propose(explained, who, reason))
            return explained
        proposal = desk.proposals.reject(proposal_id, reason)
        desk.record(desk.propose(proposal, who, reason or "rejected"))
        self.follow(proposal, "rejected")
        return proposal

    def override(self, symbol_name: str, direction: Direction, reason: str, who: Actor) -> Proposal:
        """A person's wish against a HOLD or a soft denial; hard limits never give way."""
        desk = self._desk
        symbol = desk.symbols[symbol_name]
        if not symbol.ready:
            raise CommandRefused("warming_up", f"{symbol_name} is still warming up")
        last = symbol.decision
        agrees = last is not None and last.winner and last.action is not Action.HOLD
        wish = Wish(
            symbol=symbol,
            direction=direction,
            strategy="person",
            confidence=last.confidence
            if last is not None and agrees
            else float(desk.params.get(MIN_CONFIDENCE, regime=symbol.label or None)),
        )
        appraisal = self.appraiser.appraise(wish, self.appraiser.account())
        refused = first_refusal(appraisal.gates, hard_only=True)
        if refused is not None:
            raise CommandRefused(
                refused.code,
                f"{refused.name} is a hard limit: {refused.value:.6g} against "
                f"{refused.threshold:.6g} {refused.unit}",
                "an override can't lift it",
            )
        note = f"override by a {who}: {reason}"
        decision = self._ordered(wish, note, appraisal)
        proposal = self._create(
            wish, decision, appraisal, Origin.PERSON, ProposalClass.OVERRIDE, note
        )
        why = desk.proposals.needs_person(proposal, desk.proposals.mode, self.appraiser.account())
        return self._wait(proposal, why)

    # The feed.

    def feed_changed(self, status: FeedStatus) -> None:
        self._desk.record(FeedChanged(time_ns=self._desk.now_ns, status=status))

    # For the screen.

    def limits(self, account: Account) -> tuple[Gate, ...]:
        """The standing limits with their headroom."""
        return limits(self.appraiser.standing_context(account), self._desk.params)

    def outlook(self, symbol: SymbolDesk) -> Outlook:
        """Why this symbol is or is not traded now: the last decision and every gate.

        While nobody wants it, the gates answer for an entry of the least confidence that is
        admitted, so that they tell what else would stand in the way.
        """
        desk = self._desk
        if not symbol.ready or not math.isfinite(symbol.last):
            needed = max(symbol.indicators.spec.warmup_bars, symbol.detector.bars_needed)
            return Outlook(
                symbol=symbol.symbol, time_ns=desk.now_ns, decision=None, signals=(), gates=(),
                verdict="warming up",
                waiting_for=f"{symbol.indicators.bars_seen} of {needed} decision bars",
            )  # fmt: skip
        decision = symbol.decision
        direction = Direction.LONG
        if decision is not None and decision.action is Action.SELL:
            direction = Direction.SHORT
        claimed = decision.confidence if decision is not None else 0.0
        least = float(desk.params.get(MIN_CONFIDENCE, regime=symbol.label or None))
        wish = Wish(
            symbol=symbol,
            direction=direction,
            strategy=decision.winner if decision is not None and decision.winner else "technical",
            confidence=max(claimed, least),
            claimed=claimed,
        )
        gates = self.appraiser.appraise(wish, self.appraiser.account()).gates
        refused = first_refusal(gates)
        if decision is None:
            verdict = "no decision bar has closed yet"
        elif decision.action is Action.HOLD:
            verdict = f"HOLD: {decision.reasoning}"
        elif refused is not None:
            verdict = f"{decision.action} refused by {refused.name} ({refused.code})"
        else:
            verdict = f"{decision.action}: every gate admits it"
        return Outlook(
            symbol=symbol.symbol,
            time_ns=decision.time_ns if decision is not None else 0,
            decision=decision,
            signals=symbol.said.signals if symbol.said is not None else (),
            gates=gates,
            verdict=verdict,
            since_ns=decision.time_ns if decision is not None else 0,
        )


def _check_targets(proposal: Proposal, targets: tuple[Decimal, ...]) -> None:
    sign = proposal.direction.sign
    if len(targets) > 4 or any((price - proposal.price) * sign <= 0 for price in targets):
        raise CommandRefused(
            "bad_targets", "targets must lie on the profitable side, four at most",
            f"the price is {proposal.price}",
        )  # fmt: skip
