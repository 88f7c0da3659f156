"""The broker protocol: paper, testnet and live look the same to the kernel.

A broker is told what to do and says what happened; it decides nothing. What it says comes
back as events, in the order in which they happened, whether as the answer to a call or with
a market event.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from engine.core.types import Fill, MarketEvent, Order


@dataclass(frozen=True, slots=True)
class OrderUpdate:
    """An order moved without an execution: accepted, refused, cancelled or unknown."""

    order: Order


@dataclass(frozen=True, slots=True)
class FillEvent:
    """An execution, and the order as it is after it; no `OrderUpdate` says so again."""

    fill: Fill
    order: Order


BrokerEvent = OrderUpdate | FillEvent


class Broker(Protocol):
    """Carries out orders. Contract: tests/contract/test_broker.py.

    All calls come from one thread and return at once. An order's intent is committed by
    the caller before `submit`; a broker that can't tell what became of an order says
    UNKNOWN and never sends it a second time.
    """

    def submit(self, order: Order) -> list[BrokerEvent]:
        """Send an order that is INTENT or SENT. A known id or client id is not sent again:
        the answer is empty. What the venue's filters refuse comes back REJECTED."""
        ...

    def cancel(self, order_id: str) -> list[BrokerEvent]:
        """Ask for a cancellation. It may lose the race: fills that come before it takes
        effect count. An unknown or ended order gives an empty answer."""
        ...

    def open_orders(self) -> tuple[Order, ...]:
        """Every order that may still fill, oldest first."""
        ...

    def find(self, client_id: str) -> Order | None:
        """The order of that client id as the venue has it; None if it never arrived."""
        ...

    def on_market(self, event: MarketEvent) -> list[BrokerEvent]:
        """What happened to the orders by this market event, oldest first."""
        ...

    def on_time(self, now_ns: int) -> list[BrokerEvent]:
        """What happened by the mere passing of time: activations, cancellations, answers."""
        ...

    def next_due_ns(self) -> int | None:
        """When `on_time` should be called at the latest; None: nothing is under way."""
        ...
