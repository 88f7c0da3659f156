"""What costs are modelled from: averages of bars or ticks, silent until they mean something."""

from __future__ import annotations

import math

import msgspec
import pytest

from engine.core.clock import MINUTE
from engine.core.parameters import Parameters
from engine.core.types import Bar, History, OrderState, Purpose, Tick
from engine.execution.orders import retry_after_ns
from engine.execution.tape import WARM_MINUTES, Tape
from tests.execution_help import START_NS, SYMBOL, Market


def bar(minute: int, close: float, volume: float = 12.0, span: int = 1) -> Bar:
    return Bar(
        symbol=SYMBOL,
        open_ns=START_NS + minute * MINUTE,
        span_ns=span * MINUTE,
        open=close,
        high=close,
        low=close,
        close=close,
        volume=volume,
    )


def tape_of(*bars: Bar, half_life: float = 240.0) -> Tape:
    parameters = Parameters()
    parameters.set("cost.half_life_min", half_life, "test")
    tape = Tape(parameters)
    for each in bars:
        tape.observe(each)
    return tape


def zigzag(minutes: int, step: float = 0.001, span: int = 1) -> list[Bar]:
    """Every bar moves by `step` up or down: the volatility of a bar is `step`."""
    price = 60_000.0
    made = []
    for n in range(minutes // span):
        price *= math.exp(step if n % 2 else -step)
        made.append(bar(n * span, price, 12.0 * span, span))
    return made


def test_silent_until_half_an_hour_was_seen() -> None:
    early = tape_of(*zigzag(int(WARM_MINUTES))).of(SYMBOL)
    assert math.isnan(early.daily_vol_pct)
    assert math.isnan(early.volume_per_minute)
    warm = tape_of(*zigzag(int(WARM_MINUTES) + 1)).of(SYMBOL)
    assert warm.daily_vol_pct == pytest.approx(0.1 * math.sqrt(1440))
    assert warm.volume_per_minute == pytest.approx(12.0)


def test_long_bars_mean_the_same_volatility_and_volume() -> None:
    quarter = tape_of(*zigzag(900, 0.001 * math.sqrt(15), 15)).of(SYMBOL)
    assert quarter.daily_vol_pct == pytest.approx(0.1 * math.sqrt(1440))
    assert quarter.volume_per_minute == pytest.approx(12.0)


def test_a_hole_in_the_data_is_no_crash() -> None:
    steady = zigzag(120)
    hole = bar(120 + 100, steady[-1].close * math.exp(0.01))
    after = tape_of(*steady, hole).of(SYMBOL)
    assert after.daily_vol_pct == pytest.approx(0.1 * math.sqrt(1440), rel=0.02)


def test_recent_minutes_count_more_with_a_shorter_half_life() -> None:
    wild = [bar(200 + n, 60_000.0 * (1.01 if n % 2 else 1.0)) for n in range(20)]
    slow = tape_of(*zigzag(200), *wild, half_life=1_440.0).of(SYMBOL).daily_vol_pct
    fast = tape_of(*zigzag(200), *wild, half_life=15.0).of(SYMBOL).daily_vol_pct
    assert fast > 1.5 * slow


def test_ticks_teach_where_there_are_no_bars() -> None:
    tape = tape_of()
    price = 60_000.0
    for n in range(50):
        price *= math.exp(0.001 if n % 2 else -0.001)
        for second in (0, 30):
            at = START_NS + n * MINUTE + second * 1_000_000_000
            tape.observe(Tick(symbol=SYMBOL, time_ns=at, price=price, size=3.0))
    learned = tape.of(SYMBOL)
    assert learned.daily_vol_pct == pytest.approx(0.1 * math.sqrt(1440))
    assert learned.volume_per_minute == pytest.approx(6.0)
    assert learned.price == price


def test_warm_up_bars_teach_and_forming_ones_do_not() -> None:
    tape = tape_of()
    tape.observe(History(symbol=SYMBOL, bars=tuple(zigzag(60))))
    known = tape.of(SYMBOL).daily_vol_pct
    assert known > 0
    forming = Bar(
        symbol=SYMBOL,
        open_ns=START_NS + 60 * MINUTE,
        span_ns=MINUTE,
        open=1.0,
        high=1.0,
        low=1.0,
        close=1.0,
        volume=1.0,
        final=False,
    )
    tape.observe(forming)
    assert tape.of(SYMBOL).daily_vol_pct == known


def test_only_entries_that_ended_for_sure_without_a_fill_are_asked_for_again() -> None:
    parameters = Parameters()
    parameters.set("exec.entry_max_retries", 2, "test")
    parameters.set("exec.retry_sleep_sec", 0.5, "test")
    order = Market().order("1")

    def wait(state: OrderState, attempts: int = 0, purpose: Purpose = Purpose.ENTRY) -> int | None:
        ended = msgspec.structs.replace(order, state=state, purpose=purpose)
        return retry_after_ns(parameters, ended, attempts)

    assert wait(OrderState.REJECTED) == 500_000_000
    assert wait(OrderState.CANCELLED, 1) == 500_000_000
    assert wait(OrderState.REJECTED, 2) is None
    assert wait(OrderState.UNKNOWN) is None
    assert wait(OrderState.OPEN) is None
    assert wait(OrderState.REJECTED, purpose=Purpose.EXIT) is None
    assert wait(OrderState.CANCELLED, purpose=Purpose.SCALE_IN) is None
    short = msgspec.structs.replace(order, state=OrderState.CANCELLED, filled=order.quantity / 2)
    assert retry_after_ns(parameters, short, 0) is None


def test_a_history_teaches_what_its_bars_teach_one_by_one() -> None:
    bars = [bar for bar in zigzag(200) if bar.open_ns % (7 * MINUTE)]  # with holes
    whole, single = tape_of(), tape_of()
    whole.observe(History(symbol=SYMBOL, bars=tuple(bars)))
    for bar in bars:
        single.observe(bar)
    one, other = whole.of(SYMBOL), single.of(SYMBOL)
    assert (one.daily_vol_pct, one.volume_per_minute) == (
        other.daily_vol_pct, other.volume_per_minute,
    )  # fmt: skip
    assert (one.price, one.price_ns, one.minutes) == (other.price, other.price_ns, other.minutes)
    whole.observe(History(symbol=SYMBOL, bars=()))
    assert one.minutes == other.minutes
