"""Faults of a live market through the wire: the real ccxt client against a venue on loopback.

Each function plays its script and returns what went wrong, empty when nothing did; the tests
call them with small counts, the soak with larger ones.
"""

from __future__ import annotations

import tracemalloc
from collections import defaultdict
from collections.abc import Callable
from threading import Event

from engine.core.clock import MINUTE, SECOND, monotonic_ns
from engine.core.ids import source
from engine.core.types import Bar, BarCorrection, FeedStatus, History, Link, MarketEvent, Tick
from engine.market.live import LiveFeed
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

    def follow(self) -> bool:
        """Wait until every symbol's trades are subscribed and the first ones are through."""
        if not self.eventually(lambda: all(map(self.venue.subscribed, self.symbols))):
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
                well &= self.eventually(lambda sent=sent: self.ticked.issuperset(sent), 3.0)  # type: ignore[misc]
        self.now_ns = begin + MINUTE
        return well

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
            for bar in truth:
                if not _same(told.get(bar.open_ns), bar):
                    wrong.append(f"{symbol} {bar}: {told.get(bar.open_ns)}")
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


def reconnects(count: int, seed: int) -> tuple[list[str], float]:
    """F33 compressed: a cut in every other minute. What went wrong, and memory's growth."""
    wrong: list[str] = []
    sizes: list[int] = []
    with Rig(keep=False) as rig:
        if not rig.follow():
            return ["the feed did not come up"], 0.0
        chance = source(seed, "reconnects")
        tracemalloc.start()
        try:
            for case in range(count):
                rig.minute(wait=False)
                if case % 2:
                    rig.venue.drop()
                    if not rig.eventually(lambda: all(map(rig.venue.subscribed, rig.symbols))):
                        wrong.append(f"case {case}: not reconnected")
                if chance.random() < 0.2:
                    rig.minute(wait=False)
                if case in (count // 2, count - 1):
                    sizes.append(tracemalloc.get_traced_memory()[0])
        finally:
            tracemalloc.stop()
        if not rig.settled():
            wrong += rig.differences()
    return wrong, (sizes[-1] - sizes[0]) / sizes[0]


def histories(rig: Rig) -> dict[str, History]:
    return {event.symbol: event for event in rig.events if isinstance(event, History)}
