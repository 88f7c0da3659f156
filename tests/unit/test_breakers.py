"""The breakers: what opens each, what clears it, who is not overruled, what a restart keeps."""

from __future__ import annotations

import pytest

from engine.core.clock import DAY, MINUTE, SECOND
from engine.core.parameters import Parameters
from engine.core.types import BreakerState, Control
from engine.risk.breakers import Breakers, Trip
from engine.risk.control import DAY_CLOSED

NOON = 20_000 * DAY + DAY // 2
CLOSED, OPEN, HALF = BreakerState.CLOSED, BreakerState.OPEN, BreakerState.HALF_OPEN


def breakers(**settings: object) -> Breakers:
    parameters = Parameters()
    for name, value in settings.items():
        parameters.set(name.replace("__", "."), value, "test")
    return Breakers(parameters)


def check(
    all_of: Breakers, equity: float, start: float = 100.0, peak: float = 100.0, at: int = NOON
) -> Trip | None:
    return all_of.check_account(start, equity, peak, at)


# Losses.


def test_the_daily_loss_closes_the_day_at_its_limit() -> None:
    b = breakers()
    assert check(b, 96.01) is None
    trip = check(b, 96.0)
    assert trip is not None
    assert trip.state is Control.REDUCING
    assert trip.reason.startswith(DAY_CLOSED)
    assert "4.00 %" in trip.reason
    view = b.daily.view()
    assert (view.state, view.value, view.limit, view.since_ns) == (OPEN, 4.0, 4.0, NOON)
    assert "00:00 UTC" in view.base


def test_the_drawdown_halts_and_goes_before_the_daily_loss() -> None:
    assert check(breakers(), 80.01, start=81.0) is None
    b = breakers()
    trip = check(b, 80.0, start=100.0)
    assert trip is not None
    assert trip.state is Control.HALTED
    assert "drawdown 20.00 %" in trip.reason
    assert {one.name for one in b.changed()} == {"drawdown", "daily_loss"}
    assert b.changed() == []


def test_a_day_that_recovers_stays_closed_until_the_next() -> None:
    b = breakers()
    assert check(b, 95.0) is not None
    assert check(b, 99.0) is None
    assert b.daily.open
    assert check(b, 99.0, start=99.0, at=NOON + DAY // 2) is None
    assert b.daily.closed


def test_a_person_who_resumed_is_not_overruled_until_the_loss_has_gone_and_come_again() -> None:
    b = breakers()
    assert check(b, 95.0) is not None
    b.acknowledge(NOON)
    assert b.daily.state is HALF
    assert b.blocking() == []
    assert check(b, 94.0) is None
    assert check(b, 97.0) is None
    assert b.daily.closed
    assert check(b, 95.0) is not None


def test_a_drawdown_stays_open_until_a_person_answers_whatever_it_measures() -> None:
    b = breakers()
    assert check(b, 80.0, start=81.0) is not None
    for days in range(1, 40):
        assert check(b, 100.0, at=NOON + days * DAY) is None
        b.check_time(NOON + days * DAY)
        assert b.drawdown.open
    assert b.drawdown in b.blocking()
    b.acknowledge(NOON + 40 * DAY)
    assert b.drawdown.closed
    again = check(b, 79.0, start=80.0)
    assert again is not None
    assert again.state is Control.HALTED


def test_both_limits_follow_their_parameters() -> None:
    b = breakers(risk__daily_loss_pct=6, risk__max_drawdown_pct=25)
    assert b.check_account(100.0, 95.0, 120.0, NOON) is None
    trip = breakers(risk__daily_loss_pct=6).check_account(100.0, 95.0, 120.0, NOON)
    assert trip is not None
    assert trip.state is Control.HALTED


def test_an_account_that_is_no_number_trips_nothing_by_itself() -> None:
    assert check(breakers(), float("nan")) is None


# Losses in a row.


def lose(b: Breakers, count: int, at: int = NOON) -> None:
    for _ in range(count):
        b.trade_closed(False, at)


def test_losses_in_a_row_pause_then_one_trial_and_a_win_closes() -> None:
    b = breakers()
    lose(b, 4)
    b.trade_closed(True, NOON)
    lose(b, 4)
    assert b.losses.closed
    lose(b, 1)
    assert b.losses.open
    assert b.losses.until_ns == NOON + 30 * MINUTE
    assert b.factor == 1.0
    b.check_time(NOON + 30 * MINUTE - 1)
    assert b.blocking() == [b.losses]
    b.check_time(NOON + 30 * MINUTE)
    assert b.losses.state is HALF
    assert b.blocking() == []
    assert b.factor == 0.5
    b.sent("O-1")
    assert b.blocking() == [b.losses]
    b.trade_closed(True, NOON + 40 * MINUTE)
    assert b.losses.closed
    assert b.blocking() == []
    assert b.factor == 1.0


def test_a_loss_on_trial_pauses_again_and_an_unfilled_trial_is_none() -> None:
    b = breakers(cb__consecutive_losses=3, cb__loss_pause_min=5)
    lose(b, 3)
    b.check_time(NOON + 5 * MINUTE)
    b.sent("O-1")
    b.ended("O-9")
    assert b.blocking() == [b.losses]
    b.ended("O-1")
    assert b.blocking() == []
    b.sent("O-2")
    b.trade_closed(False, NOON + 6 * MINUTE)
    assert b.losses.open
    assert b.losses.until_ns == NOON + 11 * MINUTE


def test_a_person_ends_the_pause_and_the_count_begins_anew() -> None:
    b = breakers()
    lose(b, 5)
    assert [one.name for one in b.acknowledge(NOON + MINUTE)] == ["losses"]
    lose(b, 4)
    assert b.losses.closed
    lose(b, 1)
    assert b.losses.open


# Feed and broker.


def test_failures_within_the_window_open_and_two_quiet_windows_close() -> None:
    b = breakers()
    for k in range(5):
        b.api.failed("timeout", NOON + k * 14 * SECOND)
        assert b.api.open is (k == 4)
    last = NOON + 56 * SECOND
    b.check_time(last + 59 * SECOND)
    assert b.api.open
    b.check_time(last + 60 * SECOND)
    assert b.api.state is HALF
    assert b.factor == 0.5
    b.check_time(last + 119 * SECOND)
    assert b.api.state is HALF
    b.check_time(last + 120 * SECOND)
    assert b.api.closed


def test_failures_that_are_far_apart_are_none() -> None:
    b = breakers()
    for k in range(50):
        b.api.failed("timeout", NOON + k * 15 * SECOND)
    assert b.api.closed


def test_one_failure_on_trial_opens_again() -> None:
    b = breakers()
    for _ in range(5):
        b.api.failed("timeout", NOON)
    b.check_time(NOON + 60 * SECOND)
    b.api.failed("banned", NOON + 61 * SECOND)
    assert b.api.open
    assert "banned" in b.api.reason


def test_stale_data_stops_entries_until_the_next_price_and_no_person_can_talk_it_young() -> None:
    b = breakers()
    b.check_data(14.9, NOON)
    assert b.stale.closed
    b.check_data(15.0, NOON)
    assert b.blocking() == [b.stale]
    assert b.acknowledge(NOON) == []
    assert b.stale.open
    b.check_data(0.2, NOON + SECOND)
    assert b.stale.closed
    loose = breakers(cb__data_stale_sec=300)
    loose.check_data(200.0, NOON)
    assert loose.stale.closed


def test_value_at_risk_holds_entries_while_it_is_too_large() -> None:
    b = breakers()
    b.check_var(3.2, 3.0, NOON)
    assert b.blocking() == [b.var]
    b.check_var(2.9, 3.0, NOON + MINUTE)
    assert b.blocking() == []


# Runaway.


@pytest.mark.parametrize(
    ("settings", "calls", "spacing_ns", "parent"),
    [
        ({}, 5, 0, ""),
        ({"cb__orders_per_s": 2}, 2, 0, ""),
        ({}, 5, 2 * SECOND, "P-1"),
        ({"cb__orders_per_parent": 1}, 1, 2 * SECOND, "P-1"),
        ({"cb__orders_per_day": 10}, 10, 2 * SECOND, ""),
    ],
)
def test_the_order_that_is_one_too_many_is_not_admitted_and_halts(
    settings: dict[str, object], calls: int, spacing_ns: int, parent: str
) -> None:
    b = breakers(**settings)
    at = NOON
    for _ in range(calls):
        assert b.runaway.admit(parent, at) is None
        at += spacing_ns
    trip = b.runaway.admit(parent, at)
    assert trip is not None
    assert trip.state is Control.HALTED
    assert b.runaway.open
    assert b.runaway.value == calls + 1
    for later in (SECOND, DAY, 30 * DAY):
        b.check_time(at + later)
        assert b.runaway.admit("other", at + later) is not None
    b.acknowledge(at + 2 * DAY)
    assert b.runaway.admit("other", at + 2 * DAY) is None


def test_the_day_s_orders_survive_a_person_s_resume_and_end_with_the_day() -> None:
    b = breakers(cb__orders_per_day=10)
    b.runaway.resume_day(10, NOON)
    assert b.runaway.admit("", NOON) is not None
    b.acknowledge(NOON)
    assert b.runaway.admit("", NOON) is not None
    b.acknowledge(NOON)
    assert b.runaway.admit("", NOON + DAY) is None


def test_asking_for_one_thing_over_and_over_halts_and_asking_now_and_then_does_not() -> None:
    b = breakers()
    same = ("BTC/USDT", "LONG", "technical")
    for k in range(200):
        assert b.runaway.asked(same, NOON + k * 7 * SECOND) is None
    other = breakers()
    trips = [other.runaway.asked(same, NOON) for _ in range(2_000)]
    assert [k for k, trip in enumerate(trips) if trip is not None] == [10]
    assert other.runaway.open
    assert "LONG BTC/USDT by technical" in other.runaway.reason


# Keeping.


def test_a_restart_takes_back_each_state_and_an_open_hard_breaker_halts() -> None:
    b = breakers()
    for _ in range(6):
        b.runaway.admit("", NOON)
    lose(b, 5)
    after = breakers()
    trip = after.restore([one.view() for one in b.all], [True, False, False], holding=False)
    assert trip == Trip(Control.HALTED, b.runaway.reason)
    assert after.runaway.open
    assert after.losses.open
    assert after.losses.until_ns == b.losses.until_ns
    assert after.changed() == []
    assert after.losses.value == 2.0


def test_what_was_on_trial_when_the_engine_stopped_is_still_on_trial() -> None:
    b = breakers()
    lose(b, 5)
    b.check_time(NOON + 30 * MINUTE)
    views = [one.view() for one in b.all]
    held, free = breakers(), breakers()
    held.restore(views, [], holding=True)
    free.restore(views, [], holding=False)
    assert held.blocking() == [held.losses]
    assert free.blocking() == []


def test_each_breaker_names_its_base_and_what_clears_it() -> None:
    for view in breakers().views():
        assert view.base
        assert view.clears
        assert view.title
        assert view.state is CLOSED
