"""The live market: public prices of any ccxt exchange, without a key.

A thread of its own runs the sockets, so that neither a slow screen nor a busy kernel loses a
trade; what can't be reached is said within seconds, and where a venue refuses the region the
next one is followed and named.
"""

from __future__ import annotations

import asyncio
import importlib
import math
from collections.abc import Callable, Mapping, Sequence
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

from engine.core.clock import Clock, LiveClock, duration_ns
from engine.core.errors import CommandRefused, DataError, FeedError
from engine.core.ids import source
from engine.core.parameters import Parameters
from engine.core.safetext import SafeText
from engine.core.types import FeedKind, FeedStatus, Instrument, Link, MarketEvent
from engine.market.instruments import packaged
from engine.market.livehealth import SKEW_TOLD_NS, skew_words
from engine.market.livelink import BASE_NS, LiveLink, Pace
from engine.market.outlet import Outlet
from engine.market.symbols import common_quote

if TYPE_CHECKING:
    from engine.market.venues import Reach, Venue

# Events that may wait for the kernel: a minute of three busy symbols.
_CAPACITY = 20_000
# What is said by then decides whether a simulated market stands in; a person waits for it.
_ANSWER_S = 4.5
_FILTERS_S = 5.0
_JOIN_S = 0.9


class LiveFeed:
    """Trades, quotes, depth and 1m candles of `symbols` as they happen on a venue.

    It begins with one `History` per symbol (`warmup_bars` bars of `timeframe`, then minutes
    of the window that forms), then `FeedStatus` UP and ticks. The venue that answers first in
    the order (`venue`, `fallback`) is kept until `stop`: prices of two venues are never
    mixed. Events always carry the symbols that were asked for; where the venue quotes in
    another currency, `quote`, the instruments and the status say so.

    `instruments` has the packaged filters at once and the venue's own, in the same mapping,
    when it has answered. `urls` replaces addresses of ccxt's clients by venue (for tests),
    `pace` how often the link looks after itself. Raises `FeedError` for symbols that make no
    market and for a timeframe that minutes don't divide.
    """

    kind = FeedKind.LIVE
    manual_time = False

    def __init__(
        self,
        symbols: Sequence[str],
        venue: str = "binance",
        fallback: Sequence[str] = ("okx", "kraken", "coinbase"),
        warmup_bars: int = 600,
        timeframe: str = "15m",
        seed: int = 0,
        clock: Clock | None = None,
        parameters: Parameters | None = None,
        urls: Mapping[str, Mapping[str, Any]] | None = None,
        pace: Pace | None = None,
        capacity: int = _CAPACITY,
    ) -> None:
        self.symbols: tuple[str, ...] = tuple(symbols)
        self.quote = common_quote(self.symbols)
        self.venue = venue
        if duration_ns(timeframe) % BASE_NS or warmup_bars < 0 or capacity < 100:
            raise FeedError(
                f"a live feed of {timeframe} bars, {warmup_bars} of warm-up, can't be built",
                "give a timeframe of whole minutes such as 15m",
            )
        self._order = tuple(dict.fromkeys((venue, *fallback)))
        self._warmup_bars = warmup_bars
        self._timeframe = timeframe
        self._seed = seed
        self._clock: Clock = clock or LiveClock()
        self._parameters = parameters or Parameters()
        self._urls = urls
        self._pace = pace or Pace()
        self._outlet = Outlet(capacity)
        self._instruments = _packaged(self.symbols, venue)
        self._position = 0
        self._stopped = False
        self._settled = Event()
        self._answered = Event()
        self._ready = Event()
        self._thread: Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._work: asyncio.Task[None] | None = None
        self._link: LiveLink | None = None

    @property
    def skew_ns(self) -> int:
        return self._link.skew_ns if self._link is not None else 0

    @property
    def instruments(self) -> Mapping[str, Instrument]:
        return self._instruments

    def connect(self, timeout_s: float = 5.0) -> bool:
        """Begin to connect if that was not done, and wait until a venue answers or none does.

        For whoever decides whether a simulated market stands in. Returns whether one did.
        """
        self._begin()
        self._settled.wait(timeout_s)
        return self._answered.is_set()

    def start(self, wake: Callable[[], None]) -> None:
        """Begin to connect in the background; only symbols of unknown filters are waited for."""
        self._outlet.wake = wake
        self._begin()
        missing = [symbol for symbol in self.symbols if symbol not in self._instruments]
        if missing and not self._ready.wait(_FILTERS_S):
            raise FeedError(
                f"no filters are known for {', '.join(missing)} and no venue tells them",
                "check the network, or follow symbols of the packaged table",
            )
        wake()

    def poll(self, limit: int) -> Sequence[MarketEvent]:
        events = self._outlet.take(limit)
        self._position += len(events)
        return events

    def wait_s(self) -> float:
        return 0.0 if len(self._outlet) else math.inf

    @property
    def ended(self) -> bool:
        return self._stopped

    @property
    def position(self) -> int:
        return self._position

    @property
    def progress(self) -> float:
        return math.nan

    @property
    def speed(self) -> float:
        return 1.0

    def set_speed(self, speed: float) -> None:
        """Ignored: the world has one speed."""

    def shock(self, kind: str, symbol: str) -> None:
        """Always refused: a real market can't be shocked on request."""
        raise CommandRefused(
            "not_simulated",
            f"a live market can't have a {SafeText(kind).line(40)} on request",
            "start the simulated market for shocks",
        )

    def stop(self) -> None:
        self._stopped = True
        self._settled.set()
        self._outlet.close()
        loop, thread = self._loop, self._thread
        if loop is not None and thread is not None and thread.is_alive():
            try:
                loop.call_soon_threadsafe(self._cancel)
            except RuntimeError:
                return  # it ended by itself in between
            thread.join(_JOIN_S)

    def _begin(self) -> None:
        if self._thread is None and not self._stopped:
            self._say(Link.STARTING, f"connecting to {self.venue}")
            self._loop = asyncio.new_event_loop()
            self._thread = Thread(target=self._run, name="qd-feed", daemon=True)
            self._thread.start()

    def _cancel(self) -> None:
        if self._work is not None:
            self._work.cancel()

    def _run(self) -> None:
        """The thread: one event loop from the first question to the last closed socket."""
        loop = self._loop
        assert loop is not None  # made just before this thread
        asyncio.set_event_loop(loop)
        loop.set_exception_handler(self._fault)
        self._work = loop.create_task(self._follow())
        if self._stopped:
            self._work.cancel()
        try:
            loop.run_until_complete(self._work)
        except asyncio.CancelledError:
            pass
        except Exception as error:  # noqa: BLE001 - a fault becomes a state, never a traceback
            self._say(Link.DOWN, f"the live feed failed: {type(error).__name__}: {error}")
        finally:
            _drain(loop)
            loop.close()
            self._settled.set()

    def _fault(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """A callback of the client failed: its receive loop is dead and tells nobody."""
        if self._link is not None and "callback" in str(context.get("message", "")):
            self._link.broken(f"unreadable message: {context.get('exception')}")

    async def _follow(self) -> None:
        """Find a venue, then follow it until stopped."""
        loop = asyncio.get_running_loop()
        late = loop.call_later(_ANSWER_S, self._late)
        # Half a second of imports, in which the deadline above must still be kept.
        await loop.run_in_executor(None, importlib.import_module, "ccxt.pro")
        try:
            venue, reach = await self._find()
        finally:
            late.cancel()
        try:
            self._adopt(venue, reach)
            self._link = LiveLink(
                venue,
                {symbol: self._instruments[symbol] for symbol in self.symbols},
                self._outlet,
                self._clock,
                self._parameters,
                self._timeframe,
                self._warmup_bars,
                self._seed,
                reach.skew_ns,
                self._pace,
            )
            await self._link.run()
        finally:
            await venue.close()

    async def _find(self) -> tuple[Venue, Reach]:
        """The first venue of the order that answers and has the markets; asks until one does."""
        chance, failures = source(self._seed, "find"), 0
        while True:
            reasons: list[str] = []
            for names in (self._order[:1], self._order[1:]):
                found = await self._ask(names, reasons)
                if found is not None:
                    return found
            failures += 1
            self._say(Link.DOWN, f"no venue can be reached: {'; '.join(reasons)}")
            self._settled.set()
            pace = self._pace
            wait = min(pace.backoff_max_s, pace.backoff_s * 2.0 ** min(failures, 12))
            await asyncio.sleep(wait * (0.5 + 0.5 * chance.random()))

    async def _ask(self, names: Sequence[str], reasons: list[str]) -> tuple[Venue, Reach] | None:
        """Ask these venues at once; the first in order that is usable, the others closed."""
        from engine.market.venues import Venue, explain

        venues: list[Venue] = []
        chosen: tuple[Venue, Reach] | None = None
        try:
            for name in names:
                urls = None if self._urls is None else self._urls.get(name, {})
                venues.append(Venue(name, self.symbols, self._clock, urls))
            reaches = await asyncio.gather(*(venue.probe(self._pace.probe_s) for venue in venues))
            for venue, reach in zip(venues, reaches, strict=True):
                if reach.trouble is not None:
                    reasons.append(f"{venue.name} {reach.trouble} ({reach.reason})")
                    continue
                self._answered.set()
                self._settled.set()
                try:
                    self._tell(venue, await venue.load(), reasons)
                except Exception as error:  # noqa: BLE001 - it answered and can't be used
                    trouble, text = explain(error)
                    reasons.append(f"{venue.name} {trouble} ({text})")
                    continue
                chosen = (venue, reach)
                return chosen
            return None
        except FeedError as error:
            reasons.append(error.message)
            return None
        finally:
            kept = chosen[0] if chosen is not None else None
            await asyncio.gather(*(venue.close() for venue in venues if venue is not kept))

    def _tell(self, venue: Venue, theirs: Mapping[str, Instrument], reasons: list[str]) -> None:
        """Take the venue's filters in place of the packaged ones, and say what changed."""
        words = list(reasons)
        for symbol, instrument in theirs.items():
            before = self._instruments.get(symbol)
            if before is not None and _filters(before) != _filters(instrument):
                words.append(f"filters of {symbol} are now {venue.name}'s own")
            self._instruments[symbol] = instrument
        self.venue, self.quote = venue.name, venue.quote()
        self._ready.set()
        if words:
            self._say(Link.STARTING, f"following {venue.name}: {'; '.join(words)}")

    def _adopt(self, venue: Venue, reach: Reach) -> None:
        if abs(reach.skew_ns) > SKEW_TOLD_NS:
            self._say(Link.STARTING, skew_words(reach.skew_ns, venue.name))

    def _late(self) -> None:
        if not self._answered.is_set():
            self._say(Link.DOWN, f"no venue answered within {_ANSWER_S} s; still trying")
            self._settled.set()

    def _say(self, link: Link, reason: str) -> None:
        status = FeedStatus(
            link=link,
            time_ns=self._clock.now_ns(),
            venue=self.venue,
            reason=SafeText(reason).line(),
        )
        self._outlet.put([status])


def _packaged(symbols: Sequence[str], venue: str) -> dict[str, Instrument]:
    """What the packaged table knows of them, until the venue tells."""
    known = {}
    for symbol in symbols:
        try:
            known[symbol] = packaged(symbol, venue=venue)
        except DataError:
            continue
    return known


def _filters(instrument: Instrument) -> tuple[Any, ...]:
    return (
        instrument.price_tick,
        instrument.lot_step,
        instrument.min_qty,
        instrument.min_notional,
        instrument.quote,
    )


def _drain(loop: asyncio.AbstractEventLoop) -> None:
    """Cancel what the client left behind and let it end, so that nothing is told at exit."""
    left = asyncio.all_tasks(loop)
    for task in left:
        task.cancel()
    if left:
        loop.run_until_complete(asyncio.wait(left, timeout=0.2))
    loop.run_until_complete(loop.shutdown_asyncgens())
