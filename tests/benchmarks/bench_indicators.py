"""What an indicator costs: one bar into the whole row, beside the library's recomputation.

Run it with `python -m tests.benchmarks.bench_indicators`.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable

import pandas as pd
import ta

from engine.analysis.indicators import (
    FEATURES,
    IndicatorSpec,
    IndicatorState,
    compute_rows,
    warm_up,
)
from engine.analysis.regime import RegimeDetector
from engine.core.clock import monotonic_ns
from tests.benchmarks import report
from tests.indicator_reference import random_market

RUNS = report.runs(5)


def measured(name: str, target: str, work: Callable[[], object], per: int = 1) -> float:
    """Print min, median and max of `RUNS` runs in µs per unit; return the median."""
    took = []
    for _ in range(RUNS):
        begin = monotonic_ns()
        work()
        took.append((monotonic_ns() - begin) / 1_000 / per)
    report.show(name, target, took, "µs")
    return statistics.median(took)


def six_of_the_library(table: pd.DataFrame) -> None:
    """The six that the target speaks of: EMA, RSI, MACD, ATR, ADX and Bollinger."""
    ta.trend.ema_indicator(table.close, 20)
    ta.momentum.rsi(table.close)
    ta.trend.macd_diff(table.close)
    ta.volatility.average_true_range(table.high, table.low, table.close)
    ta.trend.adx(table.high, table.low, table.close)
    ta.volatility.bollinger_hband(table.close)


def main() -> None:
    spec = IndicatorSpec()
    begin = monotonic_ns()
    warm_up()
    loaded = (monotonic_ns() - begin) / 1e6
    bars, opened = random_market(1, 20_000, spec.span_ns)
    pairs = list(zip(bars.tolist(), opened.tolist(), strict=True))
    report.heading("indicators")
    report.show("load the compiled step (compiles when not cached)", "", [loaded], "ms")

    def live() -> None:
        state = IndicatorState(spec)
        for (o, h, low, c, v), t in pairs:
            state.update(o, h, low, c, v, t)

    def with_regime() -> None:
        state, detector = IndicatorState(spec), RegimeDetector()
        for (o, h, low, c, v), t in pairs:
            state.update(o, h, low, c, v, t)
            detector.update(state)

    live_us = measured(f"one bar, all {len(FEATURES)} features", "≤ 5 µs", live, len(pairs))
    measured("one bar, features and regime", "≤ 15 µs", with_regime, len(pairs))
    measured("one bar of a bulk computation", "", lambda: compute_rows(spec, bars, opened), 20_000)
    state = IndicatorState(spec)
    state.replay(bars, opened)
    measured("rebuild after a parameter moved", "≤ 5000 µs", lambda: state.rebuilt(
        IndicatorSpec(rsi=10)))  # fmt: skip
    table = pd.DataFrame(bars[:500], columns=["open", "high", "low", "close", "volume"])
    library_us = measured(
        "`ta`, six indicators over 500 rows", "", lambda: six_of_the_library(table)
    )
    report.show("the library's six beside one of our bars", "", [library_us / live_us], "times")


if __name__ == "__main__":
    main()
