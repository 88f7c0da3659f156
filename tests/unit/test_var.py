"""Value at risk against samples whose answer is known, and the tests of its honesty."""

from __future__ import annotations

import math

import numpy as np
import pytest

from engine.core.ids import generator
from engine.core.parameters import Parameters
from engine.risk.portfolio import PortfolioRisk
from engine.risk.var import (
    BACKTEST_LEAST,
    DENSITY95,
    Z95,
    backtest,
    chi2_p,
    independence,
    kupiec,
    parametric,
    tail_of,
)
from tests.decision_help import close_to
from tests.risk_help import NAMES, SPAN, fill, moves, portfolio

BTC, ETH, SOL = NAMES[:3]


def test_var_is_the_loss_that_one_in_twenty_exceeds() -> None:
    pnl = np.array([-float(loss) for loss in range(1, 101)])
    found = tail_of(pnl)
    assert (found.var, found.cvar, found.n) == (95.0, 98.0, 100)
    assert sum(-pnl > found.var) == 5


def test_the_edge_of_the_tail_counts_by_its_fraction() -> None:
    """Of 30 outcomes the worst one and a half: 30, and half of 29."""
    found = tail_of(np.array([-float(loss) for loss in range(1, 31)]))
    assert found.var == 29.0
    assert close_to(found.cvar, (30.0 + 0.5 * 29.0) / 1.5)


def test_what_only_gains_has_no_value_at_risk_and_what_is_no_number_no_answer() -> None:
    assert tail_of(np.full(40, 3.0)).var == 0.0
    assert math.isnan(tail_of(np.empty(0)).var)
    assert math.isnan(tail_of(np.array([1.0] * 30 + [math.nan])).var)


def test_parametric_agrees_with_history_where_returns_are_normal() -> None:
    rng = generator(3, "normal")
    draws = rng.standard_normal(200_000) * 10.0
    seen = tail_of(draws)
    told = parametric(np.array([1.0]), np.array([[25.0]]), 4, 100)
    assert close_to(told.var, 10.0 * Z95)
    assert close_to(told.cvar, 10.0 * DENSITY95 / 0.05)
    assert close_to(seen.var, told.var, 0.02)
    assert close_to(seen.cvar, told.cvar, 0.02)


def test_the_constants_are_those_of_the_normal_distribution() -> None:
    assert close_to(0.5 * math.erfc(-Z95 / math.sqrt(2.0)), 0.95, 1e-12)
    assert close_to(math.exp(-Z95 * Z95 / 2.0) / math.sqrt(2.0 * math.pi), DENSITY95, 1e-12)


def test_kupiec_is_nothing_where_the_promise_is_kept_to_the_letter() -> None:
    assert kupiec(5, 100).statistic == 0.0
    assert close_to(kupiec(5, 100).p, 1.0)


def test_kupiec_by_hand() -> None:
    """2 of 100 at 5 %: −2·[2·ln(.05/.02) + 98·ln(.95/.98)]."""
    wanted = -2.0 * (2 * math.log(0.05 / 0.02) + 98 * math.log(0.95 / 0.98))
    assert close_to(kupiec(2, 100).statistic, wanted)
    assert close_to(kupiec(0, 38).statistic, -2.0 * 38 * math.log(0.95))
    assert kupiec(0, 38).p < 0.05 < kupiec(0, 37).p
    assert math.isnan(kupiec(0, 0).p)


def test_chi_square_at_its_tabled_values() -> None:
    assert close_to(chi2_p(3.841458820694124, 1), 0.05, 1e-9)
    assert close_to(chi2_p(5.991464547107979, 2), 0.05, 1e-9)
    with pytest.raises(ValueError, match="3 degrees"):
        chi2_p(1.0, 3)


def test_exceptions_that_come_together_are_told_from_as_many_that_come_singly() -> None:
    apart = [day % 20 == 0 for day in range(400)]
    together = [day < 20 for day in range(400)]
    assert kupiec(sum(apart), 400).p == kupiec(sum(together), 400).p
    assert independence(together).p < 1e-6
    assert independence(apart).p > 0.05
    assert backtest(apart).verdict == "not rejected"
    assert backtest(together).verdict == "rejected: exceptions cluster"
    assert backtest([day % 5 == 0 for day in range(400)]).verdict.endswith("too many exceptions")
    assert backtest([False] * 400).verdict.endswith("too few exceptions")


def test_below_the_least_it_claims_nothing() -> None:
    found = backtest([True] * (BACKTEST_LEAST - 1))
    assert found.verdict == f"insufficient data: n={BACKTEST_LEAST - 1} of {BACKTEST_LEAST}"
    assert backtest(()).verdict.startswith("insufficient data: n=0")


def test_positions_that_hedge_each_other_have_less_at_risk() -> None:
    risk = portfolio(loadings=(0.95, 0.95, 0.3))
    both = risk.var.historical({BTC: 1_000.0, ETH: 1_000.0})
    hedged = risk.var.historical({BTC: 1_000.0, ETH: -1_000.0})
    one = risk.var.historical({BTC: 1_000.0})
    assert both is not None
    assert hedged is not None
    assert one is not None
    assert hedged.var < 0.6 * one.var
    assert one.var < both.var < 2.0 * one.var * 1.05
    assert risk.var.historical({}) is not None


def test_it_scales_with_the_position_and_its_sides_differ() -> None:
    risk = portfolio()
    one, ten = risk.var.historical({BTC: 1.0}), risk.var.historical({BTC: 10.0})
    short = risk.var.historical({BTC: -1.0})
    assert one is not None
    assert ten is not None
    assert short is not None
    assert close_to(ten.var, 10.0 * one.var)
    assert short.var != one.var


def test_what_the_gate_goes_by_is_named() -> None:
    held = {BTC: 1_000.0}
    past, source = portfolio().var.asked(held)
    assert source == "historical, 200 days"
    assert past is not None
    normal, source = portfolio(bars=29 * 6 + 5).var.asked(held)
    assert source.startswith("parametric, 179 bars")
    assert normal is not None
    assert normal.var > 0.0
    assert portfolio(bars=30 * 6).var.asked(held)[1] == "historical, 30 days"
    unknown, source = portfolio(bars=50).var.asked(held)
    assert unknown is None
    assert source == "not known: too few bars of BTC/USDT"


def test_the_candidate_is_in_its_own_value_at_risk() -> None:
    risk = portfolio()
    before = risk.around(BTC, 0.0, {ETH: 1_000.0}).var
    after = risk.around(BTC, 1_000.0, {ETH: 1_000.0}).var
    assert before is not None
    assert after is not None
    assert after > 1.5 * before


def test_a_backtest_of_a_steady_market_is_not_rejected_and_counts_each_day_once() -> None:
    found = portfolio(seed=11).var.backtest({BTC: 1_000.0, SOL: 500.0})
    assert found.n == 200 - 30
    assert found.verdict == "not rejected"
    assert portfolio(bars=400).var.backtest({BTC: 1.0}).verdict.startswith("insufficient data")


def test_a_forecast_knows_nothing_of_the_day_that_judges_it() -> None:
    returns = moves(5, 600, (0.9,))
    changed = returns.copy()
    changed[-6:] = -0.2
    found = []
    for history in (returns, changed):
        risk = PortfolioRisk(SPAN, Parameters())
        fill(risk.book, history)
        risk.refresh()
        found.append(risk.var.forecasts({BTC: 1_000.0}))
    before, after = found
    assert [var for var, _ in before] == [var for var, _ in after]
    assert before[:-1] == after[:-1]
    assert after[-1][1] == pytest.approx(1_000.0 * (1.0 - math.exp(-1.2)))


def test_a_backtest_sees_that_a_market_grew_wilder_than_its_past() -> None:
    returns = moves(5, 1_200, (0.9,))
    returns[600:] *= 6.0
    risk = PortfolioRisk(SPAN, Parameters())
    fill(risk.book, returns)
    risk.refresh()
    found = risk.var.backtest({BTC: 1_000.0})
    assert found.verdict == "rejected: too many exceptions"
    assert found.kupiec.p < 0.01
