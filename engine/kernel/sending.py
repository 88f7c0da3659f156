"""From a proposal to its order: show it to a person and let it wait, or send it.

Approval and intent are committed together, and nothing is sent before they are on disk.
"""

from __future__ import annotations

from contextlib import suppress

import msgspec

from engine.core.errors import CommandRefused
from engine.core.records import Entering
from engine.core.types import Actor, Order, Proposal, ProposalState, Purpose
from engine.kernel.appraisal import Appraiser
from engine.kernel.desk import Desk
from engine.kernel.exits import Exits
from engine.kernel.orders import Orders, plan_for
from engine.kernel.retries import Retries
from engine.kernel.surroundings import entry_conditions


class Sending:
    """Lets proposals wait, and sends their entries. Owned by the kernel thread."""

    def __init__(
        self, desk: Desk, orders: Orders, exits: Exits, appraiser: Appraiser, retries: Retries
    ) -> None:
        self._desk = desk
        self._orders = orders
        self._exits = exits
        self._appraiser = appraiser
        self._retries = retries

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

    def wait(self, proposal: Proposal, why: str) -> Proposal:
        desk = self._desk
        waiting = msgspec.structs.replace(proposal, why_waits=why)
        desk.proposals.restore(waiting, desk.proposals.kind_of(proposal.id))
        desk.record(desk.propose(waiting, Actor.ENGINE, f"waits: {why}"))
        return waiting

    def send_unasked(self, proposal: Proposal, why: str) -> None:
        """Send without a person; a refusal has been journaled with the proposal it ended."""
        with suppress(CommandRefused):
            self.send(proposal, Actor.ENGINE, why)

    def send(self, proposal: Proposal, who: Actor, why: str) -> Order:
        """Plan the position, commit approval and intent together, send."""
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
                desk, symbol, self._appraiser.account(), self._exits.perpetuals
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
        self._appraiser.sent(float(approved.risk))
        try:
            sent = self._orders.enter(order, approved.gates, change, found)
        except CommandRefused as refused:
            self._exits.end_proposal(approved, ProposalState.FAILED, refused.message)
            if refused.code == "journal":
                self._retries.dropped(order, refused.message)
            else:
                self._retries.forget(approved)
            raise
        desk.tally.approvals += 1
        return sent
