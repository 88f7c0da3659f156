"""Candles from ticks, decision bars from candles, and the store's single cases."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.clock import HOUR, MINUTE, SECOND
from engine.core.errors import DataError
from engine.core.types import Bar
from engine.market.bars import BarBuilder, Resampler
from engine.market.candles import CandleStore, Took

BEGIN_NS = 1_746_000_000 * SECOND - 1_746_000_000 * SECOND % HOUR


def bar(minute: int, price: float = 100.0, span_ns: int = MINUTE, **changed: Any) -> Bar:
    made = Bar(
        symbol="BTC/USDT",
        open_ns=BEGIN_NS + minute * MINUTE,
        span_ns=span_ns,
        open=price,
        high=price + 2,
        low=price - 2,
        close=price + 1,
        volume=1.0,
    )
    return msgspec.structs.replace(made, **changed) if changed else made


def test_a_bar_closes_when_its_successor_begins() -> None:
    builder = BarBuilder("BTC/USDT", MINUTE)
    for second, price in ((1, 100.0), (20, 104.0), (30, 97.0), (59, 101.0)):
        assert builder.add(BEGIN_NS + second * SECOND, price, 0.5) is None
    forming = builder.forming
    assert forming is not None
    assert not forming.final
    closed = builder.add(BEGIN_NS + 60 * SECOND, 102.0, 1.0)
    assert closed is not None
    assert closed.final
    assert (closed.open, closed.high, closed.low, closed.close) == (100.0, 104.0, 97.0, 101.0)
    assert closed.volume == 2.0
    assert closed.open_ns == BEGIN_NS


def test_a_late_tick_counts_in_its_window_and_not_after_it() -> None:
    builder = BarBuilder("BTC/USDT", MINUTE)
    builder.add(BEGIN_NS + 10 * SECOND, 100.0, 1.0)
    builder.add(BEGIN_NS + 30 * SECOND, 101.0, 1.0)
    builder.add(BEGIN_NS + 5 * SECOND, 99.0, 1.0)
    builder.add(BEGIN_NS + 20 * SECOND, 120.0, 1.0)
    closed = builder.advance(BEGIN_NS + MINUTE)
    assert closed is not None
    assert (closed.open, closed.high, closed.low, closed.close) == (99.0, 120.0, 99.0, 101.0)
    assert closed.volume == 4.0
    assert builder.add(BEGIN_NS + 59 * SECOND, 500.0, 1.0) is None
    assert builder.late == 1
    assert builder.forming is None


@given(
    st.lists(st.tuples(st.integers(0, 600), st.floats(1, 1_000), st.floats(0.01, 10)), min_size=1)
)
def test_bars_hold_every_tick_once_and_only_in_its_window(
    ticks: list[tuple[int, float, float]],
) -> None:
    ticks = sorted(ticks, key=lambda t: t[0])
    builder = BarBuilder("BTC/USDT", MINUTE)
    bars = [b for s, p, v in ticks if (b := builder.add(BEGIN_NS + s * SECOND, p, v))]
    last = builder.advance(BEGIN_NS + 3_600 * SECOND)
    assert last is not None
    for made in (*bars, last):
        own = [t for t in ticks if 0 <= BEGIN_NS + t[0] * SECOND - made.open_ns < MINUTE]
        prices = [p for _, p, _ in own]
        assert (made.open, made.close) == (prices[0], prices[-1])
        assert (made.high, made.low) == (max(prices), min(prices))
        assert made.volume == pytest.approx(sum(v for _, _, v in own))
    assert len(bars) + 1 == len({t[0] // 60 for t in ticks})


def test_a_decision_bar_closes_with_the_base_bar_that_completes_it() -> None:
    resampler = Resampler("BTC/USDT", 15 * MINUTE)
    for minute in range(14):
        assert resampler.add(bar(minute, 100 + minute)) is None
    closed = resampler.add(bar(14, 114))
    assert closed is not None
    assert (closed.open_ns, closed.span_ns) == (BEGIN_NS, 15 * MINUTE)
    assert (closed.open, closed.high, closed.low, closed.close) == (100, 116, 98, 115)
    assert closed.volume == 15


def test_a_decision_bar_whose_end_is_missing_closes_with_the_next_window() -> None:
    resampler = Resampler("BTC/USDT", 15 * MINUTE)
    for minute in range(13):
        assert resampler.add(bar(minute)) is None
    closed = resampler.add(bar(17, 200))
    assert closed is not None
    assert (closed.open_ns, closed.volume, closed.high) == (BEGIN_NS, 13, 102)
    for minute in range(18, 29):
        assert resampler.add(bar(minute, 200)) is None
    closed = resampler.add(bar(29, 200))
    assert closed is not None
    assert (closed.open_ns, closed.volume) == (BEGIN_NS + 15 * MINUTE, 13)


def test_repeated_earlier_and_forming_bars_change_no_decision_bar() -> None:
    resampler = Resampler("BTC/USDT", 5 * MINUTE)
    for minute in (0, 1, 1, 0, 2, 3):
        assert resampler.add(bar(minute)) is None
    assert resampler.add(bar(4, final=False)) is None
    closed = resampler.add(bar(4))
    assert closed is not None
    assert closed.volume == 5


def test_base_bars_of_the_decision_timeframe_pass_and_longer_ones_are_refused() -> None:
    hourly = bar(0, span_ns=HOUR)
    assert Resampler("BTC/USDT", HOUR).add(hourly) is hourly
    with pytest.raises(DataError) as caught:
        Resampler("BTC/USDT", 15 * MINUTE).add(hourly)
    assert "1h" in caught.value.hint
    with pytest.raises(DataError):
        Resampler("BTC/USDT", 5 * MINUTE).add(bar(0, span_ns=2 * MINUTE))


@given(st.sets(st.integers(0, 120), min_size=1))
def test_decision_bars_hold_every_base_bar_once(minutes: set[int]) -> None:
    resampler = Resampler("BTC/USDT", 15 * MINUTE)
    fed = [bar(m, 100.0 + m) for m in sorted(minutes)]
    # Far bars of an own window each push out what is still forming.
    made = [d for b in (*fed, bar(600), bar(660)) if (d := resampler.add(b))]
    assert [d.open_ns for d in made] == sorted({d.open_ns for d in made})
    for window in sorted({m // 15 for m in minutes}):
        own = [b for b in fed if (b.open_ns - BEGIN_NS) // MINUTE // 15 == window]
        (found,) = [d for d in made if d.open_ns == BEGIN_NS + window * 15 * MINUTE]
        assert (found.open, found.close) == (own[0].open, own[-1].close)
        assert found.high == max(b.high for b in own)
        assert found.low == min(b.low for b in own)
        assert found.volume == len(own)


def later(made: Bar) -> int:
    return made.close_ns + SECOND


def test_a_late_revision_is_a_correction_and_says_what_it_was() -> None:
    store = CandleStore("BTC/USDT", MINUTE)
    for minute in range(3):
        assert store.add(bar(minute), later(bar(minute))).how is Took.APPENDED
    taken = store.add(bar(1, close=100.5), later(bar(3)))
    assert taken.how is Took.REVISED
    assert taken.correction is not None
    assert (taken.correction.was_close, taken.correction.bar.close) == (101.0, 100.5)
    assert [b.close for b in store.last()] == [101.0, 100.5, 101.0]
    assert store.add(bar(1, close=100.5), later(bar(3))).how is Took.DUPLICATE


def test_a_gap_is_listed_until_it_is_filled_and_filling_appends_nothing() -> None:
    store = CandleStore("BTC/USDT", MINUTE)
    for minute in (0, 1, 5):
        store.add(bar(minute), later(bar(minute)))
    assert store.gaps() == [(bar(2).open_ns, bar(5).open_ns)]
    assert store.add(bar(3), later(bar(6))).how is Took.FILLED
    assert store.gaps() == [(bar(2).open_ns, bar(3).open_ns), (bar(4).open_ns, bar(5).open_ns)]
    for minute in (2, 4):
        assert store.add(bar(minute), later(bar(6))).how is Took.FILLED
    assert store.gaps() == []
    assert [b.open_ns for b in store.last()] == [bar(m).open_ns for m in range(6)]


def test_the_forming_candle_is_kept_apart_and_goes_when_it_closes() -> None:
    store = CandleStore("BTC/USDT", MINUTE)
    store.add(bar(0), later(bar(0)))
    assert store.add(bar(1, close=99.0), bar(1).open_ns + 30 * SECOND).how is Took.FORMING
    assert store.forming is not None
    assert (store.forming.close, store.forming.final) == (99.0, False)
    assert len(store) == 1
    # A forming one of a window that is already closed says nothing.
    store.add(bar(0, final=False), later(bar(1)))
    assert store.forming.open_ns == bar(1).open_ns
    assert store.add(bar(1), later(bar(1))).how is Took.APPENDED
    assert store.forming is None


@pytest.mark.parametrize(
    "changed",
    [
        {"close": float("nan")},
        {"low": 0.0},
        {"high": 50.0},
        {"volume": -1.0},
        {"symbol": "ETH/USDT"},
        {"span_ns": HOUR},
        {"open_ns": BEGIN_NS + MINUTE + SECOND},
    ],
)
def test_a_candle_that_cant_be_is_refused_with_a_reason(changed: dict[str, Any]) -> None:
    store = CandleStore("BTC/USDT", MINUTE)
    store.add(bar(0), later(bar(0)))
    taken = store.add(bar(1, **changed), BEGIN_NS + 9 * HOUR)
    assert taken.how is Took.REFUSED
    assert taken.reason
    assert len(store) == 1
    assert store.counts[Took.REFUSED] == 1


def test_the_store_keeps_its_capacity_and_no_more_than_twice_that() -> None:
    store = CandleStore("BTC/USDT", MINUTE, capacity=10)
    for minute in range(95):
        store.add(bar(minute), later(bar(minute)))
        assert len(store._bars) <= 20
    assert [b.open_ns for b in store.last()] == [bar(m).open_ns for m in range(85, 95)]
    assert store.add(bar(2), later(bar(95))).how is Took.REFUSED
    assert len(store.last(3)) == 3
