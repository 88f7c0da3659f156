"""What must hold of the indicators on any market."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.analysis.indicators import INDEX, IndicatorSpec, IndicatorState, compute_rows
from engine.core.clock import HOUR, MINUTE
from tests.indicator_reference import MIDNIGHT, feed, random_market, recompute


@given(seed=st.integers(0, 2**32), cut=st.integers(1, 699), span=st.sampled_from([5, 15, 60, 240]))
@settings(max_examples=25, deadline=None)
def test_no_row_sees_a_later_bar(seed: int, cut: int, span: int) -> None:
    spec = IndicatorSpec(span_ns=span * MINUTE)
    bars, opened = random_market(seed, 700, spec.span_ns)
    whole = compute_rows(spec, bars, opened)
    np.testing.assert_array_equal(compute_rows(spec, bars[:cut], opened[:cut]), whole[:cut])


def test_a_planted_leak_is_caught_by_the_same_truncation() -> None:
    """A level that is marked on the turn itself, not on its confirmation, looks ahead."""
    bars, _ = random_market(4, 200, MINUTE)

    def leaky(high: np.ndarray[tuple[int], np.dtype[np.float64]]) -> list[float]:
        return [float(high[max(0, i - 5) : i + 6].max()) for i in range(len(high))]

    cuts = [leaky(bars[:cut, 1]) == leaky(bars[:, 1])[:cut] for cut in range(1, 200)]
    assert not all(cuts)


@given(seed=st.integers(0, 2**32), drops=st.sets(st.integers(1, 399), max_size=60))
@settings(max_examples=10, deadline=None)
def test_equal_to_the_definitions_with_holes_in_the_history(seed: int, drops: set[int]) -> None:
    spec = IndicatorSpec(span_ns=HOUR)
    bars, opened = random_market(seed, 400, spec.span_ns, MIDNIGHT + 3 * HOUR)
    kept = np.array([i not in drops for i in range(400)])
    rows = compute_rows(spec, bars[kept], opened[kept])
    expected = recompute(spec, bars[kept], opened[kept]).to_numpy()
    np.testing.assert_allclose(rows, expected, rtol=1e-8, atol=1e-9)


@given(seed=st.integers(0, 2**32), factor=st.floats(1e-4, 1e4))
@settings(max_examples=20, deadline=None)
def test_indices_and_ratios_do_not_depend_on_the_unit_of_the_price(
    seed: int, factor: float
) -> None:
    spec = IndicatorSpec()
    bars, opened = random_market(seed, 300, spec.span_ns)
    scaled = bars * np.array([factor, factor, factor, factor, 1.0])
    a, b = compute_rows(spec, bars, opened)[-1], compute_rows(spec, scaled, opened)[-1]
    for name in ("rsi", "adx", "plus_di", "bb_position", "stoch_k", "cmf", "atr_ratio",
                 "volatility_20", "momentum_5", "trend_strength", "price_vs_vwap"):  # fmt: skip
        np.testing.assert_allclose(a[INDEX[name]], b[INDEX[name]], rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(a[INDEX["atr"]] * factor, b[INDEX["atr"]], rtol=1e-6)


@given(seed=st.integers(0, 2**32))
@settings(max_examples=20, deadline=None)
def test_bounded_features_stay_within_their_bounds(seed: int) -> None:
    spec = IndicatorSpec()
    rows = compute_rows(spec, *random_market(seed, 600, spec.span_ns))
    for names, low, high in (
        (("rsi", "adx", "plus_di", "minus_di", "stoch_k", "stoch_d"), 0.0, 100.0),
        (("cmf", "obv_ratio", "ema_alignment", "sma_alignment", "ema_cross"), -1.0, 1.0),
        (("atr", "bb_width", "volatility_20", "trend_strength", "volume_ratio"), 0.0, np.inf),
    ):
        part = rows[:, [INDEX[name] for name in names]]
        assert np.nanmin(part) >= low - 1e-9
        assert np.nanmax(part) <= high + 1e-9


@given(seed=st.integers(0, 2**32), split=st.integers(1, 499))
@settings(max_examples=10, deadline=None)
def test_replayed_and_single_bars_mix(seed: int, split: int) -> None:
    spec = IndicatorSpec()
    bars, opened = random_market(seed, 500, spec.span_ns)
    state = IndicatorState(spec)
    state.replay(bars[:split], opened[:split])
    for bar, t in zip(bars[split:].tolist(), opened[split:].tolist(), strict=True):
        feed(state, bar, t)
    np.testing.assert_array_equal(state.row(), compute_rows(spec, bars, opened)[-1])
