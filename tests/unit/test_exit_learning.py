"""Exit learning: variants of a plan are the plan of the variant, and only sense is suggested."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from engine.core.clock import DAY, HOUR
from engine.core.learning import ChangeKind, Lean, Opportunity, Outcome, Path, Suggestion, Trials
from engine.core.parameters import Parameters
from engine.core.types import Direction
from engine.learning.exits import LEARNED, ExitLearner, luckiest, on_grid
from engine.learning.gate import AdaptiveGate
from engine.learning.paths import Bars, bars_of, packed, unpacked
from engine.learning.simulate import Simulator
from engine.position.plan import reopened
from tests.property.test_learning_walk import START, opportunity, walked


@pytest.mark.parametrize("profile", ["balanced", "flow", "ml"])
@pytest.mark.parametrize("one", LEARNED, ids=lambda one: one.name)
def test_moving_its_rules_is_moving_the_parameter(profile: str, one: Any) -> None:
    simulator, params = Simulator(profile), Parameters()
    learner = ExitLearner(params, simulator)
    entry = opportunity(confidence=0.7)
    base = simulator.plan(entry, params)
    assert base is not None
    move = learner._moves_of(entry).get(one.name)
    for value in (one.low, on_grid(one, (one.low + one.high) / 2), one.high):
        registry = params.copy()
        registry.set(one.name, value, "test")
        asked = simulator.plan(entry, registry)
        assert asked is not None
        rules = base.rules.copy()
        if move is not None:
            rules[move.slots] = move.at_low + move.slope * (value - move.low)
        again = reopened(base, rules)
        assert again is not None
        assert np.allclose(asked.rules, again.rules, rtol=1e-12, equal_nan=True)
        assert np.allclose(asked.state, again.state, rtol=1e-12, equal_nan=True)
        assert np.array_equal(asked.marks, again.marks)


def _past(bars: list[Bars], params: Parameters) -> list[tuple[Opportunity, Path, Outcome]]:
    simulator, past = Simulator("balanced"), []
    for k, one in enumerate(bars):
        began = START + k * 6 * HOUR
        entry = opportunity(id=f"X-{k}", opened_ns=began, stop=99.0, atr=0.5)
        moved = Bars(one.prices, one.times + k * 6 * HOUR, one.span_ns)
        outcome = simulator.run(entry, moved, params)
        assert outcome is not None
        past.append((entry, packed(moved, began, 0.01), outcome))
    return past


def _spikes(count: int) -> list[Bars]:
    """Prices that rise by 1.4 %, give back half of it slowly and then fall through the stop."""
    rises = []
    for k in range(count):
        top = 101.4 + 0.2 * math.sin(k)
        legs = [(100.0, top, 30), (top, 100.9, 60), (100.9, 98.0, 60)]
        path = np.concatenate([np.linspace(a, b, n, endpoint=False) for a, b, n in legs])
        rows = [
            (START + i * 60_000_000_000, p, p, p, p, math.nan, math.nan, math.nan)
            for i, p in enumerate(np.round(path, 2).tolist())
        ]
        rises.append(bars_of(rows, 60_000_000_000))
    return rises


def test_what_would_have_kept_more_is_suggested_as_a_step_and_a_trial() -> None:
    params = Parameters()
    past = _past(_spikes(45), params)
    learner = ExitLearner(params, Simulator("balanced"))
    now = past[-1][0].opened_ns + DAY
    found = [item for item in learner.daily(past, now) if item is not None]
    trials = [item for item in found if isinstance(item, Trials)]
    suggested = [item for item in found if isinstance(item, Suggestion)]
    assert {one.target.name for one in trials} == {one.name for one in LEARNED}
    assert suggested
    for one in suggested:
        assert one.kind is ChangeKind.TRIAL
        assert one.evidence.n >= 30
        assert len(one.evidence.ids) == one.evidence.n
        assert not one.evidence.bound
    by_name = {one.target.name: one for one in suggested}
    trail = by_name.get("exit.trail_distance_atr") or by_name["exit.trail_distance_pct"]
    assert trail.lean is Lean.TIGHTENS


def test_the_same_past_gives_the_same_suggestions() -> None:
    params = Parameters()
    past = _past([walked(seed, 300) for seed in range(40)], params)
    now = past[-1][0].opened_ns + DAY
    first = list(ExitLearner(params, Simulator("balanced")).daily(past, now))
    again = list(ExitLearner(params, Simulator("balanced")).daily(past, now))
    assert first == again


def test_few_outcomes_are_no_reason_to_search() -> None:
    params = Parameters()
    past = _past([walked(seed, 200) for seed in range(10)], params)
    assert list(ExitLearner(params, Simulator("balanced")).daily(past, START + 30 * DAY)) == []


def test_old_outcomes_are_not_searched() -> None:
    params = Parameters()
    past = _past(_spikes(40), params)
    late = past[-1][0].opened_ns + 90 * DAY
    assert list(ExitLearner(params, Simulator("balanced")).daily(past, late)) == []


def test_the_luckiest_of_many_needs_more() -> None:
    assert luckiest(1) == 0.0
    assert luckiest(5) < luckiest(50) < luckiest(1_000)
    assert luckiest(20) == pytest.approx(1.87, abs=0.1)


def _bucket(share: float, confidence: float, n: int = 40) -> list[tuple[Any, Any, Any]]:
    won = round(share * n)
    return [
        (
            opportunity(id=f"X-{k}", confidence=confidence),
            Path(opened_ns=START, span_ns=1, count=0, unit=0.01, prices=""),
            Outcome(gross=1.0, net=1.0 if k < won else -1.0, r=1.0, net_r=1.0, reason="", bars=1,
                    closed=True),
        )
        for k in range(n)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("share", "confidence", "expected"),
    [(0.3, 0.44, "3.0"), (0.3, 0.55, "3.3"), (0.3, 0.7, "3.5"), (0.5, 0.44, None)],
)
def test_the_gate_rises_above_a_poor_bucket(
    share: float, confidence: float, expected: str | None
) -> None:
    gate = AdaptiveGate(Parameters())
    found = list(gate.daily(_bucket(share, confidence), START + DAY))
    if expected is None:
        assert found == []
        return
    (one,) = found
    assert isinstance(one, Suggestion)
    assert float(one.after) == pytest.approx(float(expected), abs=0.06)
    assert one.lean is Lean.TIGHTENS


def test_the_gate_asks_to_come_down_where_a_bucket_does_well() -> None:
    params = Parameters()
    params.set("entry.threshold_score", 3.2, "test")
    (one,) = AdaptiveGate(params).daily(_bucket(0.7, 0.44), START + DAY)
    assert isinstance(one, Suggestion)
    assert one.lean is Lean.LOOSENS
    assert one.after == "2.5"


def test_unpacked_paths_feed_the_search() -> None:
    (_, path, outcome), *_ = _past(_spikes(1), Parameters())
    again = Simulator("balanced").run(
        opportunity(opened_ns=START, stop=99.0, atr=0.5), unpacked(path), Parameters()
    )
    assert again is not None
    assert again.r == pytest.approx(outcome.r)
    assert opportunity().direction is Direction.LONG
