"""The rules of the position step, one scenario each."""

from __future__ import annotations

import math
from typing import Any

import pytest

from engine.core.errors import InvariantBroken, QuarterdeckError
from engine.core.exits import ExitReason
from engine.core.parameters import Parameters, Scope
from engine.core.types import Direction
from engine.position import step
from engine.position.plan import explained
from engine.position.watch import PositionWatch
from tests.position_help import MINUTE, START, plan, walk, watch
from tests.ui.fakehub import make_trade

HOUR = 60 * MINUTE
DAY = 24 * HOUR


@pytest.mark.parametrize(
    ("regime", "distance"),
    [("STRONG_BULL", 2.5), ("BULL", 2.5), ("BEAR", 1.5), ("STRONG_BEAR", 1.5), ("CRASH", 1.0),
     ("SIDEWAYS", 2.0), ("HIGH_VOL", 1.5), (None, 2.0)],
)  # fmt: skip
def test_the_initial_stop_follows_the_regime(regime: str | None, distance: float) -> None:
    assert watch(regime=regime, atr=1.5).stop == pytest.approx(100 - 1.5 * distance)
    short = watch(regime=regime, atr=1.5, direction=Direction.SHORT)
    assert short.stop == pytest.approx(100 + 1.5 * distance)


def test_who_decides_the_initial_stop() -> None:
    assert watch(strategy=None).stop == pytest.approx(99.0)
    assert watch(stop=97.5).stop == 97.5
    assert watch(stop_pct=6.0).stop == pytest.approx(94.0)
    parameters = Parameters()
    parameters.set("exit.stop_atr_mult", 3.0, "person", Scope(strategy="ema_cross"))
    assert watch(parameters).stop == pytest.approx(97.0)
    lines = {line.name: line for line in explained(parameters, plan(parameters))}
    assert lines["initial stop"].source == "exit.stop_atr_mult (person)"


@pytest.mark.parametrize(
    ("changed", "said"),
    [({"atr": math.nan}, "warming up"), ({"stop": 101.0}, "no stop"), ({"lots": 0}, "one lot"),
     ({"targets": (99.0,)}, "profitable side"), ({"profile": "wild"}, "balanced"),
     ({"fee": math.nan}, "fee"), ({"targets": (101.0, 102.0, 103.0, 104.0, 105.0)}, "4 at most")],
)  # fmt: skip
def test_an_entry_that_cannot_be_protected_is_refused(changed: dict[str, Any], said: str) -> None:
    with pytest.raises(QuarterdeckError, match=said):
        plan(**changed)


def test_the_r_ladder_leaves_a_quarter_to_the_trailing_stop() -> None:
    held = watch()
    assert held.targets == pytest.approx((102.0, 104.0, 106.0))
    events = walk(held, 102.0, 104.0, 106.0, 110.0, 108.0)
    assert [(e.reason, e.lots) for e in events] == [
        (ExitReason.PARTIAL_PROFIT, 250),
        (ExitReason.PARTIAL_PROFIT, 250),
        (ExitReason.PARTIAL_PROFIT, 250),
        (ExitReason.TRAILING_STOP_LOSS, 250),
    ]
    assert held.closed
    assert held.mfe_pct == pytest.approx(10.0)


def test_the_ladders_of_flow_and_ml_sell_everything() -> None:
    flow = walk(watch(profile="flow", stop=90.0), 102.0, 105.0, 110.0)
    assert [e.lots for e in flow] == [300, 300, 400]
    parameters = Parameters()
    parameters.set("scale_in.max_ops", 0, "test")
    ml = walk(watch(parameters, profile="ml", stop=90.0), 103.0, 106.0, 110.0)
    assert [e.lots for e in ml] == [250, 250, 500]


def test_partial_exits_are_on_by_default_and_off_leaves_one_take_profit() -> None:
    parameters = Parameters()
    parameters.set("exit.partial_exits", False, "person")
    held = watch(parameters)
    assert held.targets == pytest.approx((103.0,))
    (event,) = walk(held, 103.2)
    assert (event.reason, event.price, event.lots) == (ExitReason.TAKE_PROFIT, 103.2, 1000)


def test_several_own_targets_share_the_position_equally() -> None:
    held = watch(profile="sniper", stop=98.0, targets=(104.0, 101.0, 102.0))
    assert held.targets == (101.0, 102.0, 104.0)
    events = walk(held, 101.0, 102.0, 104.0)
    assert [e.lots for e in events] == [333, 333, 334]
    assert events[-1].reason is ExitReason.TAKE_PROFIT


def test_the_trailing_distance_is_the_wider_of_both_by_default() -> None:
    for mode, stop in (("max", 103.5), ("atr", 103.5), ("pct", 104.475)):
        parameters = Parameters()
        parameters.set("exit.trail_mode", mode, "test")
        held = watch(parameters)
        walk(held, 105.0)
        assert held.stop == pytest.approx(stop)
        assert held.stop_kind is ExitReason.TRAILING_STOP_LOSS


def test_flow_trails_from_the_entry() -> None:
    held = watch(profile="flow", stop=90.0)
    assert held.stop == pytest.approx(98.5)
    walk(held, 100.5)
    assert held.stop == pytest.approx(100.5 * 0.985)


def test_scale_ins_grow_the_position_and_move_its_break_even() -> None:
    held = watch(profile="ml", stop=90.0)
    events = walk(held, 102.0)
    assert [(e.code, e.lots, e.reason) for e in events] == [(step.SCALED_IN, 250, None)]
    assert held.lots == 1250
    assert held.entry == pytest.approx((100 * 1000 + 102 * 250) / 1250)
    sold = walk(held, 103.0)
    assert [e.lots for e in sold] == [312]


def test_time_exits() -> None:
    quiet = watch(profile="flow")
    assert walk(quiet, 100.0, span=239 * MINUTE) == []
    (event,) = walk(quiet, 100.1)
    assert event.reason is ExitReason.TIME_EXIT
    earning = watch(profile="flow")
    assert walk(earning, 100.9, span=241 * MINUTE) == []
    assert [e.reason for e in walk(earning, 100.9, span=12 * DAY)][-1] in (
        ExitReason.STALE,
        ExitReason.URGENCY,
    )
    (held,) = walk(watch(profile="sniper"), 100.9, span=14 * DAY)
    assert held.reason is ExitReason.TIME_EXIT
    (bars,) = walk(watch(max_hold_ns=50 * 15 * MINUTE), 100.1, span=50 * 15 * MINUTE)
    assert bars.reason is ExitReason.TIME_EXIT


def test_stale_asks_again_every_day() -> None:
    held = watch(profile="flow", stop=90.0)
    held._rules[step.R_URGENCY_EXIT] = math.nan
    held._marks[step.TIME_UNTIL] = step.NEVER
    assert [e.reason for e in walk(held, 103.5, span=12 * DAY)] == [ExitReason.PARTIAL_PROFIT]
    assert walk(held, 102.5, span=DAY // 2) == []
    assert [e.reason for e in walk(held, 102.5, span=DAY // 2)] == [ExitReason.STALE]


def test_flat_before_the_end_of_day_and_the_weekend() -> None:
    parameters = Parameters()
    parameters.set("exit.end_of_day_flat", True, "person")
    (day,) = walk(watch(parameters), 100.0, span=DAY - START % DAY)
    assert day.reason is ExitReason.END_OF_DAY
    (close,) = walk(watch(parameters, day_end_ns=START + HOUR), 100.0, span=HOUR)
    assert close.reason is ExitReason.END_OF_DAY
    parameters = Parameters()
    parameters.set("exit.weekend_flat", True, "person")
    saturday = 1_700_265_600_000_000_000  # 2023-11-18 00:00 UTC, the first after START
    assert walk(watch(parameters), 100.0, span=saturday - START - 1) == []
    (week,) = walk(watch(parameters), 100.0, span=saturday - START)
    assert week.reason is ExitReason.WEEKEND


def test_urgency_cuts_once_and_then_closes_with_every_reason_named() -> None:
    held = watch(stop=80.0, score=0.9)
    assert walk(held, 98.4) == []
    (cut,) = walk(held, 96.9)
    assert (cut.reason, cut.lots, cut.fired) == (ExitReason.URGENCY, 500, ("drawdown", "trail"))
    assert walk(held, 96.8) == []
    held.refresh(1.0, 0.5, "BEAR")
    (left,) = walk(held, 96.8)
    assert left.closed
    assert left.fired == ("entry_decay", "drawdown", "trail", "regime_change")
    assert left.urgency == pytest.approx(10 * 4 / 6)
    assert left.text == ("urgency; urgency 6.7: entry_decay, drawdown, trail, regime_change")


def test_an_absent_input_is_named_and_not_counted_as_calm() -> None:
    held = watch(stop=80.0, regime=None)
    (cut,) = walk(held, 96.9)
    assert cut.absent == ("entry_decay", "regime_change")
    assert cut.urgency == pytest.approx(10 * 2 / 4)
    assert "absent: entry_decay, regime_change" in cut.text


def test_a_regime_that_turns_in_favour_is_no_reason_to_leave() -> None:
    held = watch(stop=80.0, score=0.9)
    held.refresh(1.0, 0.9, "STRONG_BULL")
    (cut,) = walk(held, 96.0)
    assert "regime_change" not in cut.fired


def test_a_crash_halves_the_position_and_tightens_its_stop() -> None:
    held = watch(stop=90.0)
    walk(held, 100.0)
    held.refresh(2.0, math.nan, "CRASH")
    (cut,) = walk(held, 100.0)
    assert (cut.reason, cut.lots) == (ExitReason.REDUCE_HALF, 500)
    assert held.stop == pytest.approx(98.0)
    (out,) = walk(held, 97.9)
    assert out.reason is ExitReason.EMERGENCY_EXIT


def test_a_diamond_leaves_quickly() -> None:
    (gain,) = walk(watch(diamond=True), 101.5)
    assert (gain.reason, gain.lots) == (ExitReason.QUICK_EXIT, 1000)
    (old,) = walk(watch(diamond=True), 100.1, span=60 * MINUTE)
    assert old.reason is ExitReason.QUICK_EXIT
    assert walk(watch(), 101.5) == []


def test_requests_of_a_policy_or_an_evolved_rule() -> None:
    held = watch()
    held.request(ExitReason.REDUCE_HALF)
    (cut,) = walk(held, 100.0)
    assert (cut.reason, cut.lots) == (ExitReason.REDUCE_HALF, 500)
    assert walk(held, 100.0) == []
    held.request(ExitReason.EVOLVED_RULE)
    (out,) = walk(held, 100.0)
    assert (out.reason, out.closed) == (ExitReason.EVOLVED_RULE, True)
    with pytest.raises(QuarterdeckError):
        held.request(ExitReason.STALE)


def test_the_liquidation_guard_works_where_a_gap_jumps_the_stop() -> None:
    held = watch()
    held.set_guard(95.0)
    (out,) = walk(held, 94.0)
    assert (out.reason, out.price) == (ExitReason.LIQUIDATION, 94.0)


def test_a_position_a_person_took_over_is_left_alone() -> None:
    held = watch(diamond=True, profile="flow")
    stop = held.stop
    held.set_taken_over(True)
    held.set_guard(90.0)
    held.request(ExitReason.FORCE_EXIT)
    assert walk(held, 101.9, 101.0, span=20 * DAY) == []
    assert held.stop == stop
    assert held.move_stop(None, by_person=True)
    assert held.stop is None
    assert walk(held, 91.0) == []
    (out,) = walk(held, 89.9)
    assert out.reason is ExitReason.LIQUIDATION


def test_only_a_person_may_loosen_a_stop() -> None:
    held = watch()
    assert not held.move_stop(97.0)
    assert held.stop == pytest.approx(98.0)
    assert held.move_stop(99.0)
    assert held.move_stop(98.6, by_person=True)
    assert walk(held, 98.8) == []
    assert held.stop == 98.6
    with pytest.raises(QuarterdeckError, match="fire at once"):
        held.move_stop(98.9, by_person=True)
    (out,) = walk(held, 98.55)
    assert out.reason is ExitReason.STOP_LOSS


def test_a_moved_stop_holds_from_the_next_price_on() -> None:
    held = watch()
    walk(held, 100.0)
    held.move_stop(99.5)
    (out,) = walk(held, 99.4)
    assert (out.reason, out.price) == (ExitReason.STOP_LOSS, 99.4)


def test_drawdown_velocity_is_measured_from_the_best_price() -> None:
    fast = watch(stop=80.0)
    walk(fast, 100.4, span=5 * HOUR)
    (cut,) = walk(fast, 97.3)
    assert "drawdown" in cut.fired
    slow = watch(stop=80.0)
    walk(slow, 100.4)
    assert walk(slow, 98.9, 97.3, span=HOUR) == []


def test_urgency_follows_a_rise_in_which_no_rule_spoke() -> None:
    held = watch(stop=70.0, atr=6.0)
    (cut,) = walk(held, 100.6, 101.2, 103.0, 105.0, 101.5)
    assert (cut.reason, cut.fired) == (ExitReason.URGENCY, ("drawdown", "trail"))


def test_a_person_moves_the_targets() -> None:
    held = watch()
    walk(held, 102.0)
    held.move_targets([103.0, 103.5])
    assert held.targets == (103.0, 103.5)
    assert [e.lots for e in walk(held, 103.0, 103.5)] == [375, 375]
    with pytest.raises(QuarterdeckError, match="profitable side"):
        watch().move_targets([99.0])
    free = watch()
    free.move_targets([])
    assert free.targets == ()
    assert walk(free, 104.0) == []


@pytest.mark.parametrize("prices", [(102.0,), (97.0,)])
def test_a_failed_order_is_announced_again(prices: tuple[float, ...]) -> None:
    held = watch()
    (event,) = walk(held, *prices)
    held.restore(event)
    assert held.lots == 1000
    (again,) = walk(held, *prices)
    assert (again.reason, again.lots) == (event.reason, event.lots)


def test_lots_sold_elsewhere_are_not_sold_again() -> None:
    held = watch()
    held.reduce(900)
    events = walk(held, 102.0, 104.0, 97.0)
    assert sum(e.lots for e in events) == 100
    with pytest.raises(QuarterdeckError):
        watch().reduce(1001)


def test_a_price_that_is_none_and_time_that_runs_backwards_stop_at_once() -> None:
    held = watch()
    for bad in (math.nan, 0.0, -1.0, math.inf):
        with pytest.raises(InvariantBroken):
            held.on_price(bad, START + 1)
    held.on_price(100.0, START + 5)
    with pytest.raises(InvariantBroken):
        held.on_price(100.0, START + 4)


def test_excursions_are_those_of_the_time_it_was_held() -> None:
    held = watch()
    held.on_bar(100.0, 101.5, 98.5, 101.0, START, START + MINUTE)
    assert held.mfe_pct == pytest.approx(1.5)
    assert held.mae_pct == pytest.approx(1.5)
    assert held.r_multiple == pytest.approx(0.5)
    held = watch()
    (out,) = held.on_bar(100.0, 110.0, 90.0, 95.0, START, START + MINUTE)
    assert out.reason is ExitReason.STOP_LOSS
    assert held.mae_pct == pytest.approx(2.0)
    assert held.mfe_pct == 0.0
    assert make_trade(pnl_pct=1.0, mfe_pct=2.0).exit_efficiency == 0.5
    assert make_trade(pnl_pct=3.0, mfe_pct=2.0).exit_efficiency == 1.0
    assert make_trade(pnl_pct=-1.0, mfe_pct=2.0).exit_efficiency == -0.5
    assert math.isnan(make_trade(pnl_pct=-1.0, mfe_pct=0.0).exit_efficiency)


def test_a_stored_watch_of_another_layout_is_refused() -> None:
    stored = watch().to_dict()
    stored["state"] = stored["state"][:-1]
    with pytest.raises(QuarterdeckError, match="layout"):
        PositionWatch.from_dict(stored)
    with pytest.raises(QuarterdeckError, match="can't be read"):
        PositionWatch.from_dict({"state": 3})
