"""What every feed owes the kernel, whatever stands behind it.

A new feed joins by a `Case`: how to make one on a fake real-time clock, and what it can do.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from engine.core.clock import MINUTE, SECOND
from engine.core.errors import CommandRefused, FeedError
from engine.core.ids import source
from engine.core.types import (
    Bar,
    Book,
    FeedStatus,
    History,
    Link,
    MarketEvent,
    Quote,
    SimMark,
    Tick,
)
from engine.market.bars import BarBuilder
from engine.market.feed import Feed, event_time
from engine.market.replay import ReplayFeed
from engine.market.sim import SimFeed

COUNT = 1
"""Multiplier of every count here; raised by the soak."""

BEGIN_NS = 1_746_000_000 * SECOND


class RealTime:
    """A monotonic clock that the test moves."""

    def __init__(self) -> None:
        self.now_ns = 77 * SECOND

    def __call__(self) -> int:
        return self.now_ns

    def pass_s(self, seconds: float) -> None:
        self.now_ns += int(seconds * SECOND)


@dataclass(frozen=True)
class Case:
    """A feed under contract. `make(folder, real, speed, resume_at)` builds one, not started."""

    name: str
    make: Callable[[Path, RealTime, float, int], Feed]
    symbols: tuple[str, ...]
    ticks: bool
    shocks: bool


def _sim(folder: Path, real: RealTime, speed: float, resume_at: int) -> Feed:
    return SimFeed(
        ("BTC/USDT", "ETH/USDT"),
        seed=5,
        clock_start_ns=BEGIN_NS,
        speed=speed,
        warmup_bars=4,
        resume_at=resume_at,
        shocks=((200, "flash_crash", "BTC/USDT"), (200, "news_up", "ETH/USDT")),
        monotonic=real,
    )


def _bars(folder: Path, real: RealTime, speed: float, resume_at: int) -> Feed:
    for name, missing in (("BTCUSDT", {40, 41}), ("ETHUSDT", {7})):
        path = folder / f"{name}-1m.csv"
        if not path.exists():
            chance = source(1, name)
            lines = ["timestamp,open,high,low,close,volume"]
            for i in range(400):
                if i not in missing:
                    o, c = chance.uniform(99, 101), chance.uniform(99, 101)
                    time_ms = BEGIN_NS // 1_000_000 + i * 60_000
                    lines.append(f"{time_ms},{o},{max(o, c) + 1},{min(o, c) - 1},{c},{i + 1}")
            path.write_text("\n".join(lines))
    return ReplayFeed(folder, speed=speed, resume_at=resume_at, monotonic=real)


def _trades(folder: Path, real: RealTime, speed: float, resume_at: int) -> Feed:
    for name in ("BTCUSDT", "ETHUSDT"):
        path = folder / f"{name}-trades-2025-04.csv"
        if not path.exists():
            chance = source(2, name)
            time_ms, lines = BEGIN_NS // 1_000_000, ["id,price,qty,time,is_buyer_maker"]
            for i in range(1_500):
                time_ms += chance.randrange(3_000)
                lines.append(
                    f"{i},{chance.uniform(99, 101)},{chance.random() + 0.1},{time_ms},true"
                )
            path.write_text("\n".join(lines))
    return ReplayFeed(folder, speed=speed, resume_at=resume_at, monotonic=real)


PAIR = ("BTC/USDT", "ETH/USDT")
CASES = [
    Case("sim", _sim, PAIR, ticks=True, shocks=True),
    Case("bars", _bars, PAIR, ticks=False, shocks=False),
    Case("trades", _trades, PAIR, ticks=True, shocks=False),
]


@pytest.fixture(params=CASES, ids=lambda case: case.name)
def case(request: pytest.FixtureRequest) -> Case:
    found: Case = request.param
    return found


def started(
    case: Case, folder: Path, speed: float = 0.0, resume_at: int = 0, real: RealTime | None = None
) -> Feed:
    feed = case.make(folder, real or RealTime(), speed, resume_at)
    feed.start(lambda: None)
    return feed


def drain(feed: Feed, count: int, limit: int = 37) -> list[MarketEvent]:
    """Up to `count` events, fewer when the feed ends."""
    events: list[MarketEvent] = []
    while len(events) < count and not feed.ended:
        events += feed.poll(min(limit, count - len(events)))
    return events


def test_start_completes_symbols_and_instruments_and_wakes(case: Case, tmp_path: Path) -> None:
    feed = case.make(tmp_path, RealTime(), 0.0, 0)
    woken: list[bool] = []
    feed.start(lambda: woken.append(True))
    assert feed.symbols == case.symbols
    assert set(feed.instruments) == set(case.symbols)
    assert all(i.quote == feed.quote for i in feed.instruments.values())
    assert woken
    assert feed.venue


def test_events_come_in_the_order_of_their_time(case: Case, tmp_path: Path) -> None:
    times = [event_time(e) for e in drain(started(case, tmp_path), 2_000 * COUNT)]
    assert len(times) > 500
    assert times == sorted(times)


def test_history_then_up_come_before_anything_that_can_be_traded(
    case: Case, tmp_path: Path
) -> None:
    events = drain(started(case, tmp_path), 50)
    kinds = [type(e) for e in events]
    first = kinds.index(FeedStatus)
    status = events[first]
    assert isinstance(status, FeedStatus)
    assert status.link is Link.UP
    assert all(kind is History for kind in kinds[:first])
    assert History not in kinds[first:]
    for event in events[:first]:
        assert isinstance(event, History)
        assert event.bars[-1].close_ns <= status.time_ns
        assert [b.open_ns for b in event.bars] == sorted({b.open_ns for b in event.bars})


def test_events_name_the_feeds_own_symbols_and_hold_possible_prices(
    case: Case, tmp_path: Path
) -> None:
    for event in drain(started(case, tmp_path), 2_000 * COUNT):
        assert event_symbol(event) in ("", *case.symbols)
        if isinstance(event, Tick):
            assert event.price > 0
            assert event.size > 0
        elif isinstance(event, Quote):
            assert 0 < event.bid < event.ask
            assert event.bid_size > 0
            assert event.ask_size > 0
        elif isinstance(event, Book):
            bids, asks = [p for p, _ in event.bids], [p for p, _ in event.asks]
            assert bids == sorted(bids, reverse=True)
            assert asks == sorted(asks)
            assert bids[0] < asks[0]
        elif isinstance(event, Bar):
            assert event.low <= min(event.open, event.close)
            assert event.high >= max(event.open, event.close)
            assert event.final


def event_symbol(event: MarketEvent) -> str:
    return event.bar.symbol if not hasattr(event, "symbol") else event.symbol


def test_bars_go_forward_and_none_is_invented_in_a_gap(case: Case, tmp_path: Path) -> None:
    last: dict[str, Bar] = {}
    silent: set[str] = set()
    for event in drain(started(case, tmp_path), 3_000):
        if isinstance(event, FeedStatus) and event.symbol:
            (silent.add if event.link is Link.STALE else silent.discard)(event.symbol)
        if not isinstance(event, Bar):
            continue
        before = last.get(event.symbol)
        assert event.symbol not in silent
        assert before is None or event.open_ns >= before.close_ns
        last[event.symbol] = event
    assert set(last) == set(case.symbols)


def test_bars_are_made_of_the_ticks_before_them(case: Case, tmp_path: Path) -> None:
    if not case.ticks:
        pytest.skip("this feed delivers no ticks")
    builders = {symbol: BarBuilder(symbol, MINUTE) for symbol in case.symbols}
    built: dict[tuple[str, int], Bar] = {}
    compared = 0
    for event in drain(started(case, tmp_path), 3_000 * COUNT):
        if isinstance(event, Tick):
            bar = builders[event.symbol].add(event.time_ns, event.price, event.size)
        elif isinstance(event, Bar):
            bar = builders[event.symbol].advance(event.close_ns)
            bar = bar or built.get((event.symbol, event.open_ns))
            assert bar is not None
            assert (bar.open, bar.high, bar.low, bar.close) == (
                event.open,
                event.high,
                event.low,
                event.close,
            )
            assert math.isclose(bar.volume, event.volume, rel_tol=1e-12)
            compared += 1
        else:
            continue
        if bar is not None:
            built[(bar.symbol, bar.open_ns)] = bar
    assert compared > 20


def test_poll_keeps_its_limit_and_position_counts_what_was_delivered(
    case: Case, tmp_path: Path
) -> None:
    feed = started(case, tmp_path)
    seen = 0
    for limit in (1, 2, 3, 100, 1, 5_000, 7):
        events = feed.poll(limit)
        assert len(events) <= limit
        seen += len(events)
        assert feed.position == seen
    assert seen > 500


@pytest.mark.parametrize("at", [0, 1, 3, 199, 200, 201, 202, 503])
def test_a_feed_resumed_at_a_position_goes_on_the_same(case: Case, tmp_path: Path, at: int) -> None:
    whole = drain(started(case, tmp_path), 900)
    feed = started(case, tmp_path, resume_at=at)
    assert feed.position == at
    assert drain(feed, 700 - at) == whole[at:700]


def test_the_same_arguments_give_the_same_events_whatever_the_limits(
    case: Case, tmp_path: Path
) -> None:
    one = drain(started(case, tmp_path), 1_000, limit=1)
    assert one == drain(started(case, tmp_path), 1_000, limit=999)


def all_due(feed: Feed) -> list[MarketEvent]:
    """Everything that is due now, in as many parts as the feed gives it."""
    events: list[MarketEvent] = []
    while part := feed.poll(10_000):
        events += part
    return events


def test_speed_paces_events_against_real_time(case: Case, tmp_path: Path) -> None:
    real = RealTime()
    feed = started(case, tmp_path, speed=60.0, real=real)
    begin = event_time(all_due(feed)[0])
    for second in range(1, 6):
        real.pass_s(1.0)
        events = all_due(feed)
        times = [event_time(e) for e in events]
        assert times, "one second at speed 60 is a minute of market"
        assert max(times) <= begin + second * MINUTE
        assert min(times) > begin + (second - 1) * MINUTE
    wait = feed.wait_s()
    assert 0 < wait <= 1
    real.pass_s(wait * 0.9)
    assert not feed.poll(1)
    real.pass_s(wait * 0.1 + 1e-6)
    assert feed.poll(1)


def test_speed_can_change_and_market_time_does_not_jump(case: Case, tmp_path: Path) -> None:
    real = RealTime()
    feed = started(case, tmp_path, speed=60.0, real=real)
    begin = event_time(feed.poll(1_000)[0])
    real.pass_s(2.0)
    feed.poll(10_000)
    feed.set_speed(1.0)
    real.pass_s(1.0)
    slow = [event_time(e) for e in feed.poll(10_000)]
    assert all(t <= begin + 2 * MINUTE + SECOND for t in slow)
    feed.set_speed(0.0)
    assert feed.wait_s() == 0
    assert len(feed.poll(300)) == 300
    last = max(event_time(e) for e in feed.poll(1))
    feed.set_speed(60.0)
    real.pass_s(1.0)
    assert max((event_time(e) for e in feed.poll(10_000)), default=last) <= last + MINUTE
    with pytest.raises(FeedError):
        feed.set_speed(math.nan)


def test_a_machine_that_slept_finds_the_market_where_it_left_it(case: Case, tmp_path: Path) -> None:
    real = RealTime()
    feed = started(case, tmp_path, speed=60.0, real=real)
    begin = event_time(feed.poll(1_000)[0])
    feed.wait_s()
    real.pass_s(3_600.0)
    late = [event_time(e) for e in feed.poll(100_000)]
    assert max(late, default=begin) <= begin + 2 * MINUTE


def test_shocks_are_for_simulated_markets(case: Case, tmp_path: Path) -> None:
    feed = started(case, tmp_path)
    drain(feed, 30)
    with pytest.raises(CommandRefused):
        feed.shock("flash_crash", "NOPE/USDT")
    with pytest.raises(CommandRefused):
        feed.shock("earthquake", case.symbols[0])
    if not case.shocks:
        with pytest.raises(CommandRefused):
            feed.shock("flash_crash", case.symbols[0])
        return
    feed.shock("flash_crash", case.symbols[0])
    assert any(isinstance(e, SimMark) for e in drain(feed, 5))


def test_progress_is_a_share_or_unknown(case: Case, tmp_path: Path) -> None:
    feed = started(case, tmp_path)
    shares = [feed.progress for _ in range(6) if feed.poll(150) is not None]
    if math.isnan(shares[0]):
        assert all(map(math.isnan, shares))
        return
    assert all(0 <= a < b <= 1 for a, b in itertools.pairwise(shares))
    drain(feed, 100_000)
    assert feed.ended
    assert feed.progress == 1
    assert feed.wait_s() == math.inf


def test_stop_ends_it_and_may_come_twice_or_first(case: Case, tmp_path: Path) -> None:
    feed = started(case, tmp_path)
    feed.poll(10)
    feed.stop()
    feed.stop()
    assert feed.ended
    assert not feed.poll(10)
    assert feed.wait_s() == math.inf
    never = case.make(tmp_path, RealTime(), 0.0, 0)
    never.stop()
    assert never.ended
