"""What the position step costs, and how often ticks and bar paths tell another story.

Run: `python -m tests.benchmarks.bench_position`. Prints the smallest, the middle and the
largest measurement beside the target; asserts nothing.
"""

from __future__ import annotations

import json
import lzma
import resource
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
import pytest

from engine.core.clock import monotonic_ns
from engine.core.ids import generator
from engine.core.parameters import Parameters
from engine.core.types import Direction
from engine.position import step
from engine.position.events import WatchEvent
from engine.position.plan import plan_exits
from engine.position.settings import PROFILES
from engine.position.watch import PositionWatch
from tests.benchmarks import report
from tests.position_help import START, Bars, entry, plan, watch
from tests.recorded import recorded

COUNT = 1_000_000
ASKED = step.TARGET | step.TRAIL | step.LADDER | step.TIME | step.EMA_CROSS
NOTHING = np.zeros(0)


def measure(work: Callable[[], object], repeat: int = 7) -> list[float]:
    """Seconds of each repetition, in order of size, after one to warm up."""
    work()
    taken = []
    for _ in range(repeat):
        before = monotonic_ns()
        work()
        taken.append((monotonic_ns() - before) / 1e9)
    return sorted(taken)


def told(name: str, values: list[float], unit: str, target: str) -> None:
    report.show(name, target, values, unit)


def million() -> Bars:
    """A million minute bars of a random walk with the volatility of BTC/USDT."""
    prices = 60_000 * np.exp(
        np.cumsum(generator(7, "bench position").normal(0, 0.0003, COUNT * 4))
    ).reshape(COUNT, 4)
    return Bars(
        prices[:, 0].copy(), prices.max(axis=1), prices.min(axis=1), prices[:, 3].copy(),
        START + 60_000_000_000 * np.arange(COUNT, dtype=np.int64),
    )  # fmt: skip


def asked_rules() -> step.Floats:
    """ATR stop and target, trailing, ladder and holding time; everything else off."""
    rules = plan(profile="sniper").rules.copy()
    rules[step.R_TAKE_ATR] = 6.0
    rules[step.R_BE_ACTIVATION] = np.nan
    return rules


def every_rule() -> step.Floats:
    parameters = Parameters()
    parameters.set("exit.weekend_flat", True, "bench")
    parameters.set("exit.end_of_day_flat", True, "bench")
    rules = plan_exits(parameters, entry(diamond=True)).rules.copy()
    for profile in PROFILES:
        other = plan_exits(parameters, entry(profile=profile)).rules
        rules = np.where(np.isnan(rules), other, rules)
    rules[step.R_TAKE_ATR] = 6.0
    return rules


def account(fast: int, slow: int) -> step.Floats:
    return np.array([1e5, 0.0004, 0.00005, 0.01, 1e-5, 2 / (fast + 1), 2 / (slow + 1)])


def loops(bars: Bars) -> None:
    equity = np.zeros(COUNT)
    trades = np.zeros((200_000, step.TRADE_SIZE))
    score, regime = np.full(COUNT, 0.8), np.zeros(COUNT)
    cases = (
        ("asked rules", ASKED | step.EQUITY, asked_rules(), "≥ 75"),
        ("every rule", step.ALL_RULES | step.EMA_CROSS | step.EQUITY, every_rule(), "≥ 30"),
        ("every rule, score and regime refreshed",
         step.ALL_RULES | step.EMA_CROSS | step.EQUITY | step.REFRESH, every_rule(), "≥ 30"),
    )  # fmt: skip
    for fast, slow in ((12, 26), (20, 50), (50, 200)):
        for name, flags, rules, target in cases:
            run, money = step.make_run(flags), account(fast, slow)

            def once(
                run: step.Run = run, rules: step.Floats = rules, money: step.Floats = money
            ) -> int:
                return run(
                    bars.opens, bars.highs, bars.lows, bars.closes, bars.times, bars.atr,
                    np.zeros(0, np.int8), score, regime, rules, money, equity, trades,
                )[0]  # fmt: skip

            speeds = sorted(COUNT / s / 1e6 for s in measure(once))
            told(f"loop, EMA {fast}/{slow}, {name}, {once()} trades", speeds, "M bars/s", target)


def sweep(bars: Bars) -> None:
    run = step.make_run(ASKED)
    combinations = [
        (fast, slow, stop, take)
        for fast in (12, 16, 20, 26, 34)
        for slow in (50, 80, 120, 200)
        for stop in (1.5, 2.0)
        for take in (3.0, 4.0, 5.0, 6.0, 8.0)
    ]

    def one(combination: tuple[int, int, float, float]) -> float:
        fast, slow, stop, take = combination
        rules = asked_rules()
        rules[step.R_STOP_ATR], rules[step.R_TAKE_ATR] = stop, take
        return run(
            bars.opens, bars.highs, bars.lows, bars.closes, bars.times, bars.atr,
            np.zeros(0, np.int8), NOTHING, NOTHING, rules, account(fast, slow), NOTHING,
            np.zeros((0, step.TRADE_SIZE)),
        )[1]  # fmt: skip

    def all_of_them() -> list[float]:
        with ThreadPoolExecutor(2) as pool:
            return list(pool.map(one, combinations))

    told(f"sweep of {len(combinations)} combinations, 2 threads", measure(all_of_them, 3), "s",
         "≤ 1.5")  # fmt: skip
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    told("largest memory of this process so far", [megabytes], "MB", "≤ 400")


def ticks() -> None:
    for name, prices in (("quiet", [100.0, 100.01]), ("new best each time", None)):
        held = watch()
        now, price, taken = START, 100.0, []
        for k in range(100_000):
            now += 1_000_000
            price = prices[k % 2] if prices else price * 1.000001
            before = monotonic_ns()
            held.on_price(price, now)
            taken.append((monotonic_ns() - before) / 1000)
        taken.sort()
        told(f"tick from Python, {name}, p50", [taken[50_000]], "µs", "")
        told(f"tick from Python, {name}, p99", [taken[99_000]], "µs", "p99 ≤ 20")


def tape(name: str) -> tuple[step.Ints, step.Floats]:
    times, prices = [], []
    with lzma.open(recorded(f"wire/hftbacktest/{name}"), "rt") as file:
        for line in file:
            if '"e":"trade"' in line:
                data = json.loads(line.partition(" ")[2])["data"]
                if float(data["p"]) > 0 and data.get("X", "MARKET") == "MARKET":
                    times.append(int(data["T"]) * 1_000_000)
                    prices.append(float(data["p"]))
    order = np.argsort(np.array(times), kind="stable")
    return np.array(times, np.int64)[order], np.array(prices)[order]


def close_rules(price: float, atr: float) -> step.Floats:
    """The default rules with their percentages scaled to minutes of tape rather than days."""
    rules = plan(profile="sniper").rules.copy()
    unit = 100.0 * atr / price
    rules[step.R_TRAIL_MODE] = step.MODE_PCT
    rules[step.R_TRAIL_ACTIVATION], rules[step.R_TRAIL_PCT] = unit, 0.75 * unit
    rules[step.R_BE_ACTIVATION], rules[step.R_BE_BUFFER] = 0.5 * unit, 0.1 * unit
    return rules


Outcome = tuple[float, tuple[str, ...], bool]


def outcome(held: PositionWatch, lots: int, shown: Iterator[tuple[WatchEvent, ...]]) -> Outcome:
    """Average exit price, the reasons in order, and whether it was closed on the tape."""
    value, reasons = 0.0, []
    for events in shown:
        for event in events:
            value += event.price * event.lots
            reasons.append(str(event.reason))
        if held.closed:
            break
    return value / lots, tuple(reasons), held.closed


def honesty(name: str, seconds: int) -> None:
    """The same positions watched by every print and by bars made of the same prints."""
    times, prices = tape(name)
    span, lots = seconds * 1_000_000_000, 1000
    bucket = times // span
    starts = np.concatenate(([0], np.flatnonzero(np.diff(bucket)) + 1, [len(times)]))
    parts = [slice(a, b) for a, b in pairwise(starts)]
    ranges = [prices[part].max() - prices[part].min() for part in parts]
    atr = float(np.mean(ranges))

    def by_bars(held: PositionWatch, first: int) -> Iterator[tuple[WatchEvent, ...]]:
        for part in parts[first:]:
            seen, at = prices[part], int(bucket[part.start]) * span
            yield held.on_bar(
                float(seen[0]), float(seen.max()), float(seen.min()), float(seen[-1]), at, at + span
            )

    def by_ticks(held: PositionWatch, first: int) -> Iterator[tuple[WatchEvent, ...]]:
        for at in range(parts[first].start, len(times)):
            yield held.on_price(float(prices[at]), int(times[at]))

    story, total, shifts = 0, 0, []
    for first in range(1, len(parts) - 1, max(1, len(parts) // 200)):
        for direction in Direction:
            price = float(prices[parts[first].start - 1])
            opened = int(bucket[parts[first].start]) * span
            told_by = []
            for show in (by_ticks, by_bars):
                state, marks = np.zeros(step.STATE_SIZE), np.zeros(step.MARKS_SIZE, np.int64)
                rules = close_rules(price, atr)
                step.open_position(
                    state, marks, rules, float(direction.sign), price, lots, atr, opened,
                    np.nan, np.nan,
                )  # fmt: skip
                held = PositionWatch(state, marks, rules, 0.001)
                told_by.append(outcome(held, lots, show(held, first)))
            tick, bar = told_by
            if tick[2] and bar[2]:
                total += 1
                story += tick[1] != bar[1]
                shifts.append(direction.sign * (tick[0] - bar[0]) / price * 1e4)
    away = 100 * float(np.mean(np.abs(shifts) > 0.5))
    print(
        f"{name.split('_')[0]} {seconds:3d} s bars: {total:4d} positions; other exits "
        f"{100 * story / total:5.1f} %; average exit more than 0.5 bp away {away:5.1f} %; "
        f"ticks better by {np.mean(shifts):+.2f} bp on average"
    )


def main() -> None:
    report.heading("the position step")
    ticks()
    bars = million()
    loops(bars)
    sweep(bars)
    try:
        for name in ("usdm-btcusdt_20240808.log.xz", "spot-btcusdt_20240808.log.xz"):
            for seconds in (1, 5, 15, 30):
                honesty(name, seconds)
    except pytest.skip.Exception as absent:
        print(f"ticks against bar paths: {absent}")


if __name__ == "__main__":
    main()
