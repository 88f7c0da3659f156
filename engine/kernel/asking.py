"""What a person does to entries: approve, amend, reject, and override the engine's no.

Every yes is checked against the market of this moment: the price is quoted again, every gate
is asked again, and what moved beyond its tolerance is shown instead of being sent.
"""

from __future__ import annotations

import math
from dataclasses import replace
from decimal import Decimal

import msgspec

from engine.core.commands import Amend
from engine.core.errors import CommandRefused
from engine.core.types import (
    Action,
    Actor,
    Direction,
    Order,
    Origin,
    Proposal,
    ProposalState,
    SizeFactor,
)
from engine.decision.combine import MIN_CONFIDENCE
from engine.execution.proposals import ProposalClass
from engine.kernel.appraisal import Appraisal, Wish
from engine.kernel.desk import OWN_SIZE, Desk
from engine.kernel.entries import Entries
from engine.kernel.exits import Exits
from engine.market.instruments import round_price, round_qty
from engine.risk.gates import first_refusal


class Asking:
    """A person's answers to proposals, and wishes of their own. Owned by the kernel thread."""

    def __init__(self, desk: Desk, entries: Entries, exits: Exits) -> None:
        self._desk = desk
        self._entries = entries
        self._exits = exits
        self._appraiser = entries.appraiser

    def approve(self, proposal: Proposal, who: Actor) -> Order:
        """Quote again, run every gate again; send, or say what changed and ask again."""
        desk = self._desk
        wish = self._wish_of(proposal)
        appraisal = self._appraiser.appraise(wish, self._appraiser.account())
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
        return self._entries.send(proposal, who, "approved")

    def _ask_again(self, proposal: Proposal, wish: Wish, appraisal: Appraisal, note: str) -> None:
        desk = self._desk
        new = desk.proposals.amend(
            proposal.id,
            quantity=appraisal.quantity,
            price=appraisal.price,
            stop=appraisal.stop if proposal.grows else None,
            targets=self._targets(proposal, wish, appraisal),
            gates=appraisal.gates,
            factors=appraisal.factors or None,
            note=note,
        )
        new = self._entries.sending.with_margin(new)
        desk.record(desk.propose(new, Actor.ENGINE, note))
        raise CommandRefused(
            "changed", f"the market moved: {note}", f"approve v{new.version} if it still holds"
        )

    def _targets(self, proposal: Proposal, wish: Wish, appraisal: Appraisal) -> tuple[Decimal, ...]:
        if proposal.grows:
            return self._entries.growth.position_of(proposal).targets
        return self._exits.protection.planned_targets(wish, appraisal)

    def _wish_of(self, proposal: Proposal) -> Wish:
        """The wish behind a waiting proposal; a person's own size is kept."""
        desk = self._desk
        if proposal.grows:
            growth = self._entries.growth
            return growth.wish(growth.position_of(proposal), proposal.quantity)
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
            condition=proposal.condition,
            pattern=proposal.pattern if proposal.condition else "",
        )

    def amend(self, command: Amend) -> Proposal:
        """A person's terms: checked against every hard gate, then a new version."""
        desk = self._desk
        old = desk.proposals.check_approval(command.proposal, command.digest, 0, desk.now_ns)
        if old.grows and (command.stop, command.targets, command.leverage) != (None, None, None):
            raise CommandRefused(
                "not_possible",
                f"{old.id} adds to {old.grows} and takes its stop, targets and leverage",
                "amend its size, or move them on the position",
            )
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
        appraisal = self._appraiser.appraise(wish, self._appraiser.account())
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
            targets=targets if targets is not None else self._targets(old, wish, appraisal),
            leverage=command.leverage,
            gates=appraisal.gates,
            factors=factors,
            note=f"amended by a {command.actor}",
        )
        new = self._entries.sending.with_margin(new)
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
        change = desk.propose(proposal, who, reason or "rejected")
        self._entries.follower.add_ended(proposal, "rejected", change)
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
        appraisal = self._appraiser.appraise(wish, self._appraiser.account())
        refused = first_refusal(appraisal.gates, hard_only=True)
        if refused is not None:
            raise CommandRefused(
                refused.code,
                f"{refused.name} is a hard limit: {refused.value:.6g} against "
                f"{refused.threshold:.6g} {refused.unit}",
                "an override can't lift it",
            )
        note = f"override by a {who}: {reason}"
        decision = self._entries.ordered(wish, note, appraisal)
        proposal = self._entries.create(
            wish, decision, appraisal, Origin.PERSON, ProposalClass.OVERRIDE, note
        )
        why = desk.proposals.needs_person(proposal, desk.proposals.mode, self._appraiser.account())
        return self._entries.sending.wait(proposal, why)


def _check_targets(proposal: Proposal, targets: tuple[Decimal, ...]) -> None:
    sign = proposal.direction.sign
    if len(targets) > 4 or any((price - proposal.price) * sign <= 0 for price in targets):
        raise CommandRefused(
            "bad_targets", "targets must lie on the profitable side, four at most",
            f"the price is {proposal.price}",
        )  # fmt: skip
