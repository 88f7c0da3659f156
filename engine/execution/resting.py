"""When a resting limit order fills: never by a touch alone.

It stands behind what was displayed at its price before it came. It fills when the market
trades through the price, or when that volume has traded at it.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from engine.core.errors import InvariantBroken
from engine.core.types import ZERO, Bar, Book, Order, Quote, Side, Tick

EVERYTHING = Decimal("Infinity")


@dataclass(frozen=True, slots=True)
class Touch:
    """What an event left of the queue before an order, and how much of the order it filled.

    `base` is in base units, infinite when the price was traded through; `rule` names why.
    """

    queue: Decimal
    base: Decimal
    rule: str


def touch(order: Order, queue: Decimal, event: Tick | Quote | Book) -> Touch:
    """What a tick, quote or book did to a resting order behind `queue`.

    A trade at the order's price shortens the queue only when the aggressor came from the
    other side; a best price on the other side counts only beyond the order's price.
    """
    limit, buy = _limit(order), order.side is Side.BUY
    if isinstance(event, Tick):
        if event.price < limit if buy else event.price > limit:
            return Touch(queue, EVERYTHING, "through")
        if event.price == limit and event.buyer_maker is buy:
            traded = Decimal(repr(event.size))
            return Touch(max(queue - traded, ZERO), max(traded - queue, ZERO), "queue")
        return Touch(queue, ZERO, "")
    far = _far_side(event, buy)
    if far is not None and (far < limit if buy else far > limit):
        return Touch(queue, EVERYTHING, "through")
    return Touch(queue, ZERO, "")


def traded_through(order: Order, bar: Bar) -> bool:
    """Whether a whole bar went beyond a resting order's price; reaching it is not enough."""
    limit = _limit(order)
    return bar.low < limit if order.side is Side.BUY else bar.high > limit


def _limit(order: Order) -> float:
    if order.limit is None:
        raise InvariantBroken(f"order {order.id} rests without a limit", "")
    return float(order.limit)


def displayed(book: Book, order: Order) -> Decimal:
    """What stands before a limit order that joins at its price."""
    limit = float(order.limit or ZERO)
    buy = order.side is Side.BUY
    for price, size in book.bids if buy else book.asks:
        if price == limit or (book.modelled and (price < limit if buy else price > limit)):
            return Decimal(repr(size))
        if price < limit if buy else price > limit:
            return ZERO
    return ZERO


def _far_side(event: Quote | Book, buy: bool) -> float | None:
    """The best price on the other side, which a resting order would have met."""
    if type(event) is Quote:
        return event.ask if buy else event.bid
    levels = (event.asks if buy else event.bids) if isinstance(event, Book) else ()
    return levels[0][0] if levels else None
