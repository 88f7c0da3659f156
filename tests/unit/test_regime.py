"""The regime's rules one by one, and the detector over markets made for them."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from engine.analysis.indicators import IndicatorSpec, IndicatorState
from engine.analysis.regime import FastRegimeDetector, RegimeDetector, RegimeState, Transition
from engine.analysis.regime_rules import (
    Evidence,
    RegimeSpec,
    confidence_of,
    label_of,
    trend_of,
    vol_level_of,
)
from engine.core.clock import HOUR
from engine.core.errors import ParameterError
from engine.core.parameters import Parameters, Scope
from engine.core.regimes import Regime, VolLevel
from tests.indicator_reference import MIDNIGHT, feed, random_market

SPEC = RegimeSpec()
CALM = Evidence(
    adx=30.0, plus_di=30.0, minus_di=15.0, close=101.0, trend_average=100.0, atr=1.0,
    volatility=0.004, highvol_pct=50.0, vol_pct=50.0, bb_width_pct=50.0,
    drawdown_pct=1.0, return_pct=1.0,
)  # fmt: skip

evidences = st.builds(
    Evidence,
    adx=st.floats(0, 100),
    plus_di=st.floats(0, 100),
    minus_di=st.floats(0, 100),
    close=st.floats(50, 150),
    trend_average=st.floats(50, 150),
    atr=st.floats(0, 10),
    volatility=st.floats(0, 0.1),
    highvol_pct=st.floats(0, 100),
    vol_pct=st.floats(0, 100),
    bb_width_pct=st.floats(0, 100),
    drawdown_pct=st.floats(0, 60),
    return_pct=st.floats(-60, 60),
)


@given(e=evidences, before=st.sampled_from([Regime.BULL, Regime.SIDEWAYS, Regime.STRONG_BEAR]))
def test_precedence_and_bounds_hold_for_any_evidence(e: Evidence, before: Regime) -> None:
    trend = trend_of(SPEC, e, before)
    label = label_of(SPEC, e, trend)
    crash = e.drawdown_pct > 10 and e.return_pct < -5
    assert (label is Regime.CRASH) == crash
    assert (label is Regime.HIGH_VOL) == (not crash and e.highvol_pct > 90)
    if not crash and e.highvol_pct <= 90:
        assert label is trend
        if e.adx > 25 and e.close != e.trend_average:
            assert label.direction == (1 if e.close > e.trend_average else -1)
        elif e.adx < 20:
            assert label is Regime.SIDEWAYS
        else:
            assert label is before.family
    assert 0.0 <= confidence_of(SPEC, e, label) <= 1.0
    level = vol_level_of(SPEC, e)
    assert label is not Regime.HIGH_VOL or level is VolLevel.HIGH
    assert (level is VolLevel.LOW) == (e.vol_pct < 25 and e.highvol_pct <= 90)


@pytest.mark.parametrize("adx", [20.0, 22.5, 25.0])
@pytest.mark.parametrize("before", [Regime.BULL, Regime.BEAR, Regime.SIDEWAYS])
def test_between_the_thresholds_the_last_answer_stands(adx: float, before: Regime) -> None:
    assert trend_of(SPEC, CALM._replace(adx=adx), before) is before
    assert trend_of(SPEC, CALM._replace(adx=25.1), before) is Regime.BULL
    assert trend_of(SPEC, CALM._replace(adx=19.9), before) is Regime.SIDEWAYS


def test_a_strong_trend_needs_the_directional_movement_too() -> None:
    strong = CALM._replace(adx=45.0)
    assert trend_of(SPEC, strong, Regime.SIDEWAYS) is Regime.STRONG_BULL
    assert trend_of(SPEC, strong._replace(minus_di=40.0), Regime.SIDEWAYS) is Regime.BULL
    falling = strong._replace(close=99.0)
    assert trend_of(SPEC, falling, Regime.SIDEWAYS) is Regime.BEAR
    assert trend_of(SPEC, falling._replace(minus_di=40.0), Regime.BULL) is Regime.STRONG_BEAR
    kept = trend_of(SPEC, CALM._replace(adx=22.0), Regime.STRONG_BULL)
    assert kept is Regime.BULL


@pytest.mark.parametrize(
    ("drawdown", "change", "crash"),
    [(10.1, -5.1, True), (10.1, -5.0, False), (10.0, -5.1, False), (30.0, 2.0, False)],
)
def test_a_crash_needs_both_the_fall_and_the_return(
    drawdown: float, change: float, crash: bool
) -> None:
    e = CALM._replace(drawdown_pct=drawdown, return_pct=change, highvol_pct=99.0)
    assert label_of(SPEC, e, Regime.BULL) is (Regime.CRASH if crash else Regime.HIGH_VOL)


def test_confidence_follows_its_formula() -> None:
    at = CALM._replace(drawdown_pct=10.0, return_pct=-5.0)
    assert confidence_of(SPEC, at, Regime.CRASH) == pytest.approx(0.5)
    twice = CALM._replace(drawdown_pct=20.0, return_pct=-10.0)
    assert confidence_of(SPEC, twice, Regime.CRASH) == pytest.approx(0.75)
    for pct, expected in ((90.0, 0.5), (95.0, 0.75), (100.0, 1.0)):
        e = CALM._replace(highvol_pct=pct)
        assert confidence_of(SPEC, e, Regime.HIGH_VOL) == pytest.approx(expected)
    # strength (30 − 20)/20, side 1 ATR, agreement (30 − 15)/45
    assert confidence_of(SPEC, CALM, Regime.BULL) == pytest.approx((0.5 + 1 + 1 / 3) / 3)
    assert confidence_of(SPEC, CALM, Regime.BEAR) == pytest.approx(0.5 / 3)
    quiet = CALM._replace(adx=10.0, bb_width_pct=20.0)
    assert confidence_of(SPEC, quiet, Regime.SIDEWAYS) == pytest.approx((0.6 + 1.0) / 2)
    wide = quiet._replace(bb_width_pct=100.0)
    assert confidence_of(SPEC, wide, Regime.SIDEWAYS) == pytest.approx(0.3)


def test_each_threshold_is_read() -> None:
    """Every parameter, at a bound, changes the answer to some evidence."""
    cases = [
        ("regime.adx_trend", 35, CALM),
        ("regime.adx_sideways", 12, CALM._replace(adx=15.0)),
        ("regime.adx_strong", 30, CALM._replace(adx=33.0)),
        ("regime.crash_drawdown_pct", 5, CALM._replace(drawdown_pct=7.0, return_pct=-6.0)),
        ("regime.crash_return_pct", -2, CALM._replace(drawdown_pct=12.0, return_pct=-3.0)),
        ("regime.highvol_percentile", 75, CALM._replace(highvol_pct=80.0)),
        ("regime.vol_low_percentile", 45, CALM._replace(vol_pct=40.0)),
        ("regime.vol_high_percentile", 55, CALM._replace(vol_pct=60.0)),
        ("regime.bb_tight_percentile", 40, CALM._replace(adx=10.0, bb_width_pct=30.0)),
    ]

    def answer(spec: RegimeSpec, e: Evidence) -> tuple[Regime, VolLevel, float]:
        label = label_of(spec, e, trend_of(spec, e, Regime.BEAR))
        return label, vol_level_of(spec, e), confidence_of(spec, e, label)

    for name, bound, e in cases:
        params = Parameters()
        params.set(name, bound, "test", Scope(symbol="BTC/USDT"))
        assert RegimeSpec.from_parameters(params) == SPEC
        moved = RegimeSpec.from_parameters(params, "BTC/USDT")
        assert answer(moved, e) != answer(SPEC, e), name
    with pytest.raises(ParameterError, match="out of order"):
        replace(SPEC, adx_sideways=25.0, adx_trend=20.0)


def _market(moves: NDArray[np.float64], wiggle: float = 0.001) -> NDArray[np.float64]:
    close = 100.0 * np.exp(np.cumsum(moves))
    open_ = np.concatenate(([100.0], close[:-1]))
    high = np.maximum(open_, close) * (1 + wiggle)
    low = np.minimum(open_, close) * (1 - wiggle)
    return np.column_stack((open_, high, low, close, np.ones(len(close))))


def _run(
    bars: NDArray[np.float64], detector: RegimeDetector
) -> tuple[list[RegimeState | None], list[Transition]]:
    state = IndicatorState(IndicatorSpec(span_ns=HOUR))
    states, transitions = [], []
    for hour, bar in enumerate(bars.tolist()):
        feed(state, bar, MIDNIGHT + hour * HOUR)
        states.append(detector.update(state))
        if detector.transition is not None:
            transitions.append(detector.transition)
    return states, transitions


def test_a_detector_follows_a_market_through_its_regimes() -> None:
    swing = 0.004 * np.sin(np.arange(320) * 2.1)
    up = np.where(np.arange(120) % 6 == 5, -0.003, 0.004)
    moves = np.concatenate((swing, up, np.full(12, -0.012), 0.004 * np.sin(np.arange(80) * 2.1)))
    states, transitions = _run(_market(moves), RegimeDetector())
    assert states[271 - 1] is None
    assert states[271] is not None

    def label(bar: int) -> Regime:
        state = states[bar]
        assert state is not None
        return state.label

    assert label(319) is Regime.SIDEWAYS
    assert label(420) in (Regime.BULL, Regime.STRONG_BULL)
    assert label(451) is Regime.CRASH
    assert label(475 + 30) is not Regime.CRASH
    for transition in transitions:
        assert transition.before is not transition.after
    for earlier, later in pairwise(transitions):
        assert earlier.after is later.before
        assert earlier.time_ns < later.time_ns
    crash = next(t for t in transitions if t.after is Regime.CRASH)
    in_crash = states[451]
    assert in_crash is not None
    assert in_crash.since_ns == crash.time_ns
    evidence = dict(crash.evidence)
    assert evidence["drawdown_pct"] > 10
    assert evidence["return_pct"] < -5


def test_the_crash_window_looks_back_on_time_not_on_bars() -> None:
    """A fall that began before the window, with a hole in the bars, is no crash in it."""
    state = IndicatorState(IndicatorSpec(span_ns=HOUR))
    bars, opened = random_market(1, 400, HOUR)
    state.replay(bars, opened)
    price = float(bars[-1, 3])
    after_hole = int(opened[-1]) + 30 * HOUR
    for k in range(5):
        state.update(
            price * 0.85, price * 0.86, price * 0.84, price * 0.85, 1.0, after_hole + k * HOUR
        )
    seen = RegimeDetector().look(state)
    assert seen.drawdown_pct == pytest.approx(100 * (1 - 0.85 / 0.86))
    assert seen.return_pct == pytest.approx(0.0, abs=1e-9)
    wide = RegimeDetector(replace(SPEC, crash_window_h=72)).look(state)
    assert wide.drawdown_pct > 14
    assert wide.return_pct < -5


def test_ranks_are_taken_over_their_own_windows() -> None:
    rng_bars, opened = random_market(3, 900, HOUR)
    state = IndicatorState(IndicatorSpec(span_ns=HOUR))
    state.replay(rng_bars, opened)
    volatility = state.rows(640)[:, state.spec.index["volatility_20"]]
    width = state.rows(640)[:, state.spec.index["bb_width"]]

    def rank(values: NDArray[np.float64]) -> float:
        return float(100 * (np.sum(values < values[-1]) + 0.5) / len(values))

    spec = replace(SPEC, highvol_window=60, vol_window=504)
    seen = RegimeDetector(spec).look(state)
    assert seen.highvol_pct == pytest.approx(rank(volatility[-60:]))
    assert seen.vol_pct == pytest.approx(rank(volatility[-504:]))
    assert seen.bb_width_pct == pytest.approx(rank(width[-504:]))


def test_the_same_bars_give_the_same_regimes() -> None:
    bars, _ = random_market(8, 600, HOUR)
    first, second = _run(bars, RegimeDetector()), _run(bars, RegimeDetector())
    assert first == second
    assert {state.label for state in first[0] if state} >= {Regime.SIDEWAYS, Regime.HIGH_VOL}


def test_the_fast_detector_answers_early_and_keeps_the_precedence() -> None:
    fall = np.concatenate((0.002 * np.sin(np.arange(80) * 2.1), np.full(12, -0.012)))
    states, _ = _run(_market(fall), FastRegimeDetector())
    assert states[78] is None
    assert states[79] is not None
    last = states[-1]
    assert last is not None
    assert last.label is Regime.CRASH
    slow, _ = _run(_market(fall), RegimeDetector())
    assert set(slow) == {None}


def test_grades_belong_to_a_family_and_point_one_way() -> None:
    assert Regime.STRONG_BULL.family is Regime.BULL
    assert Regime.STRONG_BEAR.family is Regime.BEAR
    assert [r.direction for r in Regime] == [1, 1, 0, -1, -1, 0, -1]
