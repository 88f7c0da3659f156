"""The incremental indicators against definitions, a library, check points and bad bars."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
import ta
from numpy.typing import NDArray

from engine.analysis import compiled
from engine.analysis.indicators import (
    FEATURES,
    INDEX,
    IndicatorSpec,
    IndicatorState,
    compute_rows,
)
from engine.core.clock import DAY, HOUR, MINUTE
from engine.core.errors import InvariantBroken, ParameterError
from engine.core.parameters import Parameters, Scope, find
from tests.indicator_reference import MIDNIGHT, feed, random_market, recompute
from tests.recorded import recorded

OTHER = IndicatorSpec(
    ema_fast=7, ema_slow=21, ema_periods=(7, 21, 55), sma_periods=(10, 30), rsi=9, adx=10, atr=11,
    macd_fast=8, macd_slow=20, macd_signal=7, bb=16, bb_std=1.5, sr_window=31, sr_points=3,
    volume_ma=33, stoch=8, stoch_smooth=2, donchian=13, keltner=30, keltner_atr=1.25, cmf=11,
    pivot=3, divergence=40, trend=35, span_ns=HOUR, days_per_year=252,
)  # fmt: skip


def assert_rows_equal(
    rows: NDArray[np.float64], expected: NDArray[np.float64], names: tuple[str, ...]
) -> None:
    """Equal to 1e-9 of the column's usual size, NaN in the same places; names the column."""
    rounding = 1e-12 * np.nanmax(expected[:, INDEX["close"]])
    for column, name in enumerate(names):
        ours, theirs = rows[:, column], expected[:, column]
        assert np.array_equal(np.isnan(ours), np.isnan(theirs)), f"{name}: NaN elsewhere"
        known = theirs[~np.isnan(theirs)]
        scale = np.median(np.abs(known)) if len(known) else 0.0
        np.testing.assert_allclose(
            ours, theirs, rtol=1e-9, atol=1e-9 * scale + rounding, err_msg=name
        )


def test_the_compiled_columns_are_the_named_ones() -> None:
    columns = {
        name.removeprefix("C_").lower(): value
        for name, value in vars(compiled).items()
        if name.startswith("C_")
    }
    assert columns == INDEX


@pytest.mark.parametrize("spec", [IndicatorSpec(), OTHER], ids=["default", "other periods"])
def test_one_bar_at_a_time_equals_a_computation_from_scratch(spec: IndicatorSpec) -> None:
    bars, opened = random_market(1, 2600, spec.span_ns, MIDNIGHT + 5 * HOUR)
    state = IndicatorState(spec)
    rows = np.array(
        [feed(state, bar, t) for bar, t in zip(bars.tolist(), opened.tolist(), strict=True)]
    )
    expected = recompute(spec, bars, opened)
    assert list(expected.columns) == list(spec.features)
    assert_rows_equal(rows, expected.to_numpy(), spec.features)
    known = ~np.isnan(rows[-500:])
    undefined = [n for k, n in enumerate(spec.features) if not known[:, k].any()]
    assert undefined == []


def test_equal_on_recorded_bars_with_a_hole() -> None:
    table = pd.read_parquet(recorded("ohlcv_crypto/finom_binance_spot/1h/BTCUSDT.parquet"))
    table = table[(table.timestamp > 1_677_000_000_000) & (table.timestamp < 1_682_000_000_000)]
    assert (table.timestamp.diff().dropna() != 3_600_000).any()
    bars = table[["open", "high", "low", "close", "volume"]].to_numpy()
    opened = table.timestamp.to_numpy() * 1_000_000
    spec = IndicatorSpec(span_ns=HOUR)
    expected = recompute(spec, bars, opened).to_numpy()
    assert_rows_equal(compute_rows(spec, bars, opened), expected, spec.features)


def test_flat_and_silent_markets_have_no_direction_and_no_invented_numbers() -> None:
    spec = IndicatorSpec()
    bars = np.tile([100.1, 100.1, 100.1, 100.1, 0.0], (400, 1))
    opened = MIDNIGHT + np.arange(400) * spec.span_ns
    rows = compute_rows(spec, bars, opened)
    assert_rows_equal(rows, recompute(spec, bars, opened).to_numpy(), spec.features)
    last = dict(zip(spec.features, rows[-1].tolist(), strict=True))
    assert last["rsi"] == 50.0
    assert last["adx"] == last["volatility_20"] == last["bb_width"] == last["macd_hist"] == 0.0
    for name in ("bb_position", "stoch_k", "volume_ratio", "volatility_ratio", "vwap", "cmf"):
        assert math.isnan(last[name]), name


def test_the_rsi_check_point() -> None:
    closes = [
        44.34, 44.09, 44.15, 43.61, 44.33, 44.83, 45.10, 45.42,
        45.84, 46.08, 45.89, 46.03, 45.61, 46.28, 46.28,
    ]  # fmt: skip
    state = IndicatorState(IndicatorSpec(span_ns=DAY))
    for day, close in enumerate(closes):
        assert math.isnan(state.value("rsi"))
        state.update(close, close, close, close, 1.0, day * DAY)
    assert state.value("rsi") == pytest.approx(70.4641, abs=5e-5)


def test_the_library_agrees_after_250_bars() -> None:
    spec = IndicatorSpec()
    bars, opened = random_market(7, 700, spec.span_ns)
    _, high, low, close, volume = (pd.Series(column) for column in bars.T)
    theirs = {
        "ema_12": ta.trend.ema_indicator(close, 12),
        "ema_50": ta.trend.ema_indicator(close, 50),
        "sma_200": ta.trend.sma_indicator(close, 200),
        "rsi": ta.momentum.rsi(close, 14),
        "macd": ta.trend.macd(close),
        "macd_signal": ta.trend.macd_signal(close),
        "macd_hist": ta.trend.macd_diff(close),
        "atr": ta.volatility.average_true_range(high, low, close, 14),
        "adx": ta.trend.adx(high, low, close, 14),
        "plus_di": ta.trend.adx_pos(high, low, close, 14),
        "minus_di": ta.trend.adx_neg(high, low, close, 14),
        "bb_upper": ta.volatility.bollinger_hband(close, 20, 2),
        "bb_lower": ta.volatility.bollinger_lband(close, 20, 2),
        "bb_position": ta.volatility.bollinger_pband(close, 20, 2),
        "stoch_k": ta.momentum.stoch(high, low, close, 14, 3),
        "stoch_d": ta.momentum.stoch_signal(high, low, close, 14, 3),
        "donchian_upper": ta.volatility.donchian_channel_hband(high, low, close, 20),
        "donchian_lower": ta.volatility.donchian_channel_lband(high, low, close, 20),
        "cmf": ta.volume.chaikin_money_flow(high, low, close, volume, 20),
        "momentum_5": ta.momentum.roc(close, 5),
    }
    rows = compute_rows(spec, bars, opened)
    for name, line in theirs.items():
        scale = np.abs(line[250:]).median()
        np.testing.assert_allclose(
            rows[250:, INDEX[name]], line[250:], rtol=1e-4, atol=1e-4 * scale, err_msg=name
        )
    our_obv, obv = rows[:, INDEX["obv"]], ta.volume.on_balance_volume(close, volume)
    np.testing.assert_allclose(np.diff(our_obv), np.diff(obv))


def test_the_warm_up_is_long_enough() -> None:
    """Rows that rest on the warm-up to 1999 bars equal those of the whole history to 0.1 %."""
    spec = IndicatorSpec()
    # What counts from the first bar, or needs 21 days, has no warm-up; points of support
    # need as many turns as are kept.
    unlimited = {"obv", "rv20", "support", "resistance"}
    for seed in range(3):
        bars, opened = random_market(seed, 6000, spec.span_ns)
        whole = compute_rows(spec, bars, opened)[-1]
        usual = np.nanmedian(np.abs(compute_rows(spec, bars, opened)), axis=0)
        for startup in (spec.warmup_bars, 399, 499, 999, 1999):
            part = compute_rows(spec, bars[-startup:], opened[-startup:])[-1]
            for name in set(FEATURES) - unlimited:
                k = INDEX[name]
                size = max(abs(whole[k]), usual[k])
                assert part[k] == pytest.approx(whole[k], abs=1e-3 * size), (name, startup)
    assert spec.warmup_bars == 250


def test_ready_comes_with_the_last_of_the_warm_up() -> None:
    spec = IndicatorSpec()
    bars, opened = random_market(2, 250, spec.span_ns)
    state = IndicatorState(spec)
    state.replay(bars[:249], opened[:249])
    early = state.ready
    feed(state, bars[249].tolist(), int(opened[249]))
    assert (early, state.ready) == (False, True)
    assert state.bars_seen == 250
    slow = {"rv20", "support", "resistance"}
    assert [n for n in FEATURES if math.isnan(state.value(n)) and n not in slow] == []


@pytest.mark.parametrize(
    "bar",
    [
        (math.nan, 101.0, 99.0, 100.0, 1.0),
        (100.0, math.inf, 99.0, 100.0, 1.0),
        (100.0, 101.0, 0.0, 100.0, 1.0),
        (100.0, 101.0, 99.0, -1.0, 1.0),
        (100.0, 101.0, 99.0, math.nan, 1.0),
        (100.0, 99.0, 101.0, 100.0, 1.0),
        (100.0, 101.0, 99.0, 100.0, -1.0),
        (100.0, 101.0, 99.0, 100.0, math.nan),
        (100.0, 101.0, 99.0, 100.0, math.inf),
    ],
)
def test_a_bar_that_is_none_is_refused_and_changes_nothing(bar: tuple[float, ...]) -> None:
    spec = IndicatorSpec()
    bars, opened = random_market(3, 260, spec.span_ns)
    state, twin = IndicatorState(spec), IndicatorState(spec)
    state.replay(bars[:250], opened[:250])
    twin.replay(bars[:250], opened[:250])
    with pytest.raises(InvariantBroken, match="is none"):
        feed(state, bar, int(opened[250]))
    with pytest.raises(InvariantBroken, match="is none"):
        state.replay(np.array([bar]), opened[250:251])
    np.testing.assert_array_equal(
        feed(state, bars[250].tolist(), int(opened[250])),
        feed(twin, bars[250].tolist(), int(opened[250])),
    )


def test_time_must_go_on() -> None:
    state = IndicatorState(IndicatorSpec())
    state.update(1.0, 1.0, 1.0, 1.0, 1.0, MIDNIGHT)
    for again in (MIDNIGHT, MIDNIGHT - 1):
        with pytest.raises(InvariantBroken, match="doesn't follow"):
            state.update(1.0, 1.0, 1.0, 1.0, 1.0, again)
    assert state.bars_seen == 1


def test_a_changed_period_rebuilds_the_state_from_its_history() -> None:
    old, new = IndicatorSpec(), IndicatorSpec(rsi=9, bb=16, ema_fast=8)
    bars, opened = random_market(5, 5001, old.span_ns)
    state = IndicatorState(old)
    state.replay(bars[:-1], opened[:-1])
    rebuilt = state.rebuilt(new)
    expected = compute_rows(new, bars, opened)
    for row, whole in (
        (rebuilt.row(), expected[-2]),
        (feed(rebuilt, bars[-1].tolist(), int(opened[-1])), expected[-1]),
    ):
        for name in new.features:
            k = new.index[name]
            assert row[k] == pytest.approx(whole[k], rel=1e-6, nan_ok=True), name
    assert state.rebuilt(old) is state
    with pytest.raises(InvariantBroken, match="another timeframe"):
        state.rebuilt(IndicatorSpec(span_ns=HOUR))


def test_the_history_ring_forgets_the_oldest_only() -> None:
    spec = IndicatorSpec()
    bars, opened = random_market(6, 9000, spec.span_ns)
    state = IndicatorState(spec)
    state.replay(bars, opened)
    kept, times = state.history()
    assert 600 <= len(kept) <= 2100
    np.testing.assert_array_equal(kept, bars[-len(kept) :])
    np.testing.assert_array_equal(times, opened[-len(kept) :])
    np.testing.assert_array_equal(state.history(3)[0], bars[-3:])
    rows = compute_rows(spec, bars, opened)
    np.testing.assert_array_equal(state.rows(640), rows[-640:])
    np.testing.assert_array_equal(state.row(back=5), rows[-6])
    assert state.value("rsi", back=7) == rows[-8, INDEX["rsi"]]
    with pytest.raises(IndexError):
        state.row(back=640)


def test_a_returned_row_is_the_callers() -> None:
    state = IndicatorState(IndicatorSpec())
    row = state.update(1.0, 1.0, 1.0, 1.0, 1.0, MIDNIGHT)
    row[:] = -5.0
    assert state.value("close") == 1.0


def test_the_session_vwap_starts_at_midnight_and_knows_no_half_session() -> None:
    spec = IndicatorSpec(span_ns=HOUR)
    state = IndicatorState(spec)
    for hour in range(22, 24):
        state.update(10.0, 12.0, 9.0, 10.0, 5.0, MIDNIGHT + hour * HOUR)
        assert math.isnan(state.value("vwap"))
    state.update(10.0, 12.0, 9.0, 12.0, 5.0, MIDNIGHT + 24 * HOUR)
    assert state.value("vwap") == pytest.approx(11.0)
    state.update(20.0, 21.0, 19.0, 20.0, 15.0, MIDNIGHT + 25 * HOUR)
    assert state.value("vwap") == pytest.approx((11.0 * 5 + 20.0 * 15) / 20)
    assert state.value("price_vs_vwap") == pytest.approx(20.0 / 17.75 - 1)


def test_realised_volatility_of_twenty_days_is_known_at_the_end_of_the_twenty_first() -> None:
    spec = IndicatorSpec(span_ns=6 * HOUR)
    closes = [100.0 * (1.01 if day % 2 else 1.0) for day in range(21)]
    state = IndicatorState(spec)
    for bar in range(21 * 4):
        assert math.isnan(state.value("rv20"))
        price = closes[bar // 4]
        state.update(price, price, price, price, 1.0, MIDNIGHT + bar * 6 * HOUR)
    expected = np.std(np.diff(np.log(closes)), ddof=1) * math.sqrt(365)
    assert state.value("rv20") == pytest.approx(expected)


def _path(prices: list[float]) -> IndicatorState:
    state = IndicatorState(IndicatorSpec(pivot=2, rsi=7))
    for i, price in enumerate(prices):
        state.update(price, price + 0.05, price - 0.05, price, 1.0, MIDNIGHT + i * 15 * MINUTE)
    return state


def _line(*points: tuple[int, float]) -> list[float]:
    bars = [bar for bar, _ in points]
    return np.interp(range(bars[-1] + 1), bars, [price for _, price in points]).tolist()


@pytest.mark.parametrize(
    ("name", "points"),
    [
        ("rsi_bull_divergence", ((0, 100), (10, 101), (18, 80), (28, 92), (50, 79), (52, 81))),
        (
            "rsi_hidden_bull_divergence",
            ((0, 100), (20, 110), (24, 107), (44, 125), (48, 112), (50, 114)),
        ),
        ("rsi_bear_divergence", ((0, 100), (10, 99), (18, 120), (28, 108), (50, 121), (52, 119))),
        (
            "rsi_hidden_bear_divergence",
            ((0, 100), (20, 90), (24, 93), (44, 75), (48, 88), (50, 86)),
        ),
    ],
)  # fmt: skip
def test_each_divergence_is_told_on_the_bar_that_confirms_it(
    name: str, points: tuple[tuple[int, float], ...]
) -> None:
    state = _path(_line(*points))
    told = [n for n in FEATURES if n.endswith("divergence") and state.value(n) == 1.0]
    assert told == [name]
    assert state.value(name, back=1) == 0.0


def test_support_and_resistance_are_the_nearest_turns_once_they_are_sure() -> None:
    spec = IndicatorSpec(sr_window=10)
    state = IndicatorState(spec)
    prices = _line((0, 100), (10, 110), (20, 90), (30, 104), (40, 96), (46, 100))
    for i, price in enumerate(prices):
        state.update(price, price + 1, price - 1, price, 1.0, i * spec.span_ns)
        if i == 44:
            assert state.value("support") == 89.0
    assert state.value("support") == 95.0
    assert state.value("resistance") == 105.0
    assert state.levels() == ((105.0, 111.0), (89.0, 95.0))


def test_a_spec_follows_the_parameters_and_their_scopes() -> None:
    params = Parameters()
    assert IndicatorSpec.from_parameters(params) == IndicatorSpec()
    params.set("ind.rsi_period", 10, "test")
    params.set("ind.rsi_period", 21, "test", Scope(symbol="BTC/USDT"))
    params.set("ind.bb_std", 1.5, "test", Scope(regime="CRASH"))
    params.set("ind.ema_periods", "55,8", "test")
    assert IndicatorSpec.from_parameters(params, "ETH/USDT").rsi == 10
    assert IndicatorSpec.from_parameters(params, "BTC/USDT").rsi == 21
    assert IndicatorSpec.from_parameters(params, "BTC/USDT", "CRASH").bb_std == 1.5
    assert IndicatorSpec.from_parameters(params).ema_periods == (8, 55)
    assert IndicatorSpec.from_parameters(params).features[-2:] == ("ema_8", "ema_55")
    params.set("ind.ema_fast", 20, "test")
    params.set("ind.ema_slow", 15, "test")
    with pytest.raises(ParameterError, match="isn't faster"):
        IndicatorSpec.from_parameters(params)


def test_every_indicator_parameter_moves_some_feature() -> None:
    bars, opened = random_market(11, 6000, IndicatorSpec().span_ns)
    before = compute_rows(IndicatorSpec(), bars, opened)
    names = [
        "ema_fast", "ema_slow", "rsi_period", "adx_period", "macd_fast", "macd_slow",
        "macd_signal", "atr_period", "bb_period", "bb_std", "sr_window", "sr_points",
        "stoch_period", "stoch_smooth", "donchian_period", "keltner_period", "keltner_atr",
        "cmf_period", "divergence_pivot", "divergence_bars",
    ]  # fmt: skip
    names = [f"ind.{name}" for name in names]
    for name in (*names, "regime.trend_window", "sig.volume_ma_period"):
        for bound in (find(name).low, find(name).high):
            if bound == find(name).default:
                continue
            moved = Parameters()
            moved.set(name, bound, "test")
            if name == "ind.ema_slow":
                moved.set("ind.ema_fast", 12 if bound == find(name).high else 10, "test")
            rows = compute_rows(IndicatorSpec.from_parameters(moved), bars, opened)
            assert not np.array_equal(rows, before, equal_nan=True), (name, bound)
