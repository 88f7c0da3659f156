"""Market data as it comes on a bad day; the soak runs the same with larger counts."""

from __future__ import annotations

import pytest

from tests.faults import market

COUNT = 1
"""Multiplier of every count here; raised by the soak."""


def test_the_store_equals_the_truth_after_gaps_repetitions_permutations_and_revisions() -> None:
    assert market.candle_streams(500 * COUNT, seed=30) == []


def test_a_forming_candle_that_claims_to_be_closed_is_no_close() -> None:
    assert market.forming_as_closed(1_000 * COUNT, seed=31) == []


def test_no_bad_tick_is_believed() -> None:
    assert market.bad_ticks(20_000 * COUNT, seed=32) == []


@pytest.mark.parametrize("drop", [0.12, 0.2, 0.35, 0.5])
def test_a_real_crash_is_believed_within_two_confirmations(drop: float) -> None:
    for case in range(20 * COUNT):
        assert 1 <= market.crash_confirmations(drop, seed=case) <= 2


def test_frozen_symbols_are_found_within_two_intervals_and_five_seconds() -> None:
    assert market.frozen_feeds(150 * COUNT, seed=29) == []
