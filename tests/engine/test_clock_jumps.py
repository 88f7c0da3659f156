"""The clock leaps under a running engine: nothing on old prices, nothing in a burst."""

from __future__ import annotations

from engine.core.clock import SECOND
from tests.engine.scripted import BTC, ETH
from tests.faults.clocks import jumps, leap_over
from tests.faults.kernel import engine


def test_leaps_of_seconds_to_days_order_nothing_on_what_was_before() -> None:
    assert jumps(6, seed=1) == []


def test_the_oracle_sees_an_order_that_is_made() -> None:
    with engine(symbols=(BTC, ETH), live=True, approval="review") as script:
        found = leap_over(script, 1 * SECOND, 0.3)
    assert "approved on a price of before the leap" in found
    assert any("orders before there was a price" in one for one in found)
