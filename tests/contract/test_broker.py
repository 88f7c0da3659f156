"""What the kernel relies on from any broker.

A new broker adds itself to `BROKERS`: a name and a function that gives a `Venue`, which is
the broker and a hand on the market that it trades in.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any, Protocol

import pytest

from engine.core.types import Order, OrderState, Purpose, Side
from engine.execution.broker import Broker, FillEvent, OrderUpdate
from tests.execution_help import Market


class Venue(Protocol):
    """A broker under test. `quote` moves the market and returns what the broker says of it."""

    @property
    def broker(self) -> Broker: ...

    def order(
        self,
        quantity: object,
        side: Side = ...,
        purpose: Purpose = ...,
        limit: object | None = ...,
        position: str = ...,
    ) -> Order: ...

    def quote(
        self, bid: float, ask: float, size: float = ..., after_ms: float = ...
    ) -> list[Any]: ...


def paper() -> Venue:
    return Market(latency_ms=50.0)


def paper_at_once() -> Venue:
    return Market(latency_ms=0.0)


BROKERS: dict[str, Callable[[], Venue]] = {"paper": paper, "paper without latency": paper_at_once}


@pytest.fixture(params=sorted(BROKERS))
def venue(request: pytest.FixtureRequest) -> Venue:
    made = BROKERS[request.param]()
    made.quote(60_000.0, 60_000.5)
    return made


def settle(venue: Venue) -> list[Any]:
    """Let every latency pass while the market stands still."""
    said: list[Any] = []
    for _ in range(5):
        said += venue.quote(60_000.0, 60_000.5, after_ms=100)
    return said


def last(events: list[Any], order: Order) -> Order:
    states: list[Order] = [event.order for event in events if event.order.id == order.id]
    assert states, "the broker said nothing of this order"
    return states[-1]


def test_a_market_order_fills_and_its_events_agree(venue: Venue) -> None:
    order = venue.order("0.01")
    events = venue.broker.submit(order) + settle(venue)
    done = last(events, order)
    assert done.state is OrderState.FILLED
    fills = [event.fill for event in events if isinstance(event, FillEvent)]
    assert sum((fill.quantity for fill in fills), Decimal(0)) == done.filled == order.quantity
    for fill in fills:
        assert (fill.order, fill.position, fill.side) == (order.id, "X-1", Side.BUY)
        assert fill.fee > 0
        assert fill.time_ns >= order.created_ns
    assert len({fill.id for fill in fills}) == len(fills)
    assert venue.broker.open_orders() == ()
    assert venue.broker.next_due_ns() is None


def test_a_known_order_is_not_sent_again(venue: Venue) -> None:
    order = venue.order("0.01")
    first = venue.broker.submit(order)
    assert first
    assert venue.broker.submit(order) == []
    settle(venue)
    assert venue.broker.submit(order) == []
    assert settle(venue) == []


def test_what_the_filters_refuse_comes_back_rejected(venue: Venue) -> None:
    for quantity in ("0.000001", "0.00001", "1000000"):
        order = venue.order(quantity)
        refused = last(venue.broker.submit(order), order)
        assert refused.state is OrderState.REJECTED
        assert refused.reason
        assert refused.filled == 0
    assert venue.broker.open_orders() == ()
    assert settle(venue) == []


def test_a_resting_limit_opens_shows_and_cancels(venue: Venue) -> None:
    order = venue.order("0.01", limit=59_000)
    events = venue.broker.submit(order) + settle(venue)
    assert last(events, order).state is OrderState.OPEN
    assert [each.id for each in venue.broker.open_orders()] == [order.id]
    events = venue.broker.cancel(order.id) + settle(venue)
    assert last(events, order).state is OrderState.CANCELLED
    assert venue.broker.open_orders() == ()
    assert venue.broker.cancel(order.id) == []


def test_cancelling_what_is_not_there_says_nothing(venue: Venue) -> None:
    assert venue.broker.cancel("O-404") == []
    assert venue.broker.find("nobody") is None


def test_find_answers_by_client_id_at_every_stage(venue: Venue) -> None:
    order = venue.order("0.01", limit=59_000)
    assert venue.broker.find(order.client_id) is None
    venue.broker.submit(order)
    found = venue.broker.find(order.client_id)
    assert found is not None
    assert found.state in (OrderState.SENT, OrderState.OPEN)
    settle(venue)
    venue.broker.cancel(order.id)
    settle(venue)
    found = venue.broker.find(order.client_id)
    assert found is not None
    assert found.state is OrderState.CANCELLED


def test_events_follow_the_law_of_states(venue: Venue) -> None:
    """Filled never falls, an ended order never speaks again."""
    orders = [
        venue.order("0.02"),
        venue.order("0.02", limit=60_000),
        venue.order("0.01", Side.SELL),
    ]
    events: list[Any] = []
    for order in orders:
        events += venue.broker.submit(order)
    events += settle(venue)
    for order in orders:
        events += venue.broker.cancel(order.id)
    events += settle(venue)
    for order in orders:
        ended = False
        filled = Decimal(0)
        for event in events:
            if event.order.id != order.id:
                continue
            assert not ended
            assert event.order.filled >= filled
            assert isinstance(event, FillEvent) == (event.order.filled > filled)
            assert isinstance(event, FillEvent | OrderUpdate)
            filled = event.order.filled
            ended = not event.order.state.live
        assert ended
