"""The live feed: the real ccxt client against a venue on loopback that keeps its own ledger.

How often the storms, freezes and reconnects are played is given by COUNT; the soak plays
more of the same functions.
"""

from __future__ import annotations

import itertools
import json
import logging
import lzma
import math
import socket
import threading
from collections.abc import Iterator
from decimal import Decimal
from functools import partial
from pathlib import Path

import pytest

from engine.core.clock import MINUTE, SECOND, monotonic_ns
from engine.core.errors import CommandRefused, FeedError
from engine.core.types import Bar, BarCorrection, Book, FeedStatus, Link, Quarantined, Quote, Tick
from engine.market import venues
from engine.market.bars import Resampler
from engine.market.feed import Skewed
from engine.market.live import LiveFeed
from engine.market.livelink import Pace
from tests.contract import test_feed as contract
from tests.faults import live
from tests.faults.live import FAST, PAIR, Rig, histories
from tests.faults.venue import BEGIN_NS, MarketClock, Venue
from tests.recorded import recorded

COUNT = 1
"""Multiplier of every count here; raised by the soak."""

BTC = PAIR[0]


@pytest.fixture
def rig() -> Iterator[Rig]:
    with Rig() as made:
        yield made


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def addresses(port: int) -> dict[str, object]:
    rest = f"http://127.0.0.1:{port}/api/v3"
    return {"public": rest, "ws": {"spot": f"ws://127.0.0.1:{port}/stream.loopback/ws"}}


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port


def test_warm_up_gives_the_resampler_the_venues_own_decision_bars(rig: Rig) -> None:
    assert rig.follow()
    for _ in range(9):
        rig.minute()
    assert rig.settled()
    for symbol in PAIR:
        bars = histories(rig)[symbol].bars
        assert len(bars) == 20 + 7, "20 of 15m, then the minutes of the window that forms"
        told = Resampler(symbol, 15 * MINUTE)
        live_bars = [rig.bars[symbol][open_ns] for open_ns in rig.order[symbol]]
        decisions = [d for bar in (*bars, *live_bars) if (d := told.add(bar)) is not None]
        true = Resampler(symbol, 15 * MINUTE)
        ledger = rig.venue.truth(symbol, bars[0].open_ns, rig.now_ns)
        truth = [d for bar in ledger if (d := true.add(bar)) is not None]
        assert len(decisions) == 21
        assert [d.open_ns for d in decisions] == [d.open_ns for d in truth]
        for mine, theirs in zip(decisions, truth, strict=True):
            assert (mine.open, mine.high, mine.low, mine.close) == (
                theirs.open, theirs.high, theirs.low, theirs.close,
            )  # fmt: skip
            assert math.isclose(mine.volume, theirs.volume, rel_tol=1e-9)


def test_history_then_up_come_before_the_first_price(rig: Rig) -> None:
    packaged = rig.feed.instruments["ETH/USDT"]
    assert packaged.source.startswith("packaged"), "filters are there before any answer"
    assert rig.follow()
    kinds = (Tick, Quote, Book)
    assert rig.eventually(lambda: all(rig.of(kind) for kind in kinds))
    first = {kind: rig.events.index(rig.of(kind)[0]) for kind in kinds}
    up = rig.events.index(rig.statuses(Link.UP)[0])
    last_history = max(rig.events.index(h) for h in histories(rig).values())
    assert last_history < up < min(first.values())
    assert "binance, quoted in USDT" in rig.statuses(Link.UP)[0].reason
    told = rig.feed.instruments["ETH/USDT"]
    assert (told.source, told.min_notional) == ("venue", Decimal(10))
    assert any("ETH/USDT" in s.reason for s in rig.statuses(Link.STARTING))
    assert "x-mbx-apikey" not in rig.venue.headers
    book = next(e for e in rig.events if isinstance(e, Book))
    assert len(book.bids) == len(book.asks) == 20
    assert book.bids[0][0] < book.asks[0][0]


def test_candles_equal_the_ledger_after_drops_losses_repetitions_permutations_revisions() -> None:
    assert live.stormy_streams(25 * COUNT, seed=30) == []


def test_a_frozen_stream_is_told_within_two_intervals_and_five_seconds() -> None:
    wrong, longest = live.frozen_links(4 * COUNT, seed=29)
    assert wrong == []
    assert longest <= 2 * 5 + 5


def test_many_reconnects_lose_no_candle_and_keep_no_memory() -> None:
    wrong, grown = live.reconnects(5 * COUNT, seed=33)
    assert wrong == []
    assert grown < 0.05


def test_giving_up_a_silent_link_leaves_no_connection_behind_that_was_being_made(rig: Rig) -> None:
    assert rig.follow()
    carried = rig.venue.open_sockets
    rig.venue.faults.slow_s = 0.4
    rig.venue.drop()
    rig.clock.set(rig.now_ns + 5 * MINUTE)  # silent for so long that it is kicked all the time
    assert rig.eventually(lambda: bool(rig.statuses(Link.DOWN)))
    rig.eventually(lambda: False, 1.2)
    rig.now_ns += 5 * MINUTE
    rig.venue.faults.slow_s = 0.0
    assert any(rig.minute() for _ in range(20))
    assert rig.eventually(lambda: rig.venue.open_sockets == carried)


@pytest.mark.parametrize("numbered", [True, False])
def test_minutes_missed_while_cut_off_come_in_order_before_new_ones(
    numbered: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not numbered:
        monkeypatch.setattr(venues, "_NUMBERED", frozenset())
    # A slow machine takes the market's leaps of time for silence and reconnects on its own.
    assert any(torn_and_mended() for _ in range(6)), "the beginning was never heard"


def torn_and_mended() -> bool:
    """One try; False where not even the minute's beginning was heard, so that nothing is torn."""
    with Rig() as rig:
        assert rig.follow()
        rig.minute()
        times = [rig.now_ns + i * 5 * SECOND for i in range(8 * 12)]
        heard = [rig.venue.trade(symbol, at) for at in times[:3] for symbol in PAIR]
        if not rig.eventually(partial(rig.ticked.issuperset, heard), 3.0):
            return False
        rig.venue.faults.frozen = True
        rig.venue.drop()
        for at in times[3:-3]:
            for symbol in PAIR:
                rig.venue.trade(symbol, at)
        rig.venue.faults.frozen = False
        assert rig.eventually(lambda: all(map(rig.venue.subscribed, PAIR)))
        heard = [rig.venue.trade(symbol, at) for at in times[-3:] for symbol in PAIR]
        if not rig.eventually(partial(rig.ticked.issuperset, heard), 3.0):
            return False
        rig.now_ns += 8 * MINUTE
        rig.minute()
        assert rig.settled()
        assert rig.order[BTC] == [BEGIN_NS + i * MINUTE for i in range(len(rig.order[BTC]))]
        assert rig.of(BarCorrection) == [], "no candle was made of a torn tape"
        return True


def test_of_a_burst_of_quotes_the_newest_is_told(rig: Rig) -> None:
    assert rig.follow()
    burst = [
        {"stream": "btcusdt@bookTicker", "data": {
            "u": 20_000 + i, "s": "BTCUSDT", "b": f"{90 + i}", "B": "1", "a": f"{91 + i}", "A": "1",
        }} for i in range(9)
    ]  # fmt: skip
    rig.venue.recorded(burst)
    assert rig.eventually(lambda: any(isinstance(e, Quote) and e.bid == 98 for e in rig.events))
    told = [e.bid for e in rig.events if isinstance(e, Quote) and e.symbol == BTC]
    assert told[-1] == 98


def test_a_late_revision_is_a_correction_and_no_second_bar(rig: Rig) -> None:
    assert rig.follow()
    rig.minute()
    assert rig.settled()
    before = rig.bars[BTC][rig.now_ns - MINUTE]
    rig.venue.revise(BTC, before.open_ns, Decimal("123.45"))
    rig.minute()
    assert rig.settled()
    corrections = [e for e in rig.of(BarCorrection) if isinstance(e, BarCorrection)]
    assert [(c.bar.open_ns, c.was_close, c.bar.close) for c in corrections] == [
        (before.open_ns, before.close, 123.45)
    ]
    assert rig.order[BTC].count(before.open_ns) == 1


def test_rest_that_lags_behind_is_never_taken_for_the_truth_of_a_minute(rig: Rig) -> None:
    assert rig.follow()
    rig.venue.faults.hide = {rig.now_ns // 1_000_000, rig.now_ns // 1_000_000 + 60_000}
    hidden = rig.now_ns
    rig.venue.drop()
    rig.minute(wait=False)
    rig.eventually(lambda: all(map(rig.venue.subscribed, PAIR)))
    rig.minute()
    rig.eventually(lambda: False, 0.2)
    assert all(bar.open_ns < hidden for bar in rig.of(Bar) if isinstance(bar, Bar))
    rig.venue.faults.hide.clear()
    assert rig.settled()


def test_a_misprint_is_quarantined_with_its_raw_text_and_touches_no_candle(rig: Rig) -> None:
    assert rig.follow()
    wrong = rig.venue.books[BTC].price * 10
    number = rig.venue.trade(BTC, rig.now_ns + SECOND, wrong, true=False)
    rig.venue.trade(BTC, rig.now_ns + SECOND, Decimal(0), true=False)
    rig.minute()
    assert rig.settled()
    refused = [e for e in rig.events if isinstance(e, Quarantined)]
    assert [e.price for e in refused] == [float(wrong), 0.0]
    assert number in refused[0].raw
    assert number not in rig.ticked


def test_a_real_crash_comes_through_as_ticks_and_in_the_candle(rig: Rig) -> None:
    assert rig.follow()
    price = rig.venue.books[BTC].price * Decimal("0.8")
    sent = [
        rig.venue.trade(BTC, rig.now_ns + (i + 1) * SECOND, price.quantize(Decimal("0.01")))
        for i in range(3)
    ]
    assert rig.eventually(lambda: rig.ticked.issuperset(sent))
    rig.minute()
    assert rig.settled()


def test_an_unreadable_frame_costs_a_reconnect_and_no_candle(rig: Rig) -> None:
    assert rig.follow()
    connections = rig.venue.connections
    rig.venue.raw("btcusdt@trade", '{"e":"trade","p":')
    assert rig.eventually(lambda: rig.venue.connections > connections)
    rig.venue.raw("ethusdt@trade", '{"e":"trade","s":"ETHUSDT","t":"x","p":null,"T":{}}')
    assert rig.eventually(lambda: all(map(rig.venue.subscribed, PAIR)))
    rig.minute()
    rig.minute()
    assert rig.settled()


@pytest.mark.parametrize("status", [451, 403])
def test_a_refused_region_is_named_and_the_next_venue_followed_in_its_own_currency(
    status: int,
) -> None:
    clock = MarketClock()
    refusing = Venue(PAIR, clock).start()
    refusing.faults.refuse = status
    dollars = Venue(("BTC/USD", "ETH/USD"), clock).start()
    dollars.books = {f"{s}T": book for s, book in dollars.books.items()}
    urls = {"binance": refusing.urls, "binanceus": dollars.urls, "kraken": addresses(9)}
    try:
        with Rig(venue=dollars, fallback=("kraken", "binanceus"), urls=urls) as rig:
            assert rig.feed.connect(5.0)
            assert rig.follow()
            reason = rig.statuses(Link.STARTING)[1].reason
            assert "binance refuses this region" in reason
            assert "kraken can't be reached" in reason
            assert "\x1b" not in reason
            up = rig.statuses(Link.UP)[0]
            assert (rig.feed.venue, rig.feed.quote) == ("binanceus", "USD")
            assert (up.venue, up.reason) == (
                "binanceus",
                "binanceus, quoted in USD where USDT was asked for",
            )
            assert {s: i.quote for s, i in rig.feed.instruments.items()} == dict.fromkeys(
                PAIR, "USD"
            )
            assert rig.ticked
    finally:
        refusing.stop()


def test_without_a_network_it_says_so_within_five_seconds_and_goes_on_trying() -> None:
    port = closed_port()
    names = ("binance", "okx", "kraken", "coinbase")
    everywhere = {
        name: {"public": f"http://127.0.0.1:{port}", "rest": f"http://127.0.0.1:{port}"}
        for name in names
    }
    clock = MarketClock()
    venue = Venue(PAIR, clock)
    venue.port = 0
    everywhere["binance"] = addresses(port)  # type: ignore[assignment]
    begin = monotonic_ns()
    with Rig(venue=venue, fallback=names[1:], urls=everywhere) as rig:
        assert not rig.feed.connect(5.0)
        assert rig.eventually(lambda: bool(rig.statuses(Link.DOWN)), 1.0)
        assert monotonic_ns() - begin < 5 * SECOND
        reason = rig.statuses(Link.DOWN)[0].reason
        assert reason.startswith("no venue can be reached: binance can't be reached (no connection")
        assert all(name in reason for name in names)
        assert not rig.ticked


def test_a_network_that_swallows_everything_is_told_within_five_seconds(silent_port: int) -> None:
    feed = LiveFeed(
        PAIR,
        fallback=("binanceus",),
        urls={"binance": addresses(silent_port), "binanceus": addresses(silent_port)},
        pace=Pace(probe_s=0.3),
    )
    begin = monotonic_ns()
    try:
        assert not feed.connect(5.0)
        assert monotonic_ns() - begin < 5 * SECOND
        last = [e for e in feed.poll(100) if isinstance(e, FeedStatus)][-1]
        assert last.link is Link.DOWN
        assert "no answer in time" in last.reason
    finally:
        feed.stop()


@pytest.mark.parametrize("status", [429, 418])
def test_a_pause_that_the_venue_asks_for_is_kept(rig: Rig, status: int) -> None:
    assert rig.follow()
    rig.venue.faults.retry_after = "1"
    rig.venue.faults.refuse = status
    rig.minute()
    assert rig.eventually(lambda: rig.venue.refused_ns > 0)
    rig.eventually(lambda: False, 0.1)
    banned_ns = rig.venue.refused_ns
    rig.minute()
    rig.venue.drop()
    rig.eventually(lambda: False, 0.6)
    later = [path for at, path in rig.venue.requests if at > banned_ns and path[:5] == "/api/"]
    assert later == [], "asked inside the pause"
    rig.venue.faults.refuse = 0
    assert rig.eventually(lambda: all(map(rig.venue.subscribed, PAIR)))
    rig.minute()
    assert rig.settled()


def test_a_clock_that_is_off_is_told() -> None:
    clock = MarketClock()
    venue = Venue(PAIR, clock)
    venue.skew_ms = 4_000
    with Rig(venue=venue) as skewed:
        assert skewed.follow()
        assert "clock is 4.0 s behind binance's" in skewed.statuses(Link.UP)[0].reason
        assert isinstance(skewed.feed, Skewed)
        assert abs(skewed.feed.skew_ns / SECOND - 4.0) < 0.5


def test_a_kernel_that_fell_behind_keeps_candles_and_newest_quotes_and_is_told() -> None:
    with Rig(capacity=200) as rig:
        assert rig.follow()
        rig.eventually(lambda: False, 0.1)
        begin = rig.now_ns
        for i in range(300):
            rig.venue.trade(BTC, begin + i * MINUTE // 300)
            rig.venue.trade(PAIR[1], begin + i * MINUTE // 300)
            rig.venue.quote(BTC)
        rig.now_ns += MINUTE
        assert rig.eventually(lambda: any("fell behind" in s.reason for s in rig.of_status()))
        rig.minute()
        assert rig.settled()
        quotes = [e for e in rig.events if isinstance(e, Quote) and e.symbol == BTC]
        assert quotes[-1].bid == float(rig.venue.books[BTC].price - Decimal("0.01"))


def test_a_recorded_stream_comes_through_tick_by_tick_and_minute_by_minute() -> None:
    path = recorded("wire/hftbacktest/spot-btcusdt_20240808.log.xz")
    messages = []
    with lzma.open(path, "rt") as lines:
        for line in itertools.islice(lines, 20_000):
            message = json.loads(line.partition(" ")[2])
            if message.get("stream", "").endswith(("@trade", "@bookTicker")):
                messages.append(message)
    trades = [m["data"] for m in messages if m["stream"].endswith("@trade")]
    clock = MarketClock(trades[0]["T"] * 1_000_000)
    venue = Venue((BTC,), clock, price=Decimal(trades[0]["p"]))
    with Rig((BTC,), venue=venue) as rig:
        assert rig.eventually(lambda: venue.subscribed(BTC) and venue.subscribed(BTC, "bookTicker"))
        for begin in range(0, len(messages), 250):
            batch = messages[begin : begin + 250]
            venue.recorded(batch)
            sent = {str(m["data"]["t"]) for m in batch if m["stream"].endswith("@trade")}
            assert rig.eventually(partial(sent.issubset, rig.ticked))
        assert rig.eventually(lambda: len(rig.of(Tick)) == len(trades))
        ticks = [e for e in rig.events if isinstance(e, Tick)]
        assert [(t.trade_id, t.price, t.size, t.time_ns, t.buyer_maker) for t in ticks] == [
            (str(m["t"]), float(m["p"]), float(m["q"]), m["T"] * 1_000_000, m["m"]) for m in trades
        ]
        assert rig.of(Quarantined) == rig.of(BarCorrection) == []
        quotes = [e for e in rig.events if isinstance(e, Quote)]
        newest = next(m["data"] for m in reversed(messages) if m["stream"].endswith("bookTicker"))
        assert len(quotes) > 50
        assert (quotes[-1].bid, quotes[-1].ask) == (float(newest["b"]), float(newest["a"]))
        minutes = clock.now_ns() // MINUTE * MINUTE
        clock.set(minutes + 3 * SECOND)
        truth = venue.truth(BTC, trades[0]["T"] * 1_000_000 // MINUTE * MINUTE, minutes)
        assert len(truth) >= 2
        assert rig.eventually(lambda: len(rig.order[BTC]) == len(truth))
        for bar in truth:
            told = rig.bars[BTC][bar.open_ns]
            assert (told.open, told.high, told.low, told.close) == (
                bar.open, bar.high, bar.low, bar.close,
            )  # fmt: skip
            assert math.isclose(told.volume, bar.volume, rel_tol=1e-9)


def test_stop_takes_less_than_a_second_and_leaves_nothing(
    rig: Rig, caplog: pytest.LogCaptureFixture, recwarn: pytest.WarningsRecorder
) -> None:
    caplog.set_level(logging.WARNING)
    assert rig.follow()
    rig.venue.faults.frozen = True
    begin = monotonic_ns()
    rig.feed.stop()
    rig.feed.stop()
    assert monotonic_ns() - begin < SECOND
    assert "qd-feed" not in {thread.name for thread in threading.enumerate()}
    assert rig.feed.ended
    assert not rig.feed.poll(10)
    assert rig.feed.wait_s() == math.inf
    assert [record.getMessage() for record in caplog.records] == []
    assert [str(warning.message) for warning in recwarn] == []


def test_symbols_that_make_no_market_are_refused_in_words() -> None:
    with pytest.raises(FeedError):
        LiveFeed(("BTC/USDT", "ETH/EUR"))
    with pytest.raises(FeedError):
        LiveFeed(PAIR, timeframe="90s")
    feed = LiveFeed(PAIR, venue="nowhere", fallback=())
    try:
        assert not feed.connect(5.0)
        last = [e for e in feed.poll(10) if isinstance(e, FeedStatus)][-1]
        assert "there is no venue 'nowhere'" in last.reason
    finally:
        feed.stop()


def _case(folder: Path, real: contract.RealTime, speed: float, resume_at: int) -> LiveFeed:
    return LiveFeed(PAIR, fallback=(), urls={"binance": addresses(closed_port())}, pace=FAST)


CASE = contract.Case("live", _case, PAIR, ticks=True, shocks=False)


def test_the_contract_of_starting_and_stopping_holds(tmp_path: Path) -> None:
    contract.test_start_completes_symbols_and_instruments_and_wakes(CASE, tmp_path)
    contract.test_stop_ends_it_and_may_come_twice_or_first(CASE, tmp_path)
    feed = _case(tmp_path, contract.RealTime(), 0.0, 0)
    assert math.isnan(feed.progress)
    feed.set_speed(60.0)
    for symbol in (BTC, "NOPE/USDT"):
        with pytest.raises(CommandRefused):
            feed.shock("flash_crash", symbol)
    feed.stop()


def test_the_contract_of_events_holds_for_what_came_over_the_wire(rig: Rig) -> None:
    assert rig.follow()
    for _ in range(5):
        rig.minute()
    assert rig.settled()
    delivered = rig.events
    assert rig.feed.position == len(delivered)
    last: dict[str, Bar] = {}
    for event in delivered:
        assert contract.event_symbol(event) in ("", *PAIR)
        if isinstance(event, Bar):
            assert event.final
            assert event.symbol not in last or event.open_ns == last[event.symbol].close_ns
            last[event.symbol] = event
        elif isinstance(event, Quote):
            assert 0 < event.bid < event.ask
    ticks = [event for event in delivered if isinstance(event, Tick)]
    assert len({(tick.symbol, tick.trade_id) for tick in ticks}) == len(ticks)
    assert {tick.buyer_maker for tick in ticks} == {True, False}
