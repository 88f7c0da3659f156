"""Feeds: events per second of replay and simulation, and what judging a tick costs.

The full engine should replay 50,000 bars a second, so a bar may cost the feed a microsecond.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from engine.core.clock import SECOND, monotonic_ns
from engine.core.ids import generator
from engine.core.parameters import Parameters
from engine.market.bars import Resampler
from engine.market.feed import Feed
from engine.market.quality import TickGuard
from engine.market.replay import ReplayFeed
from engine.market.sim import SimFeed
from tests.benchmarks import report

BEGIN_NS = 1_746_000_000 * SECOND
SYMBOLS = ("BTC/USDT", "ETH/USDT", "SOL/USDT")
RUNS = report.runs(5)


def show(what: str, target: str, measure: Callable[[], float], unit: str) -> None:
    report.show(what, target, [measure() for _ in range(RUNS)], unit)


def drained_us(feed: Feed, count: int) -> float:
    """Microseconds per event, without loading."""
    feed.start(lambda: None)
    begin, events = monotonic_ns(), 0
    while events < count and not feed.ended:
        events += len(feed.poll(256))
    return (monotonic_ns() - begin) / events / 1_000


def record(folder: Path, minutes: int) -> None:
    for symbol in SYMBOLS:
        draws = generator(1, symbol)
        close = 100 * np.exp(np.cumsum(draws.normal(0, 0.001, minutes)))
        opened = np.concatenate([[100.0], close[:-1]])
        frame = pd.DataFrame(
            {
                "timestamp": BEGIN_NS // 1_000_000 + np.arange(minutes) * 60_000,
                "open": opened,
                "high": np.maximum(opened, close) * 1.0005,
                "low": np.minimum(opened, close) * 0.9995,
                "close": close,
                "volume": draws.uniform(1, 9, minutes),
            }
        )
        frame.to_parquet(folder / f"{symbol.replace('/', '')}.parquet")


def loaded_ms(folder: Path) -> float:
    begin = monotonic_ns()
    ReplayFeed(folder).start(lambda: None)
    return (monotonic_ns() - begin) / 1e6


def warmed_ms() -> float:
    begin = monotonic_ns()
    SimFeed(SYMBOLS, 1, BEGIN_NS).start(lambda: None)
    return (monotonic_ns() - begin) / 1e6


def tick_us() -> float:
    guard = TickGuard(Parameters(), "BTC/USDT", seed=100.0)
    prices = (100 + generator(1, "ticks").normal(0, 0.05, 100_000)).tolist()
    begin = monotonic_ns()
    for price in prices:
        guard.check(price, BEGIN_NS)
    return (monotonic_ns() - begin) / len(prices) / 1_000


def resampled_us(folder: Path) -> float:
    feed = ReplayFeed(folder, ["BTC/USDT"])
    feed.start(lambda: None)
    bars = feed.poll(1 << 30)[1:-1]
    resampler = Resampler("BTC/USDT", 900 * SECOND)
    begin = monotonic_ns()
    for bar in bars:
        resampler.add(bar)  # type: ignore[arg-type]  # only bars stand between UP and ENDED
    return (monotonic_ns() - begin) / len(bars) / 1_000


def main() -> None:
    report.heading("feeds")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        record(folder, 200_000)
        show(
            "replay, 3 symbols of 1m, a bar",
            "≤ 2",
            lambda: drained_us(ReplayFeed(folder), 600_000),
            "µs",
        )
        show("loading and checking 600,000 bars", "", lambda: loaded_ms(folder), "ms")
        show("resampling 1m to 15m, a bar", "≤ 1", lambda: resampled_us(folder), "µs")
    show(
        "simulation, 3 symbols, an event",
        "",
        lambda: drained_us(SimFeed(SYMBOLS, 1, BEGIN_NS, speed=0, warmup_bars=1), 100_000),
        "µs",
    )
    show("simulation, warm-up of 3 x 9,000 bars", "", warmed_ms, "ms")
    show("judging an accepted tick", "≤ 1", tick_us, "µs")


if __name__ == "__main__":
    main()
