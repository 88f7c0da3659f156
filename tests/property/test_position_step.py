"""What holds for every position on every path of prices."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.core.exits import ExitReason
from engine.core.parameters import Parameters
from engine.core.types import Direction
from engine.position import step
from engine.position.path import bar_path
from engine.position.watch import PositionWatch
from tests.position_help import MINUTE, START, plan, random_bars, reference_trades, watch

DIRECTIONS = st.sampled_from([Direction.LONG, Direction.SHORT])
PROFILES = st.sampled_from(["balanced", "flow", "ml", "sniper"])
MOVES = st.lists(st.floats(-0.03, 0.03), min_size=1, max_size=60)
SMALL_MOVES = st.lists(
    st.one_of(st.floats(-0.002, 0.002), st.floats(-0.01, 0.002)), min_size=20, max_size=90
)
ALL_PARTS = settings(max_examples=120, deadline=None)


def walked(moves: list[float]) -> list[float]:
    return [float(p) for p in 100.0 * np.cumprod(1.0 + np.array(moves))]


def shown(watched: PositionWatch, prices: list[float], continuous: bool, span: int) -> list[Any]:
    """Every event of the path, scale-ins filled at once, until the position is closed."""
    now = int(watched._marks[step.SEEN])
    events = []
    for price in prices:
        now += span
        for event in watched.on_price(price, now, continuous=continuous):
            events.append(event)
            if event.code == step.SCALED_IN:
                watched.add(event.lots, event.price)
        if watched.closed:
            break
    return events


@ALL_PARTS
@given(DIRECTIONS, PROFILES, MOVES, st.booleans(), st.integers(1, 600))
def test_the_stop_moves_only_in_the_protective_direction(
    direction: Direction, profile: str, moves: list[float], continuous: bool, minutes: int
) -> None:
    watched = watch(direction=direction, profile=profile)
    sign, now, before = direction.sign, START, watched.stop
    for price in walked(moves):
        now += minutes * MINUTE
        watched.on_price(price, now, continuous=continuous)
        assert before is not None
        assert watched.stop is not None
        assert (watched.stop - before) * sign >= 0
        before = watched.stop
        if watched.closed:
            break


@ALL_PARTS
@given(
    DIRECTIONS, PROFILES, MOVES, st.booleans(), st.integers(1, 5000), st.integers(1, 40),
    st.integers(0, 40),
)  # fmt: skip
def test_lots_are_conserved_to_the_last_one(
    direction: Direction, profile: str, moves: list[float], continuous: bool, lots: int,
    min_lots: int, frac: int,
) -> None:  # fmt: skip
    parameters = Parameters()
    parameters.set("exit.ladder_frac", max(10, frac), "test")
    parameters.set("scale_in.frac_1", frac, "test")
    watched = watch(parameters, direction=direction, profile=profile, lots=lots, min_lots=min_lots)
    events = shown(watched, walked(moves), continuous, MINUTE)
    added = sum(e.lots for e in events if e.code == step.SCALED_IN)
    sold = sum(e.lots for e in events if e.code != step.SCALED_IN)
    assert all(e.lots > 0 for e in events)
    assert lots + added == sold + watched.lots
    partials = [e for e in events if e.code == step.PARTIAL]
    assert [e.index for e in partials] == sorted({e.index for e in partials})
    if lots >= min_lots:
        assert watched.lots == 0 or watched.lots >= min_lots


@ALL_PARTS
@given(st.integers(1, 997), st.lists(st.integers(0, 60), min_size=2, max_size=2))
def test_a_ladder_that_sums_to_a_hundred_sells_everything(lots: int, parts: list[int]) -> None:
    parameters = Parameters()
    first, second = parts[0], min(parts[1], 100 - parts[0])
    for k, share in enumerate((first, second, 100 - first - second), 1):
        parameters.set(f"exit.scale_out_frac_{k}", share, "test")
    watched = watch(parameters, profile="flow", lots=lots, stop=50.0)
    events = shown(watched, [102.0, 105.0, 110.0], True, 1)
    assert sum(e.lots for e in events) == lots
    assert watched.closed


@ALL_PARTS
@given(
    DIRECTIONS,
    PROFILES,
    st.one_of(MOVES, SMALL_MOVES),
    st.booleans(),
    st.integers(1, 3000),
    st.booleans(),
    st.booleans(),
)
def test_the_quiet_band_never_hides_an_event(
    direction: Direction, profile: str, moves: list[float], continuous: bool, minutes: int,
    diamond: bool,
    wide: bool,
) -> None:  # fmt: skip
    """Forcing every price through the full rules gives the same events and levels."""
    far = 100.0 - 30.0 * direction.sign if wide else None
    made = plan(
        direction=direction, profile=profile, diamond=diamond, score=0.8, stop=far,
        atr=6.0 if wide else 1.0,
    )  # fmt: skip
    quick, full = PositionWatch.open(made), PositionWatch.open(made)
    now = START
    for k, price in enumerate(walked(moves)):
        now += minutes * MINUTE
        full._marks[step.NEXT] = 0
        ours = quick.on_price(price, now, continuous=continuous)
        theirs = full.on_price(price, now, continuous=continuous)
        assert [repr(e) for e in ours] == [repr(e) for e in theirs]
        for slot in (step.STOP, step.BEST, step.WORST, step.LAST, step.TARGET_AT):
            assert quick._state[slot] == full._state[slot]
        if quick.closed:
            break
        if k % 7 == 3:
            for each in (quick, full):
                each.refresh(1.0 + 0.1 * k, 0.8 - 0.02 * k, "BEAR" if k > 20 else "SIDEWAYS")


@ALL_PARTS
@given(DIRECTIONS, st.floats(0.001, 0.2), st.floats(0.0, 0.05))
def test_a_gap_fills_at_the_gap_and_a_touch_at_the_stop(
    direction: Direction, beyond: float, inside: float
) -> None:
    sign = direction.sign
    for gapped in (True, False):
        watched = watch(direction=direction)
        stop = watched.stop
        assert stop is not None
        worse = stop * (1 - sign * beyond)
        high, low = max(100.0, worse) + inside, min(100.0, worse) - inside
        first = worse if gapped else 100.0
        (event,) = watched.on_bar(first, high, low, first, START, START + MINUTE)
        assert event.reason is ExitReason.STOP_LOSS
        assert event.closed
        assert event.price == pytest.approx(worse if gapped else stop, rel=1e-12)


@given(DIRECTIONS)
def test_the_adverse_extreme_comes_first(direction: Direction) -> None:
    """A bar that touches stop and target alike is a loss, for longs and for shorts."""
    watched = watch(direction=direction)
    (event,) = watched.on_bar(100.0, 120.0, 80.0, 100.0, START, START + MINUTE)
    assert event.reason is ExitReason.STOP_LOSS
    assert bar_path(2.0, 4.0, 1.0, 3.0, direction.sign)[1] == (1.0 if direction.sign > 0 else 4.0)


@ALL_PARTS
@given(DIRECTIONS, st.floats(0.0, 0.004), st.floats(0.0, 0.004), st.floats(0.0, 0.5))
def test_the_break_even_stop_pays_its_costs(
    direction: Direction, fee: float, spread: float, asked: float
) -> None:
    parameters = Parameters()
    parameters.set("exit.breakeven_buffer_pct", asked, "test")
    parameters.set("exit.trail_activation_pct", 3.0, "test")
    watched = watch(parameters, direction=direction, fee=fee, spread=spread, atr=3.0)
    sign = direction.sign
    now = START
    for k in range(1, 500):
        now += 1
        watched.on_price(100.0 + sign * 0.02 * k, now, continuous=True)
        if watched.stop_kind is not ExitReason.STOP_LOSS:
            break
    assert watched.stop_kind is ExitReason.BREAK_EVEN
    stop = watched.stop
    assert stop is not None
    net = sign * (stop - 100.0) - fee * 100.0 - fee * stop - 0.5 * spread * 100.0
    assert net >= -1e-9
    assert sign * (stop - 100.0) >= asked - 1e-9


@ALL_PARTS
@given(DIRECTIONS, PROFILES, MOVES, st.integers(0, 59))
def test_a_stored_watch_goes_on_exactly(
    direction: Direction, profile: str, moves: list[float], cut: int
) -> None:
    prices = walked(moves)
    one = watch(direction=direction, profile=profile)
    shown(one, prices[:cut], False, MINUTE)
    other = PositionWatch.from_dict(one.to_dict())
    if not one.closed:
        ours = shown(one, prices[cut:], False, MINUTE)
        assert [repr(e) for e in ours] == [
            repr(e) for e in shown(other, prices[cut:], False, MINUTE)
        ]
    assert other.to_dict() == one.to_dict()


@pytest.mark.parametrize("seed", range(6))
def test_tick_and_array_loop_leave_at_the_same_prices(seed: int) -> None:
    """The compiled loop, every rule on, against a loop in Python over the tick's own step."""
    bars = random_bars(seed, 4000, gap=0.003 if seed % 2 else 0.0)
    signal = np.zeros(4000, np.int8)
    signal[20 + seed :: 97] = 1
    signal[60::151] = -1
    rules = rules_of("ml" if seed % 3 == 0 else "flow" if seed % 3 == 1 else "balanced")
    if seed >= 3:
        # Narrow enough that a bar's close comes back through what its own extreme raised.
        rules[step.R_TRAIL_MODE] = step.MODE_PCT
        rules[[step.R_TRAIL_ACTIVATION, step.R_TRAIL_PCT, step.R_TRAIL_SIGNAL]] = 0.05, 0.1, 0.1
        rules[step.R_BE_ACTIVATION] = math.nan
    account = np.array([10_000.0, 0.0004, 0.0001, 0.5, 0.01, 1.0, 1.0])
    trades = np.zeros((4000, step.TRADE_SIZE))
    equity = np.zeros(4000)
    empty = np.zeros(0)
    run = step.make_run(step.ALL_RULES | step.EQUITY)
    count, cash, drawdown = run(
        bars.opens, bars.highs, bars.lows, bars.closes, bars.times, bars.atr, signal, empty,
        empty, rules, account, equity, trades,
    )  # fmt: skip
    expected = reference_trades(bars, signal, rules, account)
    done = trades[: len(expected)]
    assert len(expected) >= 20
    assert count - len(expected) in (0, 1)
    for row, want in zip(done, expected, strict=True):
        assert row[step.TRADE_ENTRY_BAR] == want["entry_bar"]
        assert row[step.TRADE_EXIT_BAR] == want["exit_bar"]
        assert row[step.TRADE_CODE] == want["code"]
        assert row[step.TRADE_EXIT_PRICE] == pytest.approx(
            want["value"] / (want["sold"] * 0.01) * 0.01, rel=1e-9
        )
        assert row[step.TRADE_PNL] == pytest.approx(want["pnl"], rel=1e-6, abs=1e-6)
        assert row[step.TRADE_QUANTITY] == pytest.approx(want["bought"] * 0.01)
        assert want["sold"] == want["bought"]
    assert cash == pytest.approx(10_000.0 + trades[:count, step.TRADE_PNL].sum(), rel=1e-9)
    peaks = np.maximum.accumulate(np.concatenate(([10_000.0], equity)))[1:]
    assert drawdown == pytest.approx(float(((peaks - equity) / peaks).max()), rel=1e-9)


def rules_of(profile: str) -> step.Floats:
    parameters = Parameters()
    parameters.set("exit.end_of_day_flat", True, "test")
    parameters.set("exit.weekend_flat", True, "test")
    return plan(parameters, profile=profile, diamond=profile == "balanced").rules


def test_a_loop_with_fewer_rules_equals_one_whose_other_rules_are_off() -> None:
    """Compile-time flags leave out; they must not change what they keep."""
    bars = random_bars(11, 20_000, swing=0.001)
    few = step.TARGET | step.TRAIL | step.LADDER | step.TIME
    rules = plan(profile="sniper").rules.copy()
    rules[step.R_BE_ACTIVATION] = math.nan
    account = np.array([10_000.0, 0.0004, 0.0001, 0.1, 0.001, 2 / 13, 2 / 27])
    results = []
    for flags in (few, step.ALL_RULES):
        trades = np.zeros((4000, step.TRADE_SIZE))
        run = step.make_run(flags | step.EMA_CROSS)
        count, cash, drawdown = run(
            bars.opens, bars.highs, bars.lows, bars.closes, bars.times, bars.atr,
            np.zeros(0, np.int8), np.zeros(0), np.zeros(0), rules, account, np.zeros(0), trades,
        )  # fmt: skip
        results.append((count, cash, drawdown, trades.tobytes()))
    assert results[0][0] > 100
    assert results[0] == results[1]
