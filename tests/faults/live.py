"""Faults of a live market through the wire: the real ccxt client against a venue on loopback.

Each function plays its script and returns what went wrong, empty when nothing did; the tests
call them with small counts, the soak with larger ones.
"""

from __future__ import annotations

import gc
import tracemalloc
from collections import defaultdict
from collections.abc import Callable
from functools import _lru_cache_wrapper, partial
from threading import Event

import msgspec

from engine.core.clock import MINUTE, SECOND, monotonic_ns
from engine.core.ids import source
from engine.core.types import Bar, BarCorrection, FeedStatus, History, Link, MarketEvent, Tick
from engine.market.live import LiveFeed
from engine.market.livebars import PAGE
from engine.market.livelink import Pace
from tests.faults.venue import BEGIN_NS, MarketClock, Venue

FAST = Pace(beat_s=0.01, backoff_s=0.02, backoff_max_s=0.1, kick_s=0.05, probe_s=1.0)
PAIR = ("BTC/USDT", "ETH/USDT")


class Rig:
    """A feed on a venue, and everything it delivered. Use it as a context manager."""

    def __init__(
        self,
        symbols: tuple[str, ...] = PAIR,
        venue: Venue | None = None,
        keep: bool = True,
        **named: object,
    ) -> None:
        self.clock = venue.clock if venue is not None else MarketClock()
        self.venue = venue or Venue(symbols, self.clock)
        self.symbols = symbols
        self.keep = keep
        self.events: list[MarketEvent] = []
        self.ticked: set[str] = set()
        self.bars: dict[str, dict[int, Bar]] = defaultdict(dict)
        self.order: dict[str, list[int]] = defaultdict(list)
        self.now_ns = BEGIN_NS
        self._woken = Event()
        self._named = named
        self.feed: LiveFeed

    def __enter__(self) -> Rig:
        if not self.venue.port:
            self.venue.start()
        settings: dict[str, object] = {
            "venue": "binance", "fallback": (), "warmup_bars": 20, "timeframe": "15m", "seed": 7,
            "clock": self.clock, "urls": {"binance": self.venue.urls}, "pace": FAST,
        }  # fmt: skip
        self.feed = LiveFeed(self.symbols, **(settings | self._named))  # type: ignore[arg-type]
        self.feed.start(self._woken.set)
        return self

    def __exit__(self, *failure: object) -> None:
        self.feed.stop()
        self.venue.stop()

    def eventually(self, condition: Callable[[], bool], seconds: float = 8.0) -> bool:
        """Whether the condition came true in time, taking what the feed brings meanwhile."""
        end = monotonic_ns() + int(seconds * SECOND)
        while True:
            self._woken.clear()
            self.pump()
            if condition():
                return True
            if monotonic_ns() > end:
                return False
            self._woken.wait(0.01)

    def pump(self) -> None:
        while events := self.feed.poll(1_000):
            for event in events:
                self._take(event)
            if self.keep:
                self.events += events

    def _take(self, event: MarketEvent) -> None:
        if isinstance(event, Tick):
            self.ticked.add(event.trade_id)
            if not self.keep and len(self.ticked) > 1_000:
                self.ticked = {event.trade_id}
        elif isinstance(event, Bar):
            if not self.keep:
                # What is remembered here must not be counted as the feed's memory.
                event = msgspec.json.decode(msgspec.json.encode(event), type=Bar)
            self.bars[event.symbol][event.open_ns] = event
            self.order[event.symbol].append(event.open_ns)
        elif isinstance(event, BarCorrection):
            self.bars[event.bar.symbol][event.bar.open_ns] = event.bar

    def of(self, kind: type) -> list[MarketEvent]:
        return [event for event in self.events if isinstance(event, kind)]

    def statuses(self, link: Link, symbol: str = "") -> list[FeedStatus]:
        return [
            event
            for event in self.events
            if isinstance(event, FeedStatus) and event.link is link and event.symbol == symbol
        ]

    def of_status(self) -> list[FeedStatus]:
        return [event for event in self.events if isinstance(event, FeedStatus)]

    def all_up(self) -> bool:
        """Whether the last that was said of the link and of each symbol is that it is up."""
        last: dict[str, Link] = {}
        for event in self.events:
            if isinstance(event, FeedStatus):
                if not event.symbol:
                    last.clear()
                last[event.symbol] = event.link
        return set(last.values()) == {Link.UP}

    def follow(self) -> bool:
        """Wait until every symbol's trades are subscribed and the first ones are through."""
        kinds = ("trade", "bookTicker", "depth@100ms")
        if not self.eventually(
            lambda: all(self.venue.subscribed(s, kind) for s in self.symbols for kind in kinds)
        ):
            return False
        return self.minute() or self.minute()

    def minute(self, each: int = 6, wait: bool = True) -> bool:
        """A minute of market, `each` trades of every symbol; whether all came through."""
        well = True
        begin = self.now_ns
        for i in range(each):
            time_ns = begin + i * (MINUTE // each) + SECOND // 2
            sent = [self.venue.trade(symbol, time_ns) for symbol in self.symbols]
            for symbol in self.symbols:
                self.venue.quote(symbol)
            if wait:
                well &= self.eventually(partial(self._all_in, sent), 3.0)
        self.now_ns = begin + MINUTE
        return well

    def crowded_minute(self, each: int) -> None:
        """A minute with so many trades that every cache on the way is full afterwards."""
        begin = self.now_ns
        for i in range(each):
            for symbol in self.symbols:
                self.venue.trade(symbol, begin + i * (MINUTE // each))
            if i % 100 == 0:
                for symbol in self.symbols:
                    self.venue.quote(symbol)
                self.pump()
        self.now_ns = begin + MINUTE

    def _all_in(self, numbers: list[str]) -> bool:
        return self.ticked.issuperset(numbers)

    def settled(self) -> bool:
        """Let REST confirm the last minutes; whether candles now equal the ledger's."""
        self.clock.set(self.now_ns + 3 * SECOND)
        return self.eventually(lambda: not self.differences())

    def differences(self) -> list[str]:
        """Where the delivered candles differ from the ledger between begin and now."""
        wrong = []
        for symbol in self.symbols:
            told, order = self.bars[symbol], self.order[symbol]
            first = min(order, default=BEGIN_NS)
            truth = self.venue.truth(symbol, min(first, BEGIN_NS), self.now_ns)
            wrong += [
                f"{symbol} {bar}: {told.get(bar.open_ns)}"
                for bar in truth
                if not _same(told.get(bar.open_ns), bar)
            ]
            if order != sorted(set(order)):
                wrong.append(f"{symbol} out of order or doubled: {order}")
            if set(told) - {bar.open_ns for bar in truth}:
                wrong.append(f"{symbol} has candles that never were")
        return wrong


def _same(told: Bar | None, true: Bar) -> bool:
    if told is None:
        return False
    near = abs(told.volume - true.volume) < 1e-9
    return near and (told.open, told.high, told.low, told.close) == (
        true.open, true.high, true.low, true.close,
    )  # fmt: skip


def stormy_streams(count: int, seed: int) -> list[str]:
    """F30 through the wire: minutes with drops, losses, repetitions, permutations, revisions."""
    wrong: list[str] = []
    with Rig() as rig:
        if not rig.follow():
            return ["the feed did not come up"]
        for case in range(count):
            chance = source(seed, "storm", case)
            fault = chance.choice(("none", "lose", "repeat", "reorder", "drop", "revise"))
            faults = rig.venue.faults
            if fault == "lose":
                faults.lose = chance.randrange(1, 5)
            elif fault == "repeat":
                faults.repeat = chance.randrange(2, 4)
            elif fault == "reorder":
                faults.hold = chance.randrange(1, 4)
            rig.minute(wait=fault in ("none", "repeat"))
            if fault == "drop":
                rig.venue.drop()
                rig.eventually(lambda: all(map(rig.venue.subscribed, rig.symbols)))
            elif fault == "revise":
                rig.settled()
                last = rig.now_ns - MINUTE
                rig.venue.revise(rig.symbols[0], last, rig.venue.books[rig.symbols[0]].price + 1)
            faults.lose = faults.hold = 0
            faults.repeat = 1
            rig.eventually(lambda: all(map(rig.venue.subscribed, rig.symbols)))
        rig.minute()
        if not rig.settled():
            wrong += rig.differences()
    return wrong


def frozen_links(count: int, seed: int) -> tuple[list[str], float]:
    """F29 through the wire: sockets that stay open and fall silent, all of them or one symbol's.

    What went wrong, and the longest time in seconds until it was told.
    """
    wrong: list[str] = []
    longest = 0.0
    with Rig() as rig:
        if not rig.follow():
            return ["the feed did not come up"], 0.0
        for case in range(count):
            chance = source(seed, "frozen", case)
            one = rig.symbols[0] if chance.random() < 0.5 else ""
            link = Link.STALE if one else Link.DOWN
            told = len(rig.statuses(link, one))
            rig.venue.mute(one)
            last = rig.now_ns - MINUTE // 6 + SECOND // 2
            for second in range(11, 30):
                rig.clock.set(last + second * SECOND)
                if one:
                    alive = rig.venue.trade(rig.symbols[1], last + second * SECOND)
                    rig.eventually(partial(rig.ticked.__contains__, alive))
                if rig.eventually(_more(rig, link, one, told), 0.1):
                    longest = max(longest, float(second))
                    break
            else:
                wrong.append(f"case {case}: a frozen {one or 'link'} was not told")
            rig.now_ns += MINUTE
            for _ in range(20):
                rig.minute(wait=False)
                if rig.eventually(rig.all_up, 0.3):
                    break
            else:
                wrong.append(f"case {case}: did not come back")
        if not rig.settled():
            wrong += rig.differences()
    return wrong, longest


def _more(rig: Rig, link: Link, symbol: str, than: int) -> Callable[[], bool]:
    return lambda: len(rig.statuses(link, symbol)) > than


def reconnects(count: int, seed: int) -> tuple[list[str], float]:
    """F33 compressed: a cut every minute. What went wrong, and how much memory grew.

    Memory is that of the feed and of its client, from when their tapes are full on. Some cuts
    come while a connection is being made, and some when a silent link is being given up.
    """
    wrong: list[str] = []
    with Rig(keep=False) as rig:
        if not rig.follow():
            return ["the feed did not come up"], 0.0
        chance = source(seed, "reconnects")
        tracemalloc.start()
        try:
            for _ in range(PAGE):  # as many candles as the feed keeps
                rig.minute(each=1, wait=False)
            rig.eventually(lambda: all(map(rig.venue.subscribed, rig.symbols)))
            if not any(rig.minute() for _ in range(10)):
                return ["the feed did not come up again"], 0.0
            rig.crowded_minute(3_000)
            rig.minute()
            before = _traced()
            for case in range(count):
                rig.venue.drop()
                if chance.random() < 0.3:
                    rig.minute(wait=False)
                if not rig.eventually(lambda: all(map(rig.venue.subscribed, rig.symbols))):
                    wrong.append(f"case {case}: not reconnected")
                rig.minute(wait=False)
            rig.crowded_minute(1_100)
            rig.minute()
            grown = _traced() / before - 1
        finally:
            tracemalloc.stop()
        if not rig.settled():
            wrong += rig.differences()
    return wrong, grown


def _traced() -> int:
    """Bytes that feed and client hold, without caches that are bounded and fill up in time."""
    gc.collect()
    for kept in gc.get_objects():
        if isinstance(kept, _lru_cache_wrapper) and kept.cache_parameters()["maxsize"]:
            kept.cache_clear()
    ours = [
        tracemalloc.Filter(True, f"*/{room}*")
        for room in ("engine/market/", "ccxt/", "aiohttp/client")
    ]
    snapshot = tracemalloc.take_snapshot().filter_traces(ours)
    return sum(trace.size for trace in snapshot.traces)


def histories(rig: Rig) -> dict[str, History]:
    return {event.symbol: event for event in rig.events if isinstance(event, History)}
