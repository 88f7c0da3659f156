"""The parts of the live feed without a wire: candles from a tape, ticks from trades, the queue."""

from __future__ import annotations

import asyncio
import math
import threading
from collections.abc import Sequence
from typing import Any

import ccxt
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.clock import MINUTE, SECOND
from engine.core.ids import source
from engine.core.parameters import Parameters
from engine.core.types import (
    Bar,
    BarCorrection,
    FeedStatus,
    Link,
    MarketEvent,
    Quarantined,
    Quote,
    Tick,
)
from engine.market.bars import BarBuilder
from engine.market.livebars import EMPTY_NS, PAGE, REVIEW, SETTLE_NS, LiveBars
from engine.market.livetape import LiveTape
from engine.market.outlet import Losses, Outlet
from engine.market.venues import Trouble, Venue, explain
from tests.faults.market import BEGIN_NS as MARKET_BEGIN_NS
from tests.faults.market import SYMBOL, walk
from tests.faults.venue import MarketClock

BEGIN_NS = MARKET_BEGIN_NS // MINUTE * MINUTE


def bars_from(begin_ns: int = BEGIN_NS, numbered: bool = True) -> LiveBars:
    bars = LiveBars(SYMBOL, MINUTE, numbered=numbered)
    bars.begin((), begin_ns)
    return bars


def ledger(count: int) -> list[Bar]:
    return [
        msgspec.structs.replace(bar, open_ns=BEGIN_NS + i * MINUTE)
        for i, bar in enumerate(walk(source(1, "ledger"), count))
    ]


def minute_of(
    bars: LiveBars, minute: int, numbers: Sequence[int], price: float = 100.0
) -> list[Bar]:
    """Trades of one minute, evenly spread, the first half a second into it."""
    out: list[Bar] = []
    for i, number in enumerate(numbers):
        time_ns = BEGIN_NS + minute * MINUTE + SECOND // 2 + i * 10 * SECOND
        out += bars.trade(time_ns, price + i, 1.0, number)
    return out


def test_a_whole_minute_is_delivered_with_the_first_trade_after_it() -> None:
    bars = bars_from(BEGIN_NS + MINUTE)
    assert minute_of(bars, 0, range(6)) == []
    assert minute_of(bars, 1, range(6, 12), 200.0) == []
    (bar,) = minute_of(bars, 2, [12])
    assert (bar.open_ns, bar.open, bar.high, bar.close) == (BEGIN_NS + MINUTE, 200.0, 205.0, 205.0)
    assert (bar.volume, bar.final) == (6.0, True)


def test_the_minute_in_which_the_tape_began_waits_for_rest() -> None:
    bars = bars_from()
    assert minute_of(bars, 0, range(6)) == []
    assert minute_of(bars, 1, [6]) == [], "half of it may have been before the subscription"
    truth = ledger(1)
    assert bars.confirm(truth, BEGIN_NS + MINUTE + SETTLE_NS) == truth


@pytest.mark.parametrize(
    ("fault", "torn", "then"),
    [("break", [6, 7, 8], 9), ("gap", [6, 8, 9], 10), ("long gap", [6, 9_000, 9_001], 9_002)],
)
def test_a_torn_tape_makes_no_candle_of_its_own(fault: str, torn: list[int], then: int) -> None:
    bars = bars_from(BEGIN_NS + MINUTE)
    minute_of(bars, 0, range(6))
    if fault == "break":
        bars.broke()
    minute_of(bars, 1, torn)
    assert minute_of(bars, 2, [then]) == []
    truth = ledger(2)[1:]
    assert bars.due(truth[0].close_ns + SETTLE_NS) == BEGIN_NS + MINUTE - REVIEW * MINUTE
    assert bars.confirm(truth, truth[0].close_ns + SETTLE_NS) == truth
    minute_of(bars, 2, [then, then + 1])
    (after,) = minute_of(bars, 3, [then + 2])
    assert after.open_ns == BEGIN_NS + 2 * MINUTE


def test_a_gap_that_a_late_trade_fills_is_no_gap() -> None:
    bars = bars_from(BEGIN_NS + MINUTE)
    minute_of(bars, 0, [0, 1])
    minute_of(bars, 1, [3, 2, 5, 4])
    (bar,) = minute_of(bars, 2, [6])
    assert bar.volume == 4.0


def test_venues_without_numbered_trades_are_corrected_by_rest() -> None:
    bars = bars_from(BEGIN_NS + MINUTE, numbered=False)
    minute_of(bars, 0, [-1] * 3)
    minute_of(bars, 1, [-1] * 3)
    (built,) = minute_of(bars, 2, [-1])
    told = msgspec.structs.replace(built, high=built.high + 1)
    (correction,) = bars.confirm([told], built.close_ns + SETTLE_NS)
    assert correction == BarCorrection(bar=told, was_close=built.close)
    assert bars.confirm([told], built.close_ns + SETTLE_NS) == []


def test_a_volume_that_differs_in_its_last_digit_is_the_same_candle() -> None:
    bars = bars_from(BEGIN_NS + MINUTE)
    minute_of(bars, 0, [0])
    minute_of(bars, 1, [1, 2])
    (built,) = minute_of(bars, 2, [3])
    told = msgspec.structs.replace(built, volume=math.nextafter(built.volume, 3.0))
    assert bars.confirm([told], built.close_ns + SETTLE_NS) == []


def test_a_forming_row_of_rest_is_no_close() -> None:
    bars = bars_from()
    truth = ledger(3)
    assert bars.confirm(truth, truth[2].close_ns - 1) == truth[:2]
    assert bars.confirm(truth, truth[2].close_ns) == [], "only just over: it may still change"
    assert bars.confirm(truth, truth[2].close_ns + SETTLE_NS) == truth[2:]


def test_a_long_gap_is_filled_in_pages_in_order() -> None:
    bars = bars_from()
    truth = ledger(2 * PAGE + 50)
    now, told = truth[-1].close_ns + SETTLE_NS, []
    for _ in range(5):
        since = bars.due(now)
        if since is None:
            break
        told += bars.confirm([b for b in truth if b.open_ns >= since][:PAGE], now)
    assert told == truth


def test_minutes_without_a_trade_are_left_out_only_once_rest_is_sure() -> None:
    bars = bars_from()
    truth = ledger(4)
    silent = [truth[0], truth[3]]
    assert bars.confirm(silent[:1], truth[1].close_ns + SETTLE_NS) == silent[:1]
    assert bars.next_ns == truth[1].open_ns
    bars.confirm(silent[:1], truth[1].close_ns + EMPTY_NS - 1)
    assert bars.next_ns == truth[1].open_ns
    bars.confirm(silent[:1], truth[1].close_ns + EMPTY_NS)
    assert bars.next_ns >= truth[2].open_ns
    assert bars.confirm(silent, truth[3].close_ns + SETTLE_NS) == silent[1:]


@given(st.integers(0, 10_000))
def test_whatever_the_tape_loses_the_candles_are_the_ledgers(seed: int) -> None:
    chance = source(seed, "tape")
    bars, true = bars_from(), BarBuilder(SYMBOL, MINUTE)
    told: dict[int, Bar] = {}
    order: list[int] = []
    rows: list[Bar] = []

    def take(events: Sequence[Bar | BarCorrection]) -> None:
        for event in events:
            bar = event.bar if isinstance(event, BarCorrection) else event
            if isinstance(event, Bar):
                order.append(bar.open_ns)
            told[bar.open_ns] = bar

    time_ns = BEGIN_NS
    for number in range(150):
        time_ns += chance.randrange(1, 25 * SECOND)
        price = 100.0 + chance.randrange(50)
        closed = true.add(time_ns, price, 1.0)
        if closed is not None:
            rows.append(closed)
        fault = chance.random()
        if fault < 0.03:
            bars.broke()
        if fault > 0.1:
            take(bars.trade(time_ns, price, 1.0, number))
        since = bars.due(time_ns)
        if since is not None and chance.random() < 0.7:
            take(bars.confirm([row for row in rows if row.open_ns >= since][:PAGE], time_ns))
    rows += [closed] if (closed := true.advance(time_ns + 2 * MINUTE)) is not None else []
    end = time_ns + 3 * MINUTE
    take(bars.confirm([r for r in rows if r.open_ns >= (bars.due(end) or 0)][:PAGE], end))
    assert order == sorted(set(order))
    assert set(told) == {row.open_ns for row in rows}
    assert list(map(told.__getitem__, sorted(told))) == rows


def trade(number: int, price: float, second: float = 1.0, **named: object) -> dict[str, object]:
    return {
        "id": str(number), "price": price, "amount": 0.5, "side": "sell",
        "timestamp": int((BEGIN_NS + second * SECOND) // 1_000_000), "info": {"t": number},
    } | named  # fmt: skip


def tape_of(contract_size: float = 1.0) -> LiveTape:
    return LiveTape(Parameters(), bars_from(), None, 100.0, contract_size)


def take(tape: LiveTape, *trades: dict[str, object]) -> list[MarketEvent]:
    return [event for one in trades for event in tape.take(one, BEGIN_NS + 10 * SECOND)]


def test_trades_become_ticks_once_in_units_of_the_base() -> None:
    (tick,) = take(tape_of(0.01), trade(1, 100.0), trade(1, 100.0))
    assert tick == Tick(
        symbol=SYMBOL,
        time_ns=BEGIN_NS + SECOND,
        price=100.0,
        size=0.005,
        buyer_maker=True,
        trade_id="1",
    )


@pytest.mark.parametrize("price", [1_000.0, 0.0, -5.0, math.nan, 1e308, None, "x"])
def test_a_price_that_never_was_is_quarantined_with_its_raw_text(price: object) -> None:
    tape = tape_of()
    (refused,) = take(tape, trade(1, 100.0) | {"price": price})
    assert isinstance(refused, Quarantined)
    assert "'t': 1" in refused.raw
    assert tape.bars._builder.forming is None


def test_a_time_that_has_not_come_or_no_size_is_quarantined() -> None:
    late, empty = take(tape_of(), trade(1, 100.0, second=300), trade(2, 100.0, amount=0.0))
    assert isinstance(late, Quarantined)
    assert isinstance(empty, Quarantined)


def test_a_jump_waits_and_comes_through_whole_when_it_is_confirmed() -> None:
    tape = tape_of()
    assert take(tape, trade(1, 80.0), trade(2, 80.1)) == []
    ticks = take(tape, trade(3, 79.9))
    assert [t.price for t in ticks if isinstance(t, Tick)] == [80.0, 80.1, 79.9]
    forming = tape.bars._builder.forming
    assert forming is not None
    assert (forming.volume, forming.high) == (1.5, 80.1)


def test_a_jump_that_nothing_confirms_is_quarantined() -> None:
    events = take(tape_of(), trade(1, 80.0), trade(2, 100.1))
    assert [type(event) for event in events] == [Quarantined, Tick]


def quote(symbol: str, bid: float) -> Quote:
    return Quote(symbol=symbol, time_ns=1, bid=bid, ask=bid + 1, bid_size=1, ask_size=1)


def tick(number: int) -> Tick:
    return Tick(symbol="A", time_ns=number, price=1.0, size=1.0)


def test_a_full_queue_lets_old_quotes_go_first_and_never_a_candle_or_status() -> None:
    outlet = Outlet(100)
    bar = ledger(1)[0]
    status = FeedStatus(link=Link.UP, time_ns=0, venue="v")
    outlet.put([bar, status])
    for i in range(60):
        outlet.put([quote("A", float(i)), tick(i)])
    outlet.put([quote("B", 7.0)])
    lost = outlet.losses()
    kept = outlet.take(1_000)
    assert kept[:2] == [bar, status]
    assert [e for e in kept if isinstance(e, Tick)] == [tick(i) for i in range(60)]
    quotes = [e for e in kept if isinstance(e, Quote)]
    assert quotes[-2:] == [quote("A", 59.0), quote("B", 7.0)]
    assert lost.quotes == 61 - len(quotes)
    assert outlet.losses() == Losses()


def test_a_queue_full_of_ticks_lets_the_oldest_go_and_counts_them() -> None:
    outlet = Outlet(100)
    outlet.put([ledger(1)[0]])
    outlet.put(tick(i) for i in range(1_000))
    kept = outlet.take(2_000)
    assert isinstance(kept[0], Bar)
    assert kept[1:] == [tick(i) for i in range(1_000 - len(kept) + 1, 1_000)]
    assert outlet.losses().ticks == 1_000 - len(kept) + 1


def test_the_queue_loses_nothing_between_two_threads() -> None:
    outlet = Outlet(10_000)
    got: list[MarketEvent] = []

    def write() -> None:
        for i in range(5_000):
            outlet.put([tick(i)])

    writer = threading.Thread(target=write)
    writer.start()
    while writer.is_alive() or len(outlet):
        got += outlet.take(64)
    assert got == [tick(i) for i in range(5_000)]


def test_a_refused_region_is_told_from_a_lost_network() -> None:
    unreachable = ccxt.ExchangeNotAvailable("binance GET https://api.binance.com/api/v3/time")
    unreachable.__cause__ = OSError("Name or service not known")
    body = "binance GET https://api.binance.com/api/v3/time"
    for error, trouble in (
        (ccxt.ExchangeNotAvailable(f"{body} 451  {{}}"), Trouble.REFUSED),
        (ccxt.ExchangeNotAvailable(f"{body} 403 Forbidden <html>"), Trouble.REFUSED),
        (ccxt.RestrictedLocation("from here"), Trouble.REFUSED),
        (ccxt.ExchangeNotAvailable(f"{body} 503 down for 451 s"), Trouble.UNREACHABLE),
        (unreachable, Trouble.UNREACHABLE),
        (TimeoutError(), Trouble.UNREACHABLE),
        (ccxt.DDoSProtection("binance 418 banned"), Trouble.LIMITED),
        (ccxt.BadSymbol("x"), Trouble.FAILED),
    ):
        assert explain(error)[0] is trouble, error
    told = explain(ccxt.ExchangeError("\x1b]0;owned\x07\x1b[2Jhi\nthere" + "x" * 900))[1]
    assert "\x1b" not in told
    assert "\n" not in told
    assert len(told) <= 200


@pytest.mark.parametrize("name", ["binance", "okx", "kraken", "coinbase", "bybit"])
def test_a_venue_is_asked_for_no_more_market_types_than_are_used_and_has_no_key(name: str) -> None:
    async def look() -> tuple[Any, Any]:
        spot = Venue(name, ["BTC/USDT"], MarketClock()).exchange
        swap = Venue(name, ["BTC/USDT:USDT"], MarketClock()).exchange
        return spot, swap

    spot, swap = asyncio.run(look())
    types = spot.options.get("fetchMarkets")
    if isinstance(types, dict) and "types" in types:
        assert types["types"] == ["spot"]
        assert set(swap.options["fetchMarkets"]["types"]) <= {"swap", "linear"}
    assert not spot.apiKey
    assert not spot.secret
    assert spot.enableRateLimit


def test_symbols_are_resolved_in_one_quote_currency() -> None:
    async def resolve(name: str, markets: set[str], *symbols: str) -> dict[str, str]:
        return Venue(name, symbols, MarketClock())._resolve(markets)

    both = {"BTC/USDT", "BTC/USD", "ETH/USD", "ETH/USDC", "BTC/USDC"}
    asked = ("BTC/USDT", "ETH/USDT")
    assert asyncio.run(resolve("okx", both | {"ETH/USDT"}, *asked)) == {s: s for s in asked}
    assert asyncio.run(resolve("coinbase", both, *asked)) == {
        "BTC/USDT": "BTC/USD",
        "ETH/USDT": "ETH/USD",
    }
    swaps = {"BTC/USDC:USDC"}
    assert asyncio.run(resolve("okx", swaps, "BTC/USDT:USDT")) == {"BTC/USDT:USDT": "BTC/USDC:USDC"}
    with pytest.raises(Exception, match="no market for ETH/EUR"):
        asyncio.run(resolve("okx", both, "ETH/EUR"))
