"""The interval of the study of two symbols, on series whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from engine.core.ids import generator
from tests.studies.two_symbols import difference, sharpe


def test_a_sharpe_ratio_by_hand() -> None:
    days = np.array([0.01, -0.01, 0.03, 0.01])
    assert float(sharpe(days)) == pytest.approx(0.01 / np.std(days, ddof=1) * 365**0.5)
    assert np.isnan(sharpe(np.zeros(5)))


def test_a_series_differs_from_itself_by_nothing_at_every_draw() -> None:
    days = generator(1, "days").normal(0.0, 0.02, 400)
    assert difference(days, days, 10, draws=200) == (0.0, 0.0, 0.0)


def test_what_is_better_every_day_is_seen_and_what_is_not_is_not() -> None:
    days = generator(2, "days").normal(0.0, 0.02, 700)
    apart, low, high = difference(days, days + 0.002, 10, draws=300)
    assert 0.0 < low < apart < high
    other = generator(3, "days").normal(0.0, 0.02, 700)
    _, low, high = difference(days, other, 10, draws=300)
    assert low < 0.0 < high
