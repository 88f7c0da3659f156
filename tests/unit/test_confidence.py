"""The confidence sequence: valid at every look, tight where it matters, recomputable."""

from __future__ import annotations

import math

import numpy as np
import pytest

from engine.core.ids import generator
from engine.learning.confidence import ALPHA, EFFECT, SPREAD, Sequence, reach, sequence_of
from engine.learning.ledger import KEEPING


@pytest.mark.parametrize("alpha", [0.05, 0.04, 0.001])
@pytest.mark.parametrize("n", [1, 10, 500, 20_000])
def test_the_reach_is_where_the_mixture_has_grown_to_one_in_alpha(n: int, alpha: float) -> None:
    total = n * reach(n, alpha)
    effects = np.linspace(EFFECT - 12 * SPREAD, EFFECT + 12 * SPREAD, 400_001)
    density = np.exp(-(((effects - EFFECT) / SPREAD) ** 2) / 2) / (SPREAD * math.sqrt(2 * math.pi))
    grown = np.trapezoid(np.exp(effects * total - effects**2 * n / 2) * density, effects)
    assert grown == pytest.approx(1 / alpha, rel=1e-6)


def test_the_reach_shrinks_with_every_look() -> None:
    assert reach(0, ALPHA) == math.inf
    narrow = [reach(n, ALPHA) for n in range(1, 3_000)]
    assert narrow == sorted(narrow, reverse=True)


@pytest.mark.parametrize("below", [0.5, KEEPING])
@pytest.mark.parametrize("kind", ["normal", "rare losses", "rare gains", "heavy tails", "small"])
def test_looking_after_every_trade_does_not_find_something_in_noise(
    kind: str, below: float
) -> None:
    """Both ends together stay within the error, also where results lie as trades' do."""
    draws, shape = generator(5, f"confidence {kind}"), (1_000, 500)
    noise = {
        "normal": draws.normal(size=shape),
        "rare losses": 1 - draws.exponential(size=shape),
        "rare gains": np.where(draws.random(shape) < 0.25, 3.0, -1.0),
        "heavy tails": draws.standard_t(3, shape) / math.sqrt(3),
        "small": 0.3 * (1 - draws.exponential(size=shape)),
    }[kind]
    found = [_ever_decided(row, below) for row in noise]
    assert sum(map(abs, found)) / len(found) <= ALPHA
    if kind in ("normal", "heavy tails", "small"):
        assert found.count(1) / len(found) <= ALPHA * below
        assert found.count(-1) / len(found) <= ALPHA * (1 - below)


def test_an_effect_of_a_fifth_of_a_deviation_is_found_within_500() -> None:
    found = generator(6, "confidence effect").normal(0.2, 1.0, size=(600, 500))
    right = sum(_ever_decided(row, KEEPING) == 1 for row in found)
    assert right / len(found) >= 0.96


def _ever_decided(values: np.ndarray, below: float) -> int:
    sequence = Sequence(ALPHA, below)
    for value in values.tolist():
        sequence.add(value)
        if sequence.n >= 10 and sequence.verdict:
            return sequence.verdict
    return 0


def test_unequal_ends_share_the_same_error() -> None:
    values = generator(7, "ends").normal(0.2, 1.0, 80).tolist()
    even, uneven = sequence_of(values), sequence_of(values, ALPHA, 0.7)
    assert uneven.low > even.low
    assert uneven.high > even.high
    assert uneven.low == sequence_of(values, 1.4 * ALPHA).low
    assert uneven.high == sequence_of(values, 0.6 * ALPHA).high


def test_what_made_no_difference_is_counted_apart() -> None:
    sequence = sequence_of([0.0, 1.0, 0.0, -1.0])
    assert (sequence.n, sequence.same) == (2, 2)
    assert sequence.evidence("difference", "R").note == "2 more made no difference"


def test_one_wild_result_decides_nothing() -> None:
    assert sequence_of([1e9]).verdict == 0
    assert sequence_of([1e-3] * 30).verdict == 0


def test_nothing_seen_is_told_as_nothing() -> None:
    empty = Sequence()
    shown = empty.evidence("difference", "R")
    assert (shown.n, shown.bound) == (0, False)
    assert math.isnan(shown.low)
    assert empty.verdict == 0
    with pytest.raises(ValueError, match="nan"):
        empty.add(math.nan)


def test_the_interval_and_the_verdict_agree() -> None:
    values = generator(7, "confidence interval").normal(0.4, 1.0, 400).tolist()
    sequence = Sequence()
    for value in values:
        sequence.add(value)
        assert sequence.low <= sequence.high
        assert (sequence.verdict == 1) == (sequence.low > 0)
    assert sequence.verdict == 1
    assert sequence_of(values) == sequence
