"""The link to one venue: streams, warm-up, confirmation by REST, and what to say of it all.

Every stream of every symbol is a task of its own that reconnects by itself; one beat looks
after what nobody sends (candles that are due, symbols that went silent), because a frozen
socket raises no error.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec

from engine.core import ids
from engine.core.clock import HOUR, MILLISECOND, MINUTE, SECOND, Clock
from engine.core.parameters import Parameters
from engine.core.types import Bar, Book, History, Instrument, Link, Quote
from engine.market.livebars import PAGE, LiveBars
from engine.market.livehealth import LinkHealth
from engine.market.livetape import LiveTape
from engine.market.livewarmup import read_history
from engine.market.outlet import Outlet
from engine.market.venues import BOOK_LIMITS, Venue, explain

BASE = "1m"
BASE_NS = MINUTE
"""Live base bars are always minutes; the kernel folds them into decision bars."""

_BOOK_LEVELS = 20
_BOOK_EVERY_NS = SECOND // 2
# A quote whose prices stand and only sizes move is told this often at most.
_SIZES_EVERY_NS = SECOND // 4
_SKEW_EVERY_NS = HOUR // 6
# A stream that lasted this long starts again without a memory of earlier failures.
_STABLE_NS = 30 * SECOND


class Pace(msgspec.Struct, frozen=True):
    """How often the link looks after itself; tests make it faster than the real world."""

    beat_s: float = 0.25
    backoff_s: float = 0.5
    backoff_max_s: float = 30.0
    kick_s: float = 5.0
    probe_s: float = 1.5


class LiveLink:
    """Follows `symbols` on a venue whose markets are loaded, into an outlet. Run it once.

    `skew_ns` is the venue's clock less this one; every time inside is the venue's, since
    that is what candles and ages are about.
    """

    def __init__(
        self,
        venue: Venue,
        instruments: Mapping[str, Instrument],
        outlet: Outlet,
        clock: Clock,
        parameters: Parameters,
        timeframe: str,
        warmup_bars: int,
        seed: int,
        skew_ns: int,
        pace: Pace,
    ) -> None:
        self._venue = venue
        self._instruments = instruments
        self._outlet = outlet
        self._clock = clock
        self._parameters = parameters
        self._timeframe = timeframe
        self._warmup_bars = warmup_bars
        self._pace = pace
        self._chance = ids.source(seed, "live", venue.name)
        self._symbols = tuple(instruments)
        self._bars = {
            symbol: LiveBars(symbol, BASE_NS, numbered=venue.numbered) for symbol in self._symbols
        }
        self._health = LinkHealth(venue.name, self._symbols, outlet, parameters, self._behind_ns)
        self._health.skew_ns = skew_ns
        self._tapes: dict[str, LiveTape] = {}
        self._quotes: dict[str, Quote] = {}
        self._book_ns = dict.fromkeys(self._symbols, 0)
        self._asking: set[str] = set()
        self._kicks = 0
        self._kick_ns = 0
        self._skew_at_ns = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Warm up, then follow until cancelled."""
        health = self._health
        health.quote = self._venue.quote()
        health.say(Link.WARMING, f"{self._venue.name}: reading history", self._now_ns())
        await asyncio.gather(*(self._warm(symbol) for symbol in self._symbols))
        self._skew_at_ns = self._clock.monotonic_ns() + _SKEW_EVERY_NS
        health.begin(self._now_ns())
        has = self._venue.exchange.has
        try:
            for symbol in self._symbols:
                self._spawn(self._stream(symbol, "trades", self._watch_trades, self._trades))
                quotes = self._watch_quotes if has["watchBidsAsks"] else self._watch_ticker
                if has["watchBidsAsks"] or has["watchTicker"]:
                    self._spawn(self._stream(symbol, "quotes", quotes, self._quote))
                if has["watchOrderBook"]:
                    self._spawn(self._stream(symbol, "book", self._watch_book, self._book))
            while True:
                self._beat()
                await asyncio.sleep(self._pace.beat_s)
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def broken(self, reason: str) -> None:
        """The client's own machinery failed (a frame it can't read): start all streams anew."""
        self._kick(self._symbols, reason)

    @property
    def skew_ns(self) -> int:
        """The venue's clock less this machine's, as it was measured last."""
        return self._health.skew_ns

    def _now_ns(self) -> int:
        return self._clock.now_ns() + self._health.skew_ns

    def _behind_ns(self, symbol: str, now_ns: int) -> int:
        return self._bars[symbol].behind_ns(now_ns)

    def _spawn(self, work: Any) -> None:
        task: asyncio.Task[None] = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _warm(self, symbol: str) -> None:
        """Read the history however long it takes, deliver it and begin the tape."""
        failures = 0
        while True:
            try:
                bars = await read_history(
                    self._venue, symbol, self._timeframe, BASE, self._warmup_bars, self._now_ns()
                )
                break
            except Exception as error:  # noqa: BLE001 - every failure is told and tried again
                failures += 1
                trouble, reason = explain(error)
                words = f"{self._venue.name} {trouble}: {reason}"
                self._health.say(Link.WARMING, words, self._now_ns(), symbol)
                await self._rest(failures)
        self._begin(symbol, bars)

    def _begin(self, symbol: str, bars: list[Bar]) -> None:
        now = self._now_ns()
        self._bars[symbol].begin(bars, bars[-1].close_ns if bars else now - now % BASE_NS)
        self._tapes[symbol] = LiveTape(
            self._parameters,
            self._bars[symbol],
            self._instruments[symbol],
            bars[-1].close if bars else None,
            self._venue.contract_size(symbol),
        )
        self._outlet.put([History(symbol=symbol, bars=tuple(bars))])

    async def _stream(
        self,
        symbol: str,
        what: str,
        watch: Callable[[str], Awaitable[Any]],
        take: Callable[[str, Any], None],
    ) -> None:
        """One subscription, taken up again for as long as the link runs."""
        import ccxt

        name, failures, failed_ns = f"{what} {symbol}", 0, 0
        while True:
            try:
                got = await watch(symbol)
                self._health.failing.pop(name, None)
                take(symbol, got)
                continue
            except asyncio.CancelledError:
                task = asyncio.current_task()
                if task is None or task.cancelling():
                    raise
                reason = "the connection was closed"
            except ccxt.NotSupported:
                return
            except Exception as error:  # noqa: BLE001 - every failure is told and tried again
                trouble, text = explain(error)
                reason = f"{trouble}: {text}"
            if what == "trades":
                self._bars[symbol].broke()
            now = self._clock.monotonic_ns()
            failures = failures + 1 if now - failed_ns < _STABLE_NS else 1
            failed_ns = now
            again = name in self._health.failing
            self._health.failing[name] = reason
            if again:
                self._health.tell_down(self._now_ns())
            await self._rest(failures)

    async def _rest(self, failures: int) -> None:
        """Wait before the next attempt: twice as long each time, with jitter, and as asked."""
        pace = self._pace
        wait = min(pace.backoff_max_s, pace.backoff_s * 2.0 ** min(failures - 1, 12))
        wait *= 0.5 + 0.5 * self._chance.random()
        await asyncio.sleep(max(wait, self._venue.quiet_s()))

    async def _watch_trades(self, symbol: str) -> Any:
        return await self._venue.exchange.watch_trades(self._venue.theirs[symbol])

    async def _watch_quotes(self, symbol: str) -> Any:
        own, exchange = self._venue.theirs[symbol], self._venue.exchange
        got = await exchange.watch_bids_asks([own])
        # What is awaited is the first message of a burst, what is kept the newest.
        return exchange.bidsasks.get(own) or got.get(own, got)

    async def _watch_ticker(self, symbol: str) -> Any:
        own, exchange = self._venue.theirs[symbol], self._venue.exchange
        got = await exchange.watch_ticker(own)
        return exchange.tickers.get(own) or got

    async def _watch_book(self, symbol: str) -> Any:
        own, limit = self._venue.theirs[symbol], BOOK_LIMITS.get(self._venue.name)
        return await self._venue.exchange.watch_order_book(own, limit)

    def _trades(self, symbol: str, trades: Any) -> None:
        now = self._now_ns()
        tape = self._tapes[symbol]
        events = [event for trade in trades for event in tape.take(trade, now)]
        if tape.newest_ns:
            self._health.seen(symbol, tape.newest_ns, now)
        self._outlet.put(events)

    def _quote(self, symbol: str, ticker: Any) -> None:
        bid, ask = ticker.get("bid"), ticker.get("ask")
        if bid is None or ask is None:
            return
        now, time_ms = self._now_ns(), ticker.get("timestamp")
        quote = Quote(
            symbol=symbol,
            time_ns=now if time_ms is None else int(time_ms) * MILLISECOND,
            bid=float(bid),
            ask=float(ask),
            bid_size=float(ticker.get("bidVolume") or 0.0),
            ask_size=float(ticker.get("askVolume") or 0.0),
        )
        last = self._quotes.get(symbol)
        if (
            last is not None
            and (last.bid, last.ask) == (quote.bid, quote.ask)
            and quote.time_ns - last.time_ns < _SIZES_EVERY_NS
        ):
            return
        self._quotes[symbol] = quote
        # Without a time of its own a quote is as old as the socket is slow: no proof of life.
        if time_ms is not None:
            self._health.seen(symbol, quote.time_ns, now)
        self._outlet.put([quote])

    def _book(self, symbol: str, book: Any) -> None:
        now, time_ms = self._now_ns(), book.get("timestamp")
        time_ns = now if time_ms is None else int(time_ms) * MILLISECOND
        if time_ms is not None:
            self._health.seen(symbol, time_ns, now)
        if time_ns - self._book_ns[symbol] < _BOOK_EVERY_NS:
            return
        self._book_ns[symbol] = time_ns
        bids, asks = (
            tuple((float(level[0]), float(level[1])) for level in book[side][:_BOOK_LEVELS])
            for side in ("bids", "asks")
        )
        if bids and asks:
            self._outlet.put([Book(symbol=symbol, time_ns=time_ns, bids=bids, asks=asks)])

    def _beat(self) -> None:
        """Look after what no message brings: ages, candles that are due, losses, the clock."""
        now = self._now_ns()
        stale = self._health.judge(now)
        if stale:
            self._kick_if_due(stale)
        else:
            self._kicks = 0
        for symbol, bars in self._bars.items():
            since_ns = bars.due(now)
            if since_ns is not None and symbol not in self._asking and not self._venue.quiet_s():
                self._asking.add(symbol)
                self._spawn(self._confirm(symbol, since_ns))
        lost = self._outlet.losses()
        if lost.quotes or lost.ticks:
            reason = f"the engine fell behind: {lost.quotes} quotes and {lost.ticks} ticks let go"
            self._health.say(self._health.link, reason, now)
        if self._clock.monotonic_ns() >= self._skew_at_ns:
            self._skew_at_ns = self._clock.monotonic_ns() + _SKEW_EVERY_NS
            self._spawn(self._measure_skew())

    async def _confirm(self, symbol: str, since_ns: int) -> None:
        """Ask REST for the last candles: the next one, those of a gap, and late revisions."""
        bars, now = self._bars[symbol], self._now_ns()
        try:
            rows = await self._venue.candles(symbol, BASE, BASE_NS, since_ns, PAGE)
        except Exception as error:  # noqa: BLE001 - every failure is told and tried again
            trouble, reason = explain(error)
            bars.failed(now)
            self._health.owed(symbol, f"{trouble}: {reason}", now)
        else:
            self._outlet.put(bars.confirm(rows, now))
        finally:
            self._asking.discard(symbol)

    def _kick_if_due(self, symbols: list[str]) -> None:
        """Reconnect what is frozen, ever less often while that doesn't help."""
        now = self._clock.monotonic_ns()
        if now < self._kick_ns:
            return
        pace = self._pace
        wait = min(2 * pace.backoff_max_s, pace.kick_s * 2.0 ** min(self._kicks, 6))
        self._kick_ns = now + int(wait * (0.75 + 0.5 * self._chance.random()) * SECOND)
        self._kicks += 1
        self._kick(symbols, "nothing new came")

    def _kick(self, symbols: list[str] | tuple[str, ...], reason: str) -> None:
        """Close the connections that carry these symbols; their streams begin again.

        One that is still being made is left to its own timeout: ccxt forgets a client that
        failed, but goes on making its connection, which nobody would ever close.
        """
        import ccxt

        whole = len(symbols) == len(self._symbols)
        names = [self._venue.theirs[symbol] for symbol in symbols]
        for client in list((self._venue.exchange.clients or {}).values()):
            if client.connection is None:
                continue
            carried = " ".join(map(str, client.subscriptions))
            if whole or any(name in carried for name in names):
                client.on_error(ccxt.NetworkError(reason))

    async def _measure_skew(self) -> None:
        reach = await self._venue.probe(self._pace.backoff_max_s)
        if reach.trouble is not None or not self._venue.exchange.has["fetchTime"]:
            return
        self._health.skewed(reach.skew_ns, self._now_ns())
