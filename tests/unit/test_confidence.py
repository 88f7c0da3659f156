"""The confidence sequence: valid at every look, tight where it matters, recomputable."""

from __future__ import annotations

import math

import numpy as np
import pytest

from engine.core.ids import generator
from engine.learning.confidence import ALPHA, RHO2, Sequence, half_width, sequence_of


def test_the_half_width_is_that_of_the_normal_mixture() -> None:
    n = 500
    expected = math.sqrt((n * RHO2 + 1) / (n**2 * RHO2) * math.log((n * RHO2 + 1) / ALPHA**2))
    assert half_width(n) == pytest.approx(expected)
    assert half_width(0) == math.inf
    assert half_width(1_000) < half_width(500) < half_width(100)


def test_looking_after_every_trade_does_not_find_something_in_noise() -> None:
    noise = generator(5, "confidence noise").normal(size=(400, 300))
    false = sum(_ever_decided(row) for row in noise)
    assert false / len(noise) <= 0.02


def test_an_effect_of_a_fifth_of_a_deviation_is_found_within_500() -> None:
    found = generator(6, "confidence effect").normal(0.2, 1.0, size=(200, 500))
    right = sum(_ever_decided(row) == 1 for row in found)
    assert right / len(found) >= 0.9


def _ever_decided(values: np.ndarray) -> int:
    sequence = Sequence()
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
