"""The paper broker: fills that a real market would not have refused to give.

Where a fill comes from, best source first: a real book that is fresh; a fresh quote with
depth modelled behind it; the last tick with quote and depth modelled around it; on feeds of
bars alone, the open of the next bar with the same model. A market order walks what it finds
and never fills better. Every fill carries what was assumed, as JSON.

What was decided, where venues differ or a simulation has a choice:

- An order becomes active `paper.latency_ms` after `submit`, on engine time, and then meets
  the market as it is known at that moment; a cancellation takes as long, and loses to what
  fills before it takes effect.
- Size is capped by the depth that was found. What is left of an entry is cancelled, as
  Binance expires the rest of a market order. What is left of an exit goes on at the next
  event, because the engine would send it again at once; depth that was taken from one book
  is not there a second time.
- A resting limit fills when the market trades through its price, or when the volume that
  was displayed at its price before it has traded. A touch does not fill it.
- On bars alone a market order fills at the next bar's open, so the kernel must show a bar
  to the broker before it watches positions through it. An exit inside a bar has no later
  event to fill at: `fill_now` fills it at once at the path's price or worse.
- Fees are charged in the quote currency and rounded up to 8 digits.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import ROUND_UP, Decimal
from typing import Any

import msgspec

from engine.core.clock import MILLISECOND, Clock
from engine.core.errors import InvariantBroken
from engine.core.ids import Ids
from engine.core.parameters import Parameters, declare
from engine.core.types import (
    ZERO,
    Bar,
    Book,
    Fill,
    Instrument,
    Liquidity,
    MarketEvent,
    Order,
    OrderState,
    OrderType,
    Purpose,
    Quote,
    Side,
    Tick,
)
from engine.execution.broker import BrokerEvent, FillEvent, OrderUpdate
from engine.execution.orders import advance, fill_order
from engine.execution.tape import SymbolTape, Tape
from engine.market.costs import BPS, CostModel
from engine.market.instruments import check_order, round_price, round_qty

LATENCY = declare(
    "paper.latency_ms",
    50.0,
    low=0.0,
    high=5_000.0,
    step=10.0,
    unit="ms",
    scopes="G",
    risk=-1,
    doc="Time on engine time from sending an order or a cancellation until it takes effect.",
    learnable=False,
)
BOOK_AGE = declare(
    "paper.book_max_age_ms",
    1_000.0,
    low=50.0,
    high=10_000.0,
    step=50.0,
    unit="ms",
    scopes="GY",
    risk=1,
    doc="Oldest book that a fill may walk.",
    learnable=False,
)
QUOTE_AGE = declare(
    "paper.quote_max_age_ms",
    2_000.0,
    low=50.0,
    high=30_000.0,
    step=50.0,
    unit="ms",
    scopes="GY",
    risk=1,
    doc="Oldest quote or tick that a fill may start from.",
    learnable=False,
)

FEE_STEP = Decimal("0.00000001")
"""Binance charges fees to eight digits; rounding up never flatters paper."""


@dataclass(frozen=True, slots=True)
class FillContext:
    """Where a fill at once comes from.

    `source` names it in the fill's assumptions (`bar_path`, `gap`, ...). `path_price` is
    the price that a position's path reached: no fill is better than it. Volatility and
    volume (base units) are the broker's own measurements where they are left out.
    """

    source: str
    path_price: Decimal
    daily_vol_pct: float = float("nan")
    volume_per_minute: float = float("nan")


@dataclass(slots=True)
class _Working:
    """An order on its way, waiting for a market it can meet (`arrived`), or resting.

    `queue` is what stands before it at its price, in base units.
    """

    order: Order
    active_ns: int
    cancel_ns: int | None = None
    arrived: bool = False
    resting: bool = False
    queue: float = 0.0


@dataclass(frozen=True, slots=True)
class _Found:
    """The market that an order meets: levels to take, and how they are known."""

    book: Book
    source: str
    origin: object
    best: float
    spread_bps: float


class PaperBroker:
    """Simulated executions for one account; the same protocol as a real venue's."""

    def __init__(
        self,
        parameters: Parameters,
        costs: CostModel,
        ids: Ids,
        clock: Clock,
        instruments: Mapping[str, Instrument],
    ) -> None:
        self._parameters = parameters
        self._costs = costs
        self._ids = ids
        self._clock = clock
        self.instruments = instruments
        self.tape = Tape(parameters)
        self._working: dict[str, dict[str, _Working]] = {}
        self._orders: dict[str, Order] = {}
        self._by_client: dict[str, str] = {}
        self._used: dict[tuple[str, Side], tuple[object, Decimal]] = {}

    # -- the protocol ------------------------------------------------------------------

    def submit(self, order: Order) -> list[BrokerEvent]:
        if order.id in self._orders or order.client_id in self._by_client:
            return []
        now = self._clock.now_ns()
        order, refused = self._accept(order, now)
        if refused:
            return [OrderUpdate(order)]
        latency = int(self._parameters.get(LATENCY) * MILLISECOND)
        working = _Working(order, now + latency)
        self._working.setdefault(order.symbol, {})[order.id] = working
        events: list[BrokerEvent] = [OrderUpdate(order)]
        if latency == 0:
            events += self._work_symbol(order.symbol, now)
        return events

    def cancel(self, order_id: str) -> list[BrokerEvent]:
        order = self._orders.get(order_id)
        if order is None or not order.state.live:
            return []
        now = self._clock.now_ns()
        working = self._working[order.symbol][order_id]
        if working.cancel_ns is None:
            working.cancel_ns = now + int(self._parameters.get(LATENCY) * MILLISECOND)
        return self._cancel_due(working, now)

    def open_orders(self) -> tuple[Order, ...]:
        live = [w.order for by_id in self._working.values() for w in by_id.values()]
        return tuple(sorted(live, key=lambda order: (order.created_ns, order.id)))

    def find(self, client_id: str) -> Order | None:
        return self._orders.get(self._by_client.get(client_id, ""))

    def order(self, order_id: str) -> Order | None:
        """An order by its own id, as it stands now."""
        return self._orders.get(order_id)

    def on_market(self, event: MarketEvent) -> list[BrokerEvent]:
        self.tape.observe(event)
        kind = type(event)
        if kind is Tick or kind is Quote or kind is Book:
            symbol: str = event.symbol  # type: ignore[union-attr]
            if not self._working.get(symbol):
                return []
            return self._on_live(event, symbol)  # type: ignore[arg-type]
        if kind is Bar and event.final and self._working.get(event.symbol):  # type: ignore[union-attr]
            return self._on_bar(event)  # type: ignore[arg-type]
        return []

    def on_time(self, now_ns: int) -> list[BrokerEvent]:
        events: list[BrokerEvent] = []
        for symbol in sorted(self._working):
            if self._working[symbol]:
                events += self._work_symbol(symbol, now_ns)
        return events

    def next_due_ns(self) -> int | None:
        due = [
            at
            for by_id in self._working.values()
            for w in by_id.values()
            for at in (w.cancel_ns, None if w.arrived else w.active_ns)
            if at is not None
        ]
        return min(due, default=None)

    # -- beyond the protocol -----------------------------------------------------------

    def restore(self, orders: Iterable[Order]) -> None:
        """Take back live orders after a restart; they are active at once, at the queue's end."""
        for order in orders:
            self._remember(order)
            if order.state.live:
                working = _Working(order, self._clock.now_ns())
                self._working.setdefault(order.symbol, {})[order.id] = working

    def fill_now(
        self, order: Order, quote: Quote | None, at_ns: int, context: FillContext
    ) -> list[Fill]:
        """Fill a market order at `at_ns`, all of it, where no later event will come.

        Meant for exits that fire inside a bar's path: `quote` is the market there, or None
        for the modelled quote around the path's price. The order takes the quote's far
        side, walks modelled depth, and pays by the square-root law for what lies beyond
        it; the price is never better than `context.path_price`, so a stop fills below its
        trigger by half a spread and its slippage, and a gap fills at the gap. Returns no
        fill when the venue's filters refuse the order (`order(id)` says why).
        """
        if order.id in self._orders or order.client_id in self._by_client:
            return []
        order, refused = self._accept(order, at_ns, context.path_price)
        if refused:
            return []
        instrument = self.instruments[order.symbol]
        vol, volume = self._measured(order.symbol, context)
        if quote is None:
            quote = self._costs.modelled_quote(instrument, float(context.path_price), vol, at_ns)
        book = self._costs.modelled_book(instrument, quote, vol, volume)
        best = quote.ask if order.side is Side.BUY else quote.bid
        found = _Found(book, context.source, quote, best, quote.spread_bps)
        quantity, price, levels = self._all(order, found, vol, volume)
        worse = max if order.side is Side.BUY else min
        price = worse(price, context.path_price)
        price = round_price(instrument, price, up=order.side is Side.BUY)
        details = {"levels": levels, "path_price": str(context.path_price), "latency_ms": 0}
        return [self._fill(order, quantity, price, Liquidity.TAKER, at_ns, found, details).fill]

    # -- orders that come in -----------------------------------------------------------

    def _accept(
        self, order: Order, now: int, reference: Decimal | None = None
    ) -> tuple[Order, bool]:
        """The order as the venue takes it (SENT), or refused."""
        if order.state is OrderState.INTENT:
            order = advance(order, OrderState.SENT, now)
        elif order.state is not OrderState.SENT:
            raise InvariantBroken(f"order {order.id} is submitted while {order.state}", "")
        why = self._why_refused(order, reference)
        if why:
            order = advance(order, OrderState.REJECTED, now, why)
        self._remember(order)
        return order, bool(why)

    def _why_refused(self, order: Order, reference: Decimal | None) -> str:
        instrument = self.instruments.get(order.symbol)
        if instrument is None:
            return f"{order.symbol} is not traded here"
        if order.type is OrderType.LIMIT and order.limit is None:
            return "a limit order needs its limit"
        if reference is None:
            reference = self._reference(order)
        if reference is None:
            return f"no price of {order.symbol} is known yet"
        limit = order.limit if order.type is OrderType.LIMIT else None
        return check_order(instrument, order.quantity, limit, reference)

    def _reference(self, order: Order) -> Decimal | None:
        """The price that the venue's filters refer to: the last one, else what was expected."""
        tape = self.tape.of(order.symbol)
        if tape.price > 0:
            return Decimal(repr(tape.price))
        if tape.quote is not None:
            return Decimal(repr(tape.quote.mid))
        if order.expected_price > 0:
            return order.expected_price
        return order.limit

    def _remember(self, order: Order) -> None:
        self._orders[order.id] = order
        self._by_client[order.client_id] = order.id

    # -- the market moves --------------------------------------------------------------

    def _on_live(self, event: Tick | Quote | Book, symbol: str) -> list[BrokerEvent]:
        now = event.time_ns
        events: list[BrokerEvent] = []
        for working in list(self._working[symbol].values()):
            events += self._cancel_due(working, now)
            if working.order.state.live and working.resting:
                events += self._rest(working, event)
        return events + self._work_symbol(symbol, now)

    def _work_symbol(self, symbol: str, now: int) -> list[BrokerEvent]:
        """Cancellations that are due, then every active order that takes from the market."""
        events: list[BrokerEvent] = []
        for working in list(self._working.get(symbol, {}).values()):
            events += self._cancel_due(working, now)
            if working.order.state.live and not working.resting and working.active_ns <= now:
                events += self._arrive(working, now)
        return events

    def _arrive(self, working: _Working, now: int) -> list[BrokerEvent]:
        """An active order meets the market as it is known at `now`, if it is known."""
        order = working.order
        working.arrived = True
        found = self._market(order.symbol, order.side, now)
        if found is None:
            return []
        limit = order.limit if order.type is OrderType.LIMIT else None
        events: list[BrokerEvent] = []
        quantity, price, levels = self._walk(order, found, limit)
        if quantity:
            details = {"levels": levels, "latency_ms": self._waited_ms(order, now)}
            events.append(self._fill(order, quantity, price, Liquidity.TAKER, now, found, details))
            working.order = self._orders[order.id]
        return events + self._after_taking(working, found, now)

    def _after_taking(self, working: _Working, found: _Found, now: int) -> list[BrokerEvent]:
        """What is left of an order that took what there was."""
        order = working.order
        if not order.state.live:
            return []
        if order.type is OrderType.LIMIT:
            working.resting = True
            working.queue = _displayed(found.book, order)
            if order.state is OrderState.SENT:
                return [self._move(working, OrderState.OPEN, now)]
            return []
        if order.purpose in (Purpose.EXIT, Purpose.REDUCE):
            return []
        return [self._move(working, OrderState.CANCELLED, now, "the book held no more")]

    def _rest(self, working: _Working, event: Tick | Quote | Book) -> list[BrokerEvent]:
        """Fill a resting limit that was traded through, or whose queue has traded."""
        order = working.order
        if order.limit is None:
            raise InvariantBroken(f"order {order.id} rests without a limit", "")
        limit, buy = float(order.limit), order.side is Side.BUY
        left = order.quantity - order.filled
        if isinstance(event, Tick):
            through = event.price < limit if buy else event.price > limit
            if not through and event.price == limit and event.buyer_maker is buy:
                working.queue -= event.size
                reached = self._lots(order.symbol, -working.queue) if working.queue < 0 else ZERO
                working.queue = max(working.queue, 0.0)
                quantity, rule = min(left, reached), "queue"
            else:
                quantity, rule = (left if through else ZERO), "through"
        else:
            far = _far_side(event, buy)
            through = far is not None and (far < limit if buy else far > limit)
            quantity, rule = (left if through else ZERO), "through"
        if not quantity:
            return []
        return [self._make(working, quantity, event.time_ns, rule)]

    def _make(self, working: _Working, quantity: Decimal, at_ns: int, rule: str) -> FillEvent:
        order = working.order
        limit = order.limit or ZERO
        book = Book(symbol=order.symbol, time_ns=at_ns, bids=(), asks=(), modelled=True)
        found = _Found(book, "resting", None, float(limit), 0.0)
        details = {"rule": rule, "queue_left": working.queue}
        made = self._fill(order, quantity, limit, Liquidity.MAKER, at_ns, found, details)
        working.order = made.order
        return made

    def _on_bar(self, bar: Bar) -> list[BrokerEvent]:
        """Work the orders by a closed bar, where the feed has nothing finer."""
        symbol = bar.symbol
        tape = self.tape.of(symbol)
        if tape.live_ns >= bar.open_ns:
            return self._work_symbol(symbol, bar.close_ns)
        events: list[BrokerEvent] = []
        for working in list(self._working[symbol].values()):
            if working.cancel_ns is not None and working.cancel_ns <= bar.open_ns:
                events += self._cancel_due(working, bar.close_ns)
                continue
            if working.order.state.live and not working.resting:
                events += self._take_bar(working, bar, tape)
            if working.order.state.live and working.resting:
                events += self._rest_bar(working, bar)
            events += self._cancel_due(working, bar.close_ns)
        return events

    def _take_bar(self, working: _Working, bar: Bar, tape: SymbolTape) -> list[BrokerEvent]:
        """Fill at the bar's open what was ordered before it, else at its close."""
        order = working.order
        at_open = order.created_ns <= bar.open_ns
        if not at_open and working.active_ns > bar.close_ns:
            return []
        price = bar.open if at_open else bar.close
        at_ns = max(working.active_ns, bar.open_ns) if at_open else bar.close_ns
        at_ns = min(at_ns, bar.close_ns)
        if working.cancel_ns is not None and working.cancel_ns <= at_ns:
            return []
        instrument = self.instruments[order.symbol]
        vol, volume = tape.daily_vol_pct, tape.volume_per_minute
        quote = self._costs.modelled_quote(instrument, price, vol, at_ns)
        book = self._costs.modelled_book(instrument, quote, vol, volume)
        best = quote.ask if order.side is Side.BUY else quote.bid
        found = _Found(book, "bar_open" if at_open else "bar_close", bar, best, quote.spread_bps)
        limit = order.limit if order.type is OrderType.LIMIT else None
        if limit is None and order.purpose in (Purpose.EXIT, Purpose.REDUCE):
            quantity, price_paid, levels = self._all(order, found, vol, volume)
        else:
            quantity, price_paid, levels = self._walk(order, found, limit)
        events: list[BrokerEvent] = []
        if quantity:
            details = {"levels": levels, "latency_ms": self._waited_ms(order, at_ns)}
            events.append(
                self._fill(order, quantity, price_paid, Liquidity.TAKER, at_ns, found, details)
            )
            working.order = self._orders[order.id]
        return events + self._after_taking(working, found, at_ns)

    def _rest_bar(self, working: _Working, bar: Bar) -> list[BrokerEvent]:
        """A bar fills a resting limit only if it rested before the bar and was traded through."""
        order = working.order
        if order.limit is None or order.created_ns > bar.open_ns:
            return []
        limit = float(order.limit)
        through = bar.low < limit if order.side is Side.BUY else bar.high > limit
        if not through:
            return []
        return [self._make(working, order.quantity - order.filled, bar.close_ns, "bar_through")]

    # -- what an order finds -----------------------------------------------------------

    def _market(self, symbol: str, side: Side, now: int) -> _Found | None:
        """The best source of prices that is fresh at `now`; None when nothing is."""
        tape = self.tape.of(symbol)
        book = tape.book
        oldest = now - self._parameters.get(BOOK_AGE, symbol=symbol) * MILLISECOND
        if book is not None and book.asks and book.bids and book.time_ns >= oldest:
            bid, ask = book.bids[0][0], book.asks[0][0]
            best = ask if side is Side.BUY else bid
            spread = (ask - bid) / (ask + bid) * 2 * BPS
            return _Found(book, "book", book, best, spread)
        oldest = now - self._parameters.get(QUOTE_AGE, symbol=symbol) * MILLISECOND
        vol, volume = tape.daily_vol_pct, tape.volume_per_minute
        instrument = self.instruments[symbol]
        quote, origin, source = tape.quote, object(), "quote"
        if quote is not None and quote.time_ns >= oldest:
            origin = quote
        elif tape.tick is not None and tape.tick.time_ns >= oldest:
            quote = self._costs.modelled_quote(instrument, tape.tick.price, vol, now)
            origin, source = tape.tick, "tick"
        else:
            return None
        modelled = self._costs.modelled_book(instrument, quote, vol, volume)
        best = quote.ask if side is Side.BUY else quote.bid
        return _Found(modelled, source, origin, best, quote.spread_bps)

    def _walk(
        self, order: Order, found: _Found, limit: Decimal | None
    ) -> tuple[Decimal, Decimal, int]:
        """Quantity, average price (rounded against us) and levels that the book gives."""
        instrument = self.instruments[order.symbol]
        buy = order.side is Side.BUY
        left = order.quantity - order.filled
        used = self._used.get((order.symbol, order.side))
        skip = used[1] if used is not None and used[0] is found.origin else ZERO
        taken, paid, levels = ZERO, ZERO, 0
        for price, size in found.book.asks if buy else found.book.bids:
            at = Decimal(repr(price))
            if left <= 0 or (limit is not None and (at > limit if buy else at < limit)):
                break
            there = self._lots(order.symbol, size)
            gone = min(skip, there)
            skip -= gone
            got = min(left, there - gone)
            if got <= 0:
                continue
            left -= got
            taken += got
            paid += got * at
            levels += 1
        if not taken:
            return ZERO, ZERO, 0
        before = used[1] if used is not None and used[0] is found.origin else ZERO
        self._used[order.symbol, order.side] = (found.origin, before + taken)
        return taken, round_price(instrument, paid / taken, up=buy), levels

    def _all(
        self, order: Order, found: _Found, vol: float, volume: float
    ) -> tuple[Decimal, Decimal, int]:
        """As `_walk`, but all of the order: beyond the depth the square-root law sets the price."""
        instrument = self.instruments[order.symbol]
        buy = order.side is Side.BUY
        left = order.quantity - order.filled
        taken, price, levels = self._walk(order, found, None)
        if taken == left:
            return taken, price, levels
        side = found.book.asks if buy else found.book.bids
        symbol = order.symbol
        per_minute = self._costs.minute_volume(symbol, volume * found.best)
        worth = float(left * instrument.contract_size) * found.best
        law = self._costs.impact_bps(symbol, worth, self._costs.volatility(symbol, vol), per_minute)
        moved = found.best * (1 + law / BPS if buy else max(1 - law / BPS, 0.0))
        deepest = side[-1][0] if side else found.best
        far = max(moved, deepest) if buy else min(moved, deepest)
        least = instrument.price_tick
        return left, max(round_price(instrument, Decimal(repr(far)), up=buy), least), len(side)

    def _lots(self, symbol: str, base: float) -> Decimal:
        """Base units of a level as whole lots of the instrument."""
        instrument = self.instruments[symbol]
        return round_qty(instrument, Decimal(repr(base)) / instrument.contract_size)

    def _measured(self, symbol: str, context: FillContext) -> tuple[float, float]:
        tape = self.tape.of(symbol)
        vol, volume = context.daily_vol_pct, context.volume_per_minute
        return (
            vol if vol == vol else tape.daily_vol_pct,
            volume if volume == volume else tape.volume_per_minute,
        )

    # -- outcomes ----------------------------------------------------------------------

    def _fill(
        self,
        order: Order,
        quantity: Decimal,
        price: Decimal,
        liquidity: Liquidity,
        at_ns: int,
        found: _Found,
        details: Mapping[str, Any],
    ) -> FillEvent:
        instrument = self.instruments[order.symbol]
        maker = liquidity is Liquidity.MAKER
        rate = instrument.maker_fee if maker else instrument.taker_fee
        fee = (quantity * price * instrument.contract_size * rate).quantize(FEE_STEP, ROUND_UP)
        slipped = abs(float(price) / found.best - 1) * BPS if found.best else 0.0
        assumptions = {
            "source": found.source,
            "modelled": found.book.modelled,
            "spread_bps": round(found.spread_bps, 4),
            "slippage_bps": round(slipped, 4),
            "fee_rate": str(rate),
            **details,
        }
        fill = Fill(
            id=self._ids.next("F"),
            order=order.id,
            symbol=order.symbol,
            side=order.side,
            quantity=quantity,
            price=price,
            fee=fee,
            fee_asset=instrument.quote,
            liquidity=liquidity,
            time_ns=at_ns,
            position=order.position,
            assumptions=msgspec.json.encode(assumptions, order="sorted").decode(),
        )
        after = fill_order(order, quantity, at_ns)
        self._keep(after)
        return FillEvent(fill, after)

    def _cancel_due(self, working: _Working, now: int) -> list[BrokerEvent]:
        order = working.order
        if not order.state.live or working.cancel_ns is None or working.cancel_ns > now:
            return []
        return [self._move(working, OrderState.CANCELLED, now, "cancelled")]

    def _move(
        self, working: _Working, state: OrderState, now: int, reason: str = ""
    ) -> OrderUpdate:
        working.order = advance(working.order, state, now, reason)
        self._keep(working.order)
        return OrderUpdate(working.order)

    def _keep(self, order: Order) -> None:
        """The order as it is now; an ended one works no more."""
        self._orders[order.id] = order
        if not order.state.live:
            self._working.get(order.symbol, {}).pop(order.id, None)

    def _waited_ms(self, order: Order, at_ns: int) -> float:
        return max(at_ns - order.sent_ns, 0) / MILLISECOND


def _displayed(book: Book, order: Order) -> float:
    """What stands before a limit order that joins at its price."""
    limit = float(order.limit or ZERO)
    buy = order.side is Side.BUY
    for price, size in book.bids if buy else book.asks:
        if price == limit or (book.modelled and (price < limit if buy else price > limit)):
            return size
        if price < limit if buy else price > limit:
            return 0.0
    return 0.0


def _far_side(event: Quote | Book, buy: bool) -> float | None:
    """The best price on the other side, which a resting order would have met."""
    if type(event) is Quote:
        return event.ask if buy else event.bid
    levels = (event.asks if buy else event.bids) if isinstance(event, Book) else ()
    return levels[0][0] if levels else None
