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
from engine.execution.matching import Found, Matcher
from engine.execution.orders import advance, fill_order
from engine.execution.resting import displayed, touch, traded_through
from engine.execution.tape import Tape
from engine.market.costs import BPS, CostModel
from engine.market.instruments import check_order, round_price

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
    queue: Decimal = ZERO


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
        self._matcher = Matcher(parameters, costs, self.tape, instruments)

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
        if not isinstance(event, (Tick, Quote, Book, Bar)) or not self._working.get(event.symbol):
            return []
        if isinstance(event, Bar):
            return self._on_bar(event) if event.final else []
        return self._on_live(event, event.symbol)

    def on_time(self, now_ns: int) -> list[BrokerEvent]:
        events: list[BrokerEvent] = []
        for symbol in sorted(self._working):
            if self._working[symbol]:
                events += self._work_symbol(symbol, now_ns)
        return events

    def next_due_ns(self) -> int | None:
        due: int | None = None
        for by_id in self._working.values():
            for w in by_id.values():
                for at in (w.cancel_ns, None if w.arrived else w.active_ns):
                    if at is not None and (due is None or at < due):
                        due = at
        return due

    # -- beyond the protocol -----------------------------------------------------------

    def restore(self, orders: Iterable[Order]) -> None:
        """Take back live orders after a restart, at the queue's end.

        They are active at once, or when they would have been if their latency is not over.
        """
        latency = int(self._parameters.get(LATENCY) * MILLISECOND)
        for order in orders:
            self._remember(order)
            if order.state.live:
                active_ns = max(self._clock.now_ns(), order.sent_ns + latency)
                working = _Working(order, active_ns)
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
        instrument, symbol = self.instruments[order.symbol], order.symbol
        tape = self.tape.of(symbol)
        vol, volume = context.daily_vol_pct, context.volume_per_minute
        vol = vol if vol == vol else tape.daily_vol_pct
        volume = volume if volume == volume else tape.volume_per_minute
        if quote is None:
            quote = self._costs.modelled_quote(instrument, float(context.path_price), vol, at_ns)
        found = self._matcher.behind(quote, order.side, context.source, quote, vol, volume)
        taken = self._matcher.all_of(order, found)
        buy = order.side is Side.BUY
        worse = (
            max(taken.price, context.path_price) if buy else min(taken.price, context.path_price)
        )
        price = round_price(instrument, worse, up=buy)
        details = {
            "levels": taken.levels,
            "path_price": str(context.path_price),
            "latency_ms": 0,
        }
        made = self._fill(order, taken.quantity, price, Liquidity.TAKER, at_ns, found, details)
        return [made.fill]

    def take_over(self, order: Order, price: Decimal, fee: Decimal, at_ns: int) -> list[Fill]:
        """End a liquidated position: all of it at this price, for this fee.

        The venue sells such a position out of its own hands, so neither depth nor filters
        stand in the way; who calls says what the margin and the insurance fund leave.
        """
        if order.id in self._orders or order.client_id in self._by_client:
            return []
        order = advance(order, OrderState.SENT, at_ns)
        self._remember(order)
        book = Book(symbol=order.symbol, time_ns=at_ns, bids=(), asks=(), modelled=True)
        found = Found(book, "liquidation", None, float(price), 0.0)
        details = {"liquidation_fee": str(fee)}
        made = self._fill(order, order.quantity, price, Liquidity.TAKER, at_ns, found, details, fee)
        return [made.fill]

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
        reduces = order.purpose in (Purpose.EXIT, Purpose.REDUCE)
        return check_order(instrument, order.quantity, limit, reference, reduces=reduces)

    def _reference(self, order: Order) -> Decimal | None:
        """The price that the venue's filters refer to: the last one, else what was expected."""
        tape = self.tape.of(order.symbol)
        if tape.price > 0:
            return Decimal(repr(tape.price))
        if tape.quote is not None:
            return Decimal(repr(tape.quote.mid))
        if tape.book is not None and tape.book.bids and tape.book.asks:
            return Decimal(repr((tape.book.bids[0][0] + tape.book.asks[0][0]) / 2))
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
        found = self._matcher.market(order.symbol, order.side, now)
        if found is None:
            return []
        return self._take(working, found, now, everything=False)

    def _take(
        self, working: _Working, found: Found, now: int, *, everything: bool
    ) -> list[BrokerEvent]:
        """Take from the market that was found, then see what becomes of the rest."""
        order = working.order
        limit = order.limit if order.type is OrderType.LIMIT else None
        if everything:
            taken = self._matcher.all_of(order, found)
        else:
            taken = self._matcher.walk(order, found, limit)
        events: list[BrokerEvent] = []
        if taken.quantity:
            waited = max(now - order.sent_ns, 0) / MILLISECOND
            details = {"levels": taken.levels, "latency_ms": waited}
            events.append(
                self._fill(order, taken.quantity, taken.price, Liquidity.TAKER, now, found, details)
            )
            working.order = self._orders[order.id]
        return events + self._after_taking(working, found, now)

    def _after_taking(self, working: _Working, found: Found, now: int) -> list[BrokerEvent]:
        """What is left of an order that took what there was."""
        order = working.order
        if not order.state.live:
            return []
        if order.type is OrderType.LIMIT:
            working.resting = True
            working.queue = displayed(found.book, order)
            if order.state is OrderState.SENT:
                return [self._move(working, OrderState.OPEN, now)]
            return []
        if order.purpose in (Purpose.EXIT, Purpose.REDUCE):
            return []
        return [self._move(working, OrderState.CANCELLED, now, "the book held no more")]

    def _rest(self, working: _Working, event: Tick | Quote | Book) -> list[BrokerEvent]:
        """Fill a resting limit that was traded through, or whose queue has traded."""
        touched = touch(working.order, working.queue, event)
        working.queue = touched.queue
        quantity = self._matcher.lots(working.order.symbol, touched.base)
        quantity = min(quantity, working.order.quantity - working.order.filled)
        if not quantity:
            return []
        return [self._make(working, quantity, event.time_ns, touched.rule)]

    def _make(self, working: _Working, quantity: Decimal, at_ns: int, rule: str) -> FillEvent:
        order = working.order
        limit = order.limit or ZERO
        book = Book(symbol=order.symbol, time_ns=at_ns, bids=(), asks=(), modelled=True)
        found = Found(book, "resting", None, float(limit), 0.0)
        details = {"rule": rule, "queue_left": str(working.queue)}
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
                events += self._take_bar(working, bar)
            if working.order.state.live and working.resting:
                events += self._rest_bar(working, bar)
            events += self._cancel_due(working, bar.close_ns)
        return events

    def _take_bar(self, working: _Working, bar: Bar) -> list[BrokerEvent]:
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
        source = "bar_open" if at_open else "bar_close"
        found = self._matcher.around(order.symbol, order.side, price, at_ns, source, bar)
        exits = order.purpose in (Purpose.EXIT, Purpose.REDUCE)
        everything = exits and order.type is OrderType.MARKET
        return self._take(working, found, at_ns, everything=everything)

    def _rest_bar(self, working: _Working, bar: Bar) -> list[BrokerEvent]:
        """A bar fills a resting limit only if it rested before the bar and was traded through."""
        order = working.order
        if order.created_ns > bar.open_ns or not traded_through(order, bar):
            return []
        return [self._make(working, order.quantity - order.filled, bar.close_ns, "bar_through")]

    # -- outcomes ----------------------------------------------------------------------

    def _fill(
        self,
        order: Order,
        quantity: Decimal,
        price: Decimal,
        liquidity: Liquidity,
        at_ns: int,
        found: Found,
        details: Mapping[str, Any],
        charged: Decimal | None = None,
    ) -> FillEvent:
        instrument = self.instruments[order.symbol]
        maker = liquidity is Liquidity.MAKER
        rate = instrument.maker_fee if maker else instrument.taker_fee
        usual = quantity * price * instrument.contract_size * rate
        fee = usual.quantize(FEE_STEP, ROUND_UP) if charged is None else charged
        slipped = abs(float(price) / found.best - 1) * BPS if found.best else 0.0
        assumptions = {
            "source": found.source,
            "modelled": found.book.modelled,
            "spread_bps": round(found.spread_bps, 4),
            "slippage_bps": round(slipped, 4),
            "fee_rate": str(rate),
            "best": f"{found.best:.12g}",
            "mid": f"{found.mid if found.mid == found.mid else found.best:.12g}",
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
