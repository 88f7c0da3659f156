"""The regime on markets that everybody remembers."""

from __future__ import annotations

from collections import Counter

import pandas as pd
import pytest

from engine.analysis.indicators import IndicatorSpec, IndicatorState
from engine.analysis.regime import RegimeDetector
from engine.core.clock import HOUR, parse_iso
from engine.core.regimes import Regime
from tests.indicator_reference import feed
from tests.recorded import recorded

WARM_UP = 600  # bars before the episode


def regimes(recording: str, begin: str, end: str) -> tuple[Counter[Regime], int | None]:
    """Labels by number of bars in [begin, end), and when the first crash was called."""
    table = pd.read_parquet(recorded(f"ohlcv_crypto/{recording}.parquet"))
    opened = table.timestamp.to_numpy() * 1_000_000
    first = max(0, int((opened < parse_iso(begin)).sum()) - WARM_UP)
    last = int((opened < parse_iso(end)).sum())
    bars = table[["open", "high", "low", "close", "volume"]].to_numpy()[first:last].tolist()
    indicators = IndicatorState(IndicatorSpec(span_ns=HOUR))
    detector = RegimeDetector()
    labels: Counter[Regime] = Counter()
    crash: int | None = None
    for bar, t in zip(bars, opened[first:last].tolist(), strict=True):
        feed(indicators, bar, t)
        state = detector.update(indicators)
        if t < parse_iso(begin):
            continue
        assert state is not None
        labels[state.label] += 1
        if state.label is Regime.CRASH and crash is None:
            crash = t
    return labels, crash


@pytest.mark.parametrize(
    ("recording", "begin", "end", "by"),
    [
        ("nic_binance_spot/1h/BTCUSDT", "2020-03-08", "2020-03-15", "2020-03-12T12:00"),
        ("finom_binance_spot/1h/SOLUSDT", "2022-11-05", "2022-11-15", "2022-11-08T20:00"),
        ("finom_binance_spot/1h/BTCUSDT", "2022-11-05", "2022-11-15", "2022-11-09"),
        ("finom_binance_spot/1h/BTCUSDT", "2024-08-01", "2024-08-08", "2024-08-05T06:00"),
        ("finom_binance_spot/1h/ETHUSDT", "2024-08-01", "2024-08-08", "2024-08-05T06:00"),
    ],
)
def test_a_crash_is_called_while_it_happens(recording: str, begin: str, end: str, by: str) -> None:
    labels, crash = regimes(recording, begin, end)
    assert crash is not None
    assert crash <= parse_iso(by)
    assert labels[Regime.CRASH] >= 10


def test_a_bull_market_is_mostly_called_one_and_never_a_crash() -> None:
    labels, crash = regimes("finom_binance_spot/1h/BTCUSDT", "2023-10-15", "2023-12-31")
    assert crash is None
    assert labels.most_common(1)[0][0] is Regime.BULL
    rising = labels[Regime.BULL] + labels[Regime.STRONG_BULL]
    falling = labels[Regime.BEAR] + labels[Regime.STRONG_BEAR]
    assert rising > 1.8 * falling
