"""The link to one venue: streams, warm-up, confirmation by REST, and what to say of it all.

Every stream of every symbol is a task of its own that reconnects by itself; one beat looks
after what nobody sends (candles that are due, symbols that went silent), because a frozen
socket raises no error.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec

from engine.core import ids
from engine.core.clock import HOUR, MILLISECOND, MINUTE, SECOND, Clock, duration_ns
from engine.core.parameters import Parameters
from engine.core.safetext import SafeText
from engine.core.types import Book, FeedStatus, History, Instrument, Link, Quote
from engine.market.livebars import PAGE, LiveBars
from engine.market.livetape import LiveTape
from engine.market.outlet import Outlet
from engine.market.quality import Freshness
from engine.market.venues import BOOK_LIMITS, Venue, explain

BASE_NS = MINUTE
"""Live base bars are always minutes; the kernel folds them into decision bars."""

# A symbol worth following trades or moves its quote at least this often.
_INTERVAL_S = 5.0
_BOOK_LEVELS = 20
_BOOK_EVERY_NS = SECOND // 2
# A quote whose prices stand and only sizes move is told this often at most.
_SIZES_EVERY_NS = SECOND // 4
_SKEW_EVERY_NS = HOUR // 6
SKEW_TOLD_NS = SECOND
# A stream that lasted this long starts again without a memory of earlier failures.
_STABLE_NS = 30 * SECOND
_OVERDUE_NS = 90 * SECOND
_WARMUP_PAGES = 20


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
        self._decision_ns = duration_ns(timeframe)
        self._warmup_bars = warmup_bars
        self._skew_ns = skew_ns
        self._pace = pace
        self._chance = ids.source(seed, "live", venue.name)
        self._symbols = tuple(instruments)
        self._fresh = Freshness(parameters, self._symbols, interval_s=_INTERVAL_S)
        self._bars = {
            symbol: LiveBars(symbol, BASE_NS, numbered=venue.numbered) for symbol in self._symbols
        }
        self._tapes: dict[str, LiveTape] = {}
        self._quotes: dict[str, Quote] = {}
        self._book_ns = dict.fromkeys(self._symbols, 0)
        self._said: dict[str, Link] = {}
        self._failing: dict[str, str] = {}
        self._asking: set[str] = set()
        self._link = Link.STARTING
        self._kicks = 0
        self._kick_ns = 0
        self._skew_at_ns = 0
        self._began_ns = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Warm up, then follow until cancelled."""
        self.say(Link.WARMING, f"{self._venue.name}: reading history")
        await asyncio.gather(*(self._warm(symbol) for symbol in self._symbols))
        self._skew_at_ns = self._clock.monotonic_ns() + _SKEW_EVERY_NS
        self._began_ns = self._now_ns()
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

    def say(self, link: Link, reason: str, symbol: str = "") -> None:
        """Tell the kernel. A status of the whole feed speaks for every symbol that is well."""
        if symbol:
            self._said[symbol] = link
        else:
            self._link = link
        now = self._clock.now_ns()
        events = [
            FeedStatus(
                link=link,
                time_ns=now,
                venue=self._venue.name,
                symbol=symbol,
                reason=SafeText(reason).line(),
            )
        ]
        if not symbol and link is Link.UP:
            events += [
                FeedStatus(
                    link=Link.STALE, time_ns=now, venue=self._venue.name, symbol=name,
                    reason=self._why_stale(name),
                )
                for name, was in self._said.items()
                if was is Link.STALE
            ]  # fmt: skip
        self._outlet.put(events)

    def _now_ns(self) -> int:
        return self._clock.now_ns() + self._skew_ns

    def _spawn(self, work: Any) -> None:
        task: asyncio.Task[None] = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _warm(self, symbol: str) -> None:
        """History as decision bars, then minutes of the window that forms; begin the tape."""
        failures = 0
        while True:
            try:
                bars = await self._history(symbol)
                break
            except Exception as error:  # noqa: BLE001 - every failure is told and tried again
                failures += 1
                trouble, reason = explain(error)
                self.say(Link.WARMING, f"{self._venue.name} {trouble}: {reason}", symbol)
                await self._rest(failures)
        now = self._now_ns()
        next_ns = bars[-1].close_ns if bars else now - now % BASE_NS
        self._bars[symbol].begin(bars, next_ns)
        self._tapes[symbol] = LiveTape(
            self._parameters,
            self._bars[symbol],
            self._instruments[symbol],
            bars[-1].close if bars else None,
            self._venue.contract_size(symbol),
        )
        self._outlet.put([History(symbol=symbol, bars=tuple(bars))])

    async def _history(self, symbol: str) -> list[Any]:
        """Closed bars up to now in the fewest requests: decision bars, then minutes."""
        now = self._now_ns()
        forming_ns = now - now % self._decision_ns
        bars = []
        if self._decision_ns > BASE_NS:
            since = forming_ns - self._warmup_bars * self._decision_ns
            bars = await self._page(symbol, self._timeframe, self._decision_ns, since, forming_ns)
            since = bars[-1].close_ns if bars else forming_ns
        else:
            since = forming_ns - self._warmup_bars * BASE_NS
        return bars + await self._page(symbol, "1m", BASE_NS, since, now - now % BASE_NS)

    async def _page(
        self, symbol: str, timeframe: str, span_ns: int, since_ns: int, until_ns: int
    ) -> list[Any]:
        """All candles of [since, until) that the venue has."""
        found: list[Any] = []
        for _ in range(_WARMUP_PAGES):
            wanted = (until_ns - since_ns) // span_ns
            if wanted <= 0:
                break
            rows = await self._venue.candles(
                symbol, timeframe, span_ns, since_ns, min(1_000, wanted + 1)
            )
            closed = [bar for bar in rows if bar.close_ns <= until_ns]
            if not closed:
                break
            found += closed
            since_ns = closed[-1].close_ns
        return found

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
                if name in self._failing:
                    del self._failing[name]
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
            again = name in self._failing
            self._failing[name] = reason
            if again:
                self._tell_down()
            await self._rest(failures)

    def _tell_down(self) -> None:
        """The link is down when no symbol's trades come in spite of a second attempt."""
        trades = [self._failing.get(f"trades {symbol}") for symbol in self._symbols]
        if self._link is not Link.DOWN and all(trades):
            self.say(Link.DOWN, f"{self._venue.name} {trades[0]}")

    async def _rest(self, failures: int) -> None:
        """Wait before the next attempt: twice as long each time, with jitter, and as asked."""
        pace = self._pace
        wait = min(pace.backoff_max_s, pace.backoff_s * 2.0 ** min(failures - 1, 12))
        wait *= 0.5 + 0.5 * self._chance.random()
        await asyncio.sleep(max(wait, self._venue.quiet_s()))

    async def _watch_trades(self, symbol: str) -> Any:
        return await self._venue.exchange.watch_trades(self._venue.theirs[symbol])

    async def _watch_quotes(self, symbol: str) -> Any:
        own = self._venue.theirs[symbol]
        got = await self._venue.exchange.watch_bids_asks([own])
        return got.get(own, got)

    async def _watch_ticker(self, symbol: str) -> Any:
        return await self._venue.exchange.watch_ticker(self._venue.theirs[symbol])

    async def _watch_book(self, symbol: str) -> Any:
        own, limit = self._venue.theirs[symbol], BOOK_LIMITS.get(self._venue.name)
        return await self._venue.exchange.watch_order_book(own, limit)

    def _trades(self, symbol: str, trades: Any) -> None:
        now = self._now_ns()
        tape = self._tapes[symbol]
        events = [event for trade in trades for event in tape.take(trade, now)]
        if tape.newest_ns:
            self._fresh.seen(symbol, tape.newest_ns, now)
        self._alive(symbol)
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
            self._fresh.seen(symbol, quote.time_ns, now)
        self._alive(symbol)
        self._outlet.put([quote])

    def _book(self, symbol: str, book: Any) -> None:
        now, time_ms = self._now_ns(), book.get("timestamp")
        time_ns = now if time_ms is None else int(time_ms) * MILLISECOND
        if time_ms is not None:
            self._fresh.seen(symbol, time_ns, now)
        if time_ns - self._book_ns[symbol] < _BOOK_EVERY_NS:
            return
        self._book_ns[symbol] = time_ns
        bids, asks = (
            tuple((float(level[0]), float(level[1])) for level in book[side][:_BOOK_LEVELS])
            for side in ("bids", "asks")
        )
        if bids and asks:
            self._outlet.put([Book(symbol=symbol, time_ns=time_ns, bids=bids, asks=asks)])

    def _alive(self, symbol: str) -> None:
        """A message came: if that changes what was said, say so before it is passed on."""
        if self._link is not Link.UP or self._said.get(symbol) is Link.STALE:
            self._judge()

    def _beat(self) -> None:
        """Look after what no message brings: ages, candles that are due, losses, the clock."""
        now = self._now_ns()
        self._judge()
        for symbol, bars in self._bars.items():
            since_ns = bars.due(now)
            if since_ns is not None and symbol not in self._asking and not self._venue.quiet_s():
                self._asking.add(symbol)
                self._spawn(self._confirm(symbol, since_ns))
        lost = self._outlet.losses()
        if lost.quotes or lost.ticks:
            reason = f"the engine fell behind: {lost.quotes} quotes and {lost.ticks} ticks let go"
            self.say(self._link, reason)
        if self._clock.monotonic_ns() >= self._skew_at_ns:
            self._skew_at_ns = self._clock.monotonic_ns() + _SKEW_EVERY_NS
            self._spawn(self._measure_skew())

    async def _confirm(self, symbol: str, since_ns: int) -> None:
        """Ask REST for the last candles: the next one, those of a gap, and late revisions."""
        bars, now = self._bars[symbol], self._now_ns()
        try:
            rows = await self._venue.candles(symbol, "1m", BASE_NS, since_ns, PAGE)
        except Exception as error:  # noqa: BLE001 - every failure is told and tried again
            trouble, reason = explain(error)
            bars.failed(now)
            if bars.behind_ns(now) > _OVERDUE_NS and self._said.get(symbol) is not Link.STALE:
                self.say(Link.STALE, f"candles are missing: {trouble}: {reason}", symbol)
        else:
            self._outlet.put(bars.confirm(rows, now))
        finally:
            self._asking.discard(symbol)

    def _judge(self) -> None:
        """Each symbol by event time; the whole link is up while any of them is fresh."""
        now = self._now_ns()
        stale = [symbol for symbol in self._symbols if self._fresh.is_stale(symbol, now)]
        if len(stale) == len(self._symbols):
            waited = now - self._began_ns > self._fresh.limit_s(self._symbols[0]) * SECOND
            if self._link is Link.UP or (self._link is Link.WARMING and waited):
                self.say(Link.DOWN, f"{self._venue.name} sends nothing new: {self._why_silent()}")
        elif self._link is not Link.UP:
            self._kicks = 0
            self._come_up(now)
        else:
            self._judge_symbols(set(stale), now)
        if stale and self._link in (Link.UP, Link.DOWN):
            self._kick_if_due(stale)

    def _judge_symbols(self, stale: set[str], now: int) -> None:
        for symbol in self._symbols:
            was_stale = self._said.get(symbol) is Link.STALE
            if symbol in stale and not was_stale:
                self.say(Link.STALE, self._why_stale(symbol), symbol)
            elif was_stale and self._well(symbol, now):
                self.say(Link.UP, "", symbol)

    def _why_silent(self) -> str:
        failing = self._failing.get(f"trades {self._symbols[0]}")
        return failing or "the connection is open and frozen"

    def _come_up(self, now: int) -> None:
        for symbol in self._symbols:
            self._said[symbol] = Link.UP if self._well(symbol, now) else Link.STALE
        quote = self._venue.quote()
        reason = f"{self._venue.name}, quoted in {quote}"
        asked = self._symbols[0].partition("/")[2].partition(":")[0]
        if quote != asked:
            reason += f" where {asked} was asked for"
        if abs(self._skew_ns) > SKEW_TOLD_NS:
            reason += f"; {skew_words(self._skew_ns, self._venue.name)}"
        self.say(Link.UP, reason)

    def _well(self, symbol: str, now: int) -> bool:
        return (
            not self._fresh.is_stale(symbol, now)
            and self._bars[symbol].behind_ns(now) <= _OVERDUE_NS
        )

    def _why_stale(self, symbol: str) -> str:
        age = self._fresh.age_s(symbol, self._now_ns())
        if age == math.inf:
            return "no price yet"
        failing = self._failing.get(f"trades {symbol}")
        return f"nothing new for {age:.0f} s" + (f": {failing}" if failing else "")

    def _kick_if_due(self, symbols: list[str]) -> None:
        """Reconnect what is frozen, ever less often while that doesn't help."""
        now = self._clock.monotonic_ns()
        if now < self._kick_ns:
            return
        wait = min(60.0, self._pace.kick_s * 2.0 ** min(self._kicks, 6))
        self._kick_ns = now + int(wait * (0.75 + 0.5 * self._chance.random()) * SECOND)
        self._kicks += 1
        self._kick(symbols, "nothing new came")

    def _kick(self, symbols: list[str] | tuple[str, ...], reason: str) -> None:
        """Close the connections that carry these symbols; their streams begin again."""
        import ccxt

        whole = len(symbols) == len(self._symbols)
        names = [self._venue.theirs[symbol] for symbol in symbols]
        for client in list((self._venue.exchange.clients or {}).values()):
            carried = " ".join(map(str, client.subscriptions))
            if whole or any(name in carried for name in names):
                client.on_error(ccxt.NetworkError(reason))

    async def _measure_skew(self) -> None:
        reach = await self._venue.probe(self._pace.backoff_max_s)
        if reach.trouble is not None or not self._venue.exchange.has["fetchTime"]:
            return
        before, self._skew_ns = self._skew_ns, reach.skew_ns
        off, was = abs(self._skew_ns) > SKEW_TOLD_NS, abs(before) > SKEW_TOLD_NS
        if off != was and self._link is Link.UP:
            self.say(Link.UP, skew_words(self._skew_ns, self._venue.name))


def skew_words(skew_ns: int, venue: str) -> str:
    """How far this machine's clock is off, in a person's words."""
    side = "behind" if skew_ns > 0 else "ahead of"
    return f"this machine's clock is {abs(skew_ns) / SECOND:.1f} s {side} {venue}'s"
