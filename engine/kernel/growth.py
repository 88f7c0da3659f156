"""Scale-ins: more of a position that moves its way, if every gate admits the addition.

The plan asks, the gates answer as for any entry, save that they don't count the position
twice. Only in approval mode `auto` it is sent by itself. Otherwise what a person approved was
the size that they saw, so the addition is a proposal of its own, which is bound, quoted and
gated again like any other and ends with its position.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal

from engine.core.errors import CommandRefused
from engine.core.records import Denied
from engine.core.types import (
    Actor,
    ApprovalMode,
    Gate,
    Order,
    Position,
    Proposal,
    ProposalState,
    Purpose,
)
from engine.kernel.appraisal import Appraisal, Appraiser, Wish
from engine.kernel.desk import Desk
from engine.kernel.exits import Exits
from engine.kernel.follow import Follower
from engine.kernel.orders import Orders
from engine.kernel.unmade import Unmade
from engine.position.events import WatchEvent
from engine.risk.gates import first_refusal


class Growth:
    """Turns a watch's scale-in into an order or a proposal. Owned by the kernel thread.

    `wait` lets a proposal wait for a person and journals why.
    """

    def __init__(
        self,
        desk: Desk,
        orders: Orders,
        exits: Exits,
        appraiser: Appraiser,
        follower: Follower,
        wait: Callable[[Proposal, str], Proposal],
    ) -> None:
        self._desk = desk
        self._orders = orders
        self._exits = exits
        self._appraiser = appraiser
        self._follower = follower
        self._wait = wait
        exits.scale_in = self.more

    def more(self, position: Position, event: WatchEvent) -> None:
        """Add `event.lots`, ask for them, or say why not."""
        desk = self._desk
        quantity = desk.symbols[position.symbol].instrument.lot_step * event.lots
        account = self._appraiser.account()
        appraisal = self._appraiser.appraise(self.wish(position, quantity), account)
        refused = first_refusal(appraisal.gates)
        if refused is not None:
            self._deny(position, event, appraisal, refused)
            return
        if desk.proposals.mode is ApprovalMode.AUTO:
            order = self._order(position, appraisal.quantity, appraisal.price)
            self._appraiser.sent(float(abs(appraisal.price - appraisal.stop) * appraisal.quantity))
            self._attempt(position, lambda: self._orders.enter(order, appraisal.gates))
            return
        proposal = self._propose(position, event, appraisal)
        why = desk.proposals.needs_person(proposal, desk.proposals.mode, account)
        if why:
            self._wait(proposal, why)
            return
        self._attempt(
            position, lambda: self.send(proposal, Actor.ENGINE, "admitted without a person")
        )

    def _attempt(self, position: Position, send: Callable[[], Order]) -> None:
        try:
            send()
        except CommandRefused as error:
            self._desk.note(f"scale-in not sent: {error.message}", symbol=position.symbol)

    def _order(
        self, position: Position, quantity: Decimal, price: Decimal, proposal: str = ""
    ) -> Order:
        return self._orders.make(
            symbol=position.symbol,
            direction=position.direction,
            purpose=Purpose.SCALE_IN,
            quantity=quantity,
            position=position.id,
            proposal=proposal,
            expected=price,
        )

    def wish(self, position: Position, quantity: Decimal) -> Wish:
        """The addition as gates judge it: under the stop and leverage that the position has."""
        return Wish(
            symbol=self._desk.symbols[position.symbol],
            direction=position.direction,
            strategy=position.strategy,
            confidence=position.confidence,
            stop=float(position.stop),
            quantity=quantity,
            leverage=position.leverage,
            grows=True,
        )

    def _propose(self, position: Position, event: WatchEvent, appraisal: Appraisal) -> Proposal:
        desk = self._desk
        desk.tally.proposals += 1
        return desk.proposals.create(
            now_ns=desk.now_ns,
            symbol=position.symbol,
            direction=position.direction,
            quantity=appraisal.quantity,
            price=appraisal.price,
            stop=appraisal.stop,
            targets=position.targets,
            strategy=position.strategy,
            decision=position.decision,
            confidence=position.confidence,
            gates=appraisal.gates,
            factors=appraisal.factors,
            leverage=position.leverage,
            contract_size=desk.symbols[position.symbol].instrument.contract_size,
            regime=position.regime,
            reasoning=f"scale-in {event.index}: adds to {position.id} of {position.quantity}",
            expected=appraisal.expected,
            grows=position.id,
        )

    def position_of(self, proposal: Proposal) -> Position:
        """The position that a scale-in adds to, or a refusal where it has ended."""
        position = self._desk.book.get(proposal.grows)
        if position is None:
            raise CommandRefused(
                "unknown_position",
                f"{proposal.grows}, which {proposal.id} adds to, is closed",
                "there is nothing to add to",
            )
        return position

    def send(self, proposal: Proposal, who: Actor, why: str) -> Order:
        """Commit approval and intent together, send."""
        desk = self._desk
        position = self.position_of(proposal)
        approved = desk.proposals.approve(
            proposal.id, proposal.digest, proposal.version, desk.now_ns
        )
        order = self._order(position, approved.quantity, approved.price, approved.id)
        change = desk.propose(approved, who, why)
        self._appraiser.sent(float(approved.risk))
        try:
            sent = self._orders.enter(order, approved.gates, change)
        except CommandRefused as refused:
            self._exits.end_proposal(approved, ProposalState.FAILED, refused.message)
            raise
        desk.tally.approvals += 1
        return sent

    def withdraw(self) -> None:
        """End what waits to be added to a position that is no longer open."""
        desk = self._desk
        for proposal in desk.proposals.waiting():
            if proposal.grows and desk.book.get(proposal.grows) is None:
                note = f"{proposal.grows} closed; there is nothing to add to"
                ended = desk.proposals.end(proposal.id, ProposalState.REFUSED, note)
                desk.record(desk.propose(ended, Actor.ENGINE, note))

    def _deny(
        self, position: Position, event: WatchEvent, appraisal: Appraisal, gate: Gate
    ) -> None:
        """Keep who was refused by what, and follow what the addition would have made."""
        desk = self._desk
        desk.tally.denials[gate.code] += 1
        targets = tuple(map(float, position.targets))
        denied = Denied(
            time_ns=desk.now_ns,
            id=desk.ids.next("X"),
            symbol=position.symbol,
            decision=position.decision,
            direction=str(position.direction),
            code=gate.code,
            gate=gate,
            price=event.price,
            stop=float(position.stop),
            target=targets[0] if len(targets) == 1 else math.nan,
            score=position.confidence,
            quantity=str(appraisal.quantity),
        )
        self._follower.add(
            Unmade(
                id=denied.id,
                symbol=position.symbol,
                kind="denied",
                code=gate.code,
                direction=position.direction,
                price=event.price,
                stop=float(position.stop),
                targets=targets,
                strategy=position.strategy,
                regime=position.regime,
                score=position.confidence,
                who=Actor.ENGINE,
            ),
            denied,
        )
