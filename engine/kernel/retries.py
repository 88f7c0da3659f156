"""Entries that definitely did not happen, asked for again.

A venue may refuse, a book may be empty when the order arrives, a disk may be locked for a
second: nothing was bought, and what was wanted may still be right. So it is asked for again, as
a new candidate through every gate and as a proposal of its own, a few times and only until the
next decision. What a person approved is not: that was one proposal, and the person was told.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.core.clock import MINUTE, SECOND
from engine.core.types import Order, OrderState, Proposal
from engine.execution.orders import MAX_RETRIES, RETRY_SLEEP, advance, retry_after_ns
from engine.kernel.desk import Desk
from engine.kernel.orders import Orders

if TYPE_CHECKING:
    from engine.kernel.deciding import Candidate


LATE_NS = MINUTE
"""A market that was silent for so long has moved on; what was wanted of it is forgotten."""


@dataclass(frozen=True, slots=True)
class Again:
    """A candidate that was asked for `attempts` times without anything being bought."""

    candidate: Candidate
    attempts: int
    due_ns: int


class Retries:
    """Remembers which entry order stands for which candidate. Owned by the kernel thread.

    In memory only: after a restart nothing is repeated. An order whose end is not known never
    comes back here, nor one that we called off ourselves.
    """

    def __init__(self, desk: Desk, orders: Orders) -> None:
        self._desk = desk
        self._orders = orders
        self._sent: dict[str, tuple[Candidate, int]] = {}
        self._waiting: list[Again] = []
        orders.on_end.append(self._ended)

    def sending(self, proposal: Proposal, candidate: Candidate, attempts: int) -> None:
        """The engine is about to send this candidate by itself, having tried so many times."""
        self._sent[proposal.id] = (candidate, attempts)

    def dropped(self, order: Order, reason: str) -> None:
        """The order was never sent, because its intent could not be committed."""
        self._ended(advance(order, OrderState.CANCELLED, self._desk.now_ns, reason))

    def due(self, now_ns: int) -> list[Again]:
        """What is to be asked for now; what a newer decision or time has overtaken is forgotten.

        While the journal can't be written an attempt counts and is not made: waiting for a
        disk again and again would keep exits from their prices.
        """
        if not self._waiting:
            return []
        due = [again for again in self._waiting if again.due_ns <= now_ns]
        if not due:
            return []
        self._waiting = [again for again in self._waiting if again.due_ns > now_ns]
        current = [
            again
            for again in due
            if again.candidate.symbol.decision is again.candidate.decision
            and now_ns - again.due_ns < LATE_NS
        ]
        if self._desk.journal.state == "ok":
            return current
        params = self._desk.params
        for again in current:
            most = params.get(MAX_RETRIES, regime=again.candidate.symbol.label or None)
            if again.attempts < most:
                later = now_ns + int(params.get(RETRY_SLEEP) * SECOND)
                self._waiting.append(Again(again.candidate, again.attempts + 1, later))
        return []

    def forget(self, proposal: Proposal) -> None:
        """What was about to be sent must not be: a breaker is open."""
        self._sent.pop(proposal.id, None)

    def _ended(self, order: Order) -> None:
        candidate, attempts = self._sent.pop(order.proposal, (None, 0))
        if candidate is None or self._orders.called_off(order.id):
            return
        desk, regime = self._desk, candidate.symbol.label or None
        wait_ns = retry_after_ns(desk.params, order, attempts, regime)
        if wait_ns is None:
            return
        self._waiting.append(Again(candidate, attempts + 1, desk.now_ns + wait_ns))
        most = int(desk.params.get(MAX_RETRIES, regime=regime))
        desk.note(
            f"nothing was bought ({order.reason}): asked for again in {wait_ns / SECOND:g} s, "
            f"{attempts + 1} of {most}",
            ref=order.proposal,
            symbol=order.symbol,
        )
