"""What the market sends, one event at a time: guard it, fill orders, watch positions, build bars.

The order matters. An order that was waiting for this event is filled before the position it
opens is watched on it, and a bar's path is walked before the bar is decided on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine.core.clock import monotonic_ns
from engine.core.records import BarCorrected, FeedChanged, Noted, TickQuarantined
from engine.core.types import (
    Actor,
    Bar,
    BarCorrection,
    Book,
    FeedStatus,
    History,
    Link,
    MarketEvent,
    Quarantined,
    Quote,
    SimMark,
    Tick,
)
from engine.kernel.desk import Desk
from engine.kernel.exits import Exits
from engine.kernel.follow import Follower
from engine.kernel.guard import Guard
from engine.kernel.learning import Learning
from engine.kernel.meanwhile import Meanwhile
from engine.kernel.orders import Orders
from engine.kernel.symbols import SymbolDesk


class Intake:
    """Market events into the desk. `pending_since_ns` tells the loop that a decision waits."""

    def __init__(
        self,
        desk: Desk,
        orders: Orders,
        exits: Exits,
        follower: Follower,
        guard: Guard,
        learning: Learning,
    ) -> None:
        self._desk = desk
        self._orders = orders
        self._exits = exits
        self._follower = follower
        self._guard = guard
        self._learning = learning
        self.meanwhile = Meanwhile(desk)
        self.afterwards: Callable[[str, float, int, int], None] = lambda symbol, *price: None
        """Hears every price once positions and orders have: symbol, price, time and span."""
        self.pending_since_ns = 0
        self._handlers: dict[type[Any], Callable[[Any], None]] = {
            Tick: self._tick,
            Quote: self._quote,
            Book: self._book,
            Bar: self._bar,
            BarCorrection: self._correction,
            Quarantined: self._quarantined,
            FeedStatus: self._status,
            History: self._history,
            SimMark: self._mark,
        }

    def take(self, event: MarketEvent) -> None:
        """One event. Unknown symbols are an error of the feed and raise `KeyError`."""
        self._desk.tally.events += 1
        self._handlers[type(event)](event)

    def _tick(self, tick: Tick) -> None:
        desk = self._desk
        symbol = desk.symbols[tick.symbol]
        desk.tally.ticks += 1
        refused = symbol.guard.check(tick.price, tick.time_ns)
        if refused:
            self._refuse(symbol, tick.price, tick.time_ns, refused)
            return
        symbol.ticks_seen = True
        symbol.last_tick_ns = tick.time_ns
        symbol.take_price(tick.price, tick.time_ns)
        symbol.take_trade(tick)
        self._orders.on_market(tick, symbol)
        if self.meanwhile.waiting:
            self.meanwhile.price(tick.symbol, tick.price)
        self._exits.on_price(tick.symbol, tick.price, desk.now_ns)
        self._follower.on_price(tick.symbol, tick.price, desk.now_ns)
        self.afterwards(tick.symbol, tick.price, desk.now_ns, 0)
        desk.freshness.seen(tick.symbol, tick.time_ns, desk.now_ns)
        self._conditions(tick.symbol, tick.price, tick.time_ns)
        desk.heartbeat_ns = desk.now_ns

    def _conditions(self, symbol: str, price: float, time_ns: int) -> None:
        desk = self._desk
        if desk.sniper.idle:
            return
        began = monotonic_ns()
        triggered = desk.sniper.on_price(symbol, price, time_ns)
        desk.worst_check_ns = max(desk.worst_check_ns, monotonic_ns() - began)
        if triggered:
            desk.triggered += triggered
            self.pending_since_ns = self.pending_since_ns or desk.now_ns

    def _watch_conditions(self, bar: Bar) -> None:
        """Walk the bar's path. Its last price was made before it closed, so that a condition
        which ends with the bar still hears it."""
        time_ns = bar.close_ns - 1
        if self._desk.sniper.quiet(bar.symbol, bar.low, bar.high, time_ns):
            return
        for price in (bar.open, bar.low, bar.high, bar.close):
            self._conditions(bar.symbol, price, time_ns)

    def _quote(self, quote: Quote) -> None:
        desk = self._desk
        symbol = desk.symbols[quote.symbol]
        if not 0.0 < quote.bid <= quote.ask:
            self._refuse(symbol, quote.bid, quote.time_ns, "bid above ask or not positive")
            return
        refused = symbol.guard.check(quote.mid, quote.time_ns)
        if refused:
            self._refuse(symbol, quote.mid, quote.time_ns, refused)
            return
        symbol.quote = quote
        symbol.last_event_ns = max(symbol.last_event_ns, quote.time_ns)
        desk.freshness.seen(quote.symbol, quote.time_ns, desk.now_ns)
        self._orders.on_market(quote, symbol)
        desk.heartbeat_ns = desk.now_ns

    def _book(self, book: Book) -> None:
        symbol = self._desk.symbols[book.symbol]
        if book.bids and book.asks and book.bids[0][0] < book.asks[0][0]:
            symbol.book = book
            self._orders.on_market(book, symbol)

    def _bar(self, bar: Bar) -> None:
        desk = self._desk
        symbol = desk.symbols[bar.symbol]
        desk.tally.bars += 1
        if not bar.final:
            return
        # Where ticks were seen inside this bar the positions have already been watched on
        # them; a recording of bars alone is walked along the bar's path. On a live feed a
        # bar without ticks filled a gap: its prices are past, and nobody could have sold at
        # them, so positions meet the next tick instead.
        ticked = symbol.ticks_seen and symbol.last_tick_ns >= bar.open_ns
        if not ticked and desk.feed.manual_time:
            self._orders.on_market(bar, symbol)
            symbol.take_price(bar.close, bar.close_ns - 1)
            self._exits.on_bar(symbol, bar)
            self._follower.on_bar(bar)
            self.afterwards(bar.symbol, bar.close, bar.close_ns, bar.span_ns)
            self._watch_conditions(bar)
            desk.heartbeat_ns = desk.now_ns
        self._learning.on_bar(bar)
        if symbol.take_bar(bar) is not None:
            self.pending_since_ns = self.pending_since_ns or desk.now_ns
            desk.hub.append(f"bars:{bar.symbol}", symbol.last_bar, 4_000)

    def _refuse(self, symbol: SymbolDesk, price: float, time_ns: int, reason: str) -> None:
        self._quarantined(
            Quarantined(
                symbol=symbol.symbol, time_ns=time_ns, price=price, reason=reason, raw=repr(price)
            )
        )

    def _quarantined(self, tick: Quarantined) -> None:
        self._desk.tally.quarantined += 1
        self._desk.record(TickQuarantined(time_ns=self._desk.now_ns, tick=tick))

    def _correction(self, correction: BarCorrection) -> None:
        self._desk.tally.corrections += 1
        self._desk.record(BarCorrected(time_ns=self._desk.now_ns, correction=correction))

    def _status(self, status: FeedStatus) -> None:
        desk = self._desk
        if status.symbol:
            symbol = desk.symbols[status.symbol]
            if symbol.link is status.link and symbol.link_reason == status.reason:
                return
            symbol.link, symbol.link_reason = status.link, status.reason
            _heard_again(symbol)
        else:
            if status.link is Link.DOWN and (desk.link is None or desk.link.link is not Link.DOWN):
                self._guard.failed(f"feed {status.venue} down: {status.reason}")
            desk.link = status
            for symbol in desk.symbols.values():
                if status.link in (Link.UP, Link.DOWN, Link.ENDED):
                    symbol.link, symbol.link_reason = status.link, status.reason
                    _heard_again(symbol)
        desk.record(FeedChanged(time_ns=desk.now_ns, status=status))

    def _history(self, history: History) -> None:
        desk = self._desk
        symbol = desk.symbols[history.symbol]
        self._learning.history(history)
        symbol.warm(history.bars)
        self.meanwhile.history(history)
        desk.broker.on_market(history)
        show_bars(desk, symbol)

    def _mark(self, mark: SimMark) -> None:
        self._desk.record(
            Noted(
                time_ns=self._desk.now_ns, who=Actor.ENGINE,
                text=f"simulated {mark.kind}: {mark.detail}", symbol=mark.symbol,
            )
        )  # fmt: skip


def show_bars(desk: Desk, symbol: SymbolDesk) -> None:
    """Put the newest decision bars that a symbol was warmed with before the charts."""
    bars, opened = symbol.indicators.history(600)
    for (o, h, low, c, v), open_ns in zip(bars.tolist(), opened.tolist(), strict=True):
        desk.hub.append(
            f"bars:{symbol.symbol}",
            Bar(
                symbol=symbol.symbol, open_ns=open_ns, span_ns=symbol.span_ns,
                open=o, high=h, low=low, close=c, volume=v,
            ),
            4_000,
        )  # fmt: skip


def _heard_again(symbol: SymbolDesk) -> None:
    """Over a connection that was gone trades are missing, and nobody can say how many."""
    if symbol.link is not Link.UP:
        symbol.delta.broke()
