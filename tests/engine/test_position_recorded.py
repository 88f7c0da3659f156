"""Tick, replay and array loop on recorded markets."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from engine.position import step
from engine.position.watch import PositionWatch
from tests.position_help import MINUTE, Bars, plan, reference_trades
from tests.recorded import recorded


def recorded_bars(path: Path, first: int, count: int) -> Bars:
    import pandas as pd

    frame = pd.read_parquet(path).iloc[first : first + count]
    columns = [frame[name].to_numpy(np.float64) for name in ("open", "high", "low", "close")]
    opens, highs, lows, closes = columns
    times = frame["timestamp"].to_numpy(np.int64) * 1_000_000
    return Bars(opens, highs, lows, closes, times)


@pytest.mark.parametrize("profile", ["balanced", "flow", "ml", "sniper"])
@pytest.mark.parametrize("symbol", ["BTCUSDT", "SOLUSDT"])
def test_ticks_of_the_path_and_the_array_loop_leave_alike(symbol: str, profile: str) -> None:
    bars = recorded_bars(
        recorded(f"ohlcv_crypto/typhonun_binance_um/1m/{symbol}.parquet"), 5_000, 20_000
    )
    signal = np.zeros(len(bars.closes), np.int8)
    signal[30::611] = 1
    signal[330::473] = -1
    rules = plan(profile=profile).rules
    rules[step.R_STOP_ATR] = 12.0  # so that the percentages of a minute chart come into reach
    if profile == "sniper":
        # Narrow: closes come back through the stop that the same bar's extreme raised.
        rules[step.R_TRAIL_MODE] = step.MODE_PCT
        rules[[step.R_TRAIL_ACTIVATION, step.R_TRAIL_PCT]] = 0.02, 0.04
        rules[step.R_BE_ACTIVATION] = np.nan
    account = np.array([100_000.0, 0.0004, 0.00005, 0.2, 0.001, 1.0, 1.0])
    trades = np.zeros((1000, step.TRADE_SIZE))
    run = step.make_run(step.ALL_RULES)
    nothing = np.zeros(0)
    count, _, _ = run(
        bars.opens, bars.highs, bars.lows, bars.closes, bars.times, bars.atr, signal, nothing,
        nothing, rules, account, nothing, trades,
    )  # fmt: skip
    expected = reference_trades(bars, signal, rules, account)
    assert len(expected) >= 30
    assert count - len(expected) in (0, 1)
    assert len({int(code) for code in trades[:count, step.TRADE_CODE]}) >= 2
    for row, want in zip(trades, expected, strict=False):
        assert row[step.TRADE_EXIT_BAR] == want["exit_bar"]
        assert row[step.TRADE_CODE] == want["code"]
        assert row[step.TRADE_PNL] == pytest.approx(want["pnl"], rel=1e-6, abs=1e-6)
        entry = row[step.TRADE_ENTRY_PRICE] * want["direction"]
        assert row[step.TRADE_MFE] == pytest.approx(
            100 * max(want["best"] - entry, 0) / abs(entry), abs=1e-9
        )
        assert row[step.TRADE_MAE] == pytest.approx(
            100 * max(entry - want["worst"], 0) / abs(entry), abs=1e-9
        )


def test_recorded_trades_never_pass_a_stop_unseen() -> None:
    """Tick by tick over a recorded tape: each exit is at the first print at or past its stop."""
    path = recorded("ticks/gocryptotrader_binance_spot/BTCUSDT-trades-20201116.csv")
    with path.open() as file:
        tape = [(int(row[0]) * 1_000_000_000, float(row[1])) for row in csv.reader(file)]
    seen = 0
    for start in range(0, 900, 50):
        now, price = tape[start]
        held = PositionWatch.open(
            plan(price=price, opened_ns=now, atr=price * 0.00004, fee=0.0, spread=0.0)
        )
        for now, price in tape[start + 1 :]:
            stop = held.stop
            events = held.on_price(price, now)
            assert stop is not None
            assert bool(events and events[-1].closed) == (price <= stop)
            if events and events[-1].closed:
                seen += 1
                assert events[-1].price == price
                assert now - tape[start][0] < 10 * MINUTE
                break
    assert seen >= 5
