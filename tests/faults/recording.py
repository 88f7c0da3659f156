"""Recordings of an invented market, for replays that need no recorded data."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from engine.core.clock import MINUTE, SECOND
from engine.core.ids import generator

BEGIN_NS = 1_746_000_000 * SECOND - 1_746_000_000 * SECOND % (15 * MINUTE)
SYMBOLS = ("BTC/USDT", "ETH/USDT", "SOL/USDT")
PRICES = {"BTC/USDT": 60_000.0, "ETH/USDT": 3_000.0, "SOL/USDT": 150.0}


def record(folder: Path, minutes: int, seed: int = 1, symbols: tuple[str, ...] = SYMBOLS) -> Path:
    """Write one minute file a symbol: a random walk whose volatility comes and goes.

    Lively enough that the built-in strategies trade several times a day.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for symbol in symbols:
        draws = generator(seed, "recording", symbol)
        calm = np.exp(np.cumsum(draws.normal(0, 0.02, minutes)) * 0.3)
        steps = draws.normal(0, 0.0011, minutes) * np.clip(calm, 0.5, 2.0)
        # A slow drift that changes sign gives trends to follow and turns to be caught by.
        drift = 0.0001 * np.sin(np.arange(minutes) / 700 + draws.uniform(0, 6))
        close = PRICES[symbol] * np.exp(np.cumsum(steps + drift))
        opened = np.concatenate([[PRICES[symbol]], close[:-1]])
        reach = np.abs(draws.normal(0, 0.0006, (2, minutes)))
        pd.DataFrame(
            {
                "timestamp": BEGIN_NS // 1_000_000 + np.arange(minutes) * 60_000,
                "open": opened.round(2),
                "high": (np.maximum(opened, close) * (1 + reach[0])).round(2),
                "low": (np.minimum(opened, close) * (1 - reach[1])).round(2),
                "close": close.round(2),
                "volume": draws.uniform(5, 90, minutes).round(3),
            }
        ).to_csv(folder / f"{symbol.replace('/', '')}-1m.csv", index=False)
    return folder
