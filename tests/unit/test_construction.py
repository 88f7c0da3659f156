"""Weights against closed forms, trims at the drift, displacement of what stands still."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from engine.core.clock import HOUR
from engine.core.parameters import Parameters
from engine.portfolio.construction import (
    Displacement,
    Standing,
    displaced,
    minimum_variance,
    rebalance,
    risk_parity,
    score_of,
)
from tests.decision_help import close_to

NOW = 1_700_000_000 * 10**9


def test_without_correlation_risk_parity_is_inverse_to_volatility() -> None:
    sigma = np.array([0.1, 0.2, 0.4])
    wanted = (1 / sigma) / (1 / sigma).sum()
    assert np.allclose(risk_parity(np.diag(sigma**2)), wanted, rtol=1e-9)


def test_of_two_assets_risk_parity_is_inverse_to_volatility_whatever_their_correlation() -> None:
    for rho in (-0.9, 0.0, 0.5, 0.99):
        cross = rho * 0.1 * 0.3
        found = risk_parity(np.array([[0.01, cross], [cross, 0.09]]))
        assert np.allclose(found, (0.75, 0.25), rtol=1e-8)


def test_budgets_share_the_risk_as_asked() -> None:
    covariance = np.array([[0.04, 0.01, 0.0], [0.01, 0.09, 0.02], [0.0, 0.02, 0.16]])
    budgets = np.array([0.5, 0.3, 0.2])
    weights = risk_parity(covariance, budgets)
    shares = weights * (covariance @ weights)
    assert np.allclose(shares / shares.sum(), budgets, rtol=1e-8)


def test_minimum_variance_where_all_are_wanted_is_the_closed_form() -> None:
    covariance = np.array([[0.04, 0.005, 0.0], [0.005, 0.09, 0.01], [0.0, 0.01, 0.16]])
    free = np.linalg.solve(covariance, np.ones(3))
    assert (free > 0).all()
    assert np.allclose(minimum_variance(covariance), free / free.sum(), rtol=1e-9)


def test_an_asset_that_would_be_sold_short_is_left_out() -> None:
    """σ 0.1 and 0.3 with ρ 0.8: the second only adds to the variance."""
    cross = 0.8 * 0.1 * 0.3
    assert np.allclose(minimum_variance(np.array([[0.01, cross], [cross, 0.09]])), (1.0, 0.0))


@pytest.mark.parametrize("covariance", [np.array([[1.0, 1.0], [1.0, 1.0]]), np.zeros((2, 2))])
def test_a_matrix_that_decides_nothing_is_refused(covariance: Any) -> None:
    with pytest.raises(ValueError, match="positive definite"):
        minimum_variance(covariance)


def test_risk_parity_refuses_an_asset_without_risk() -> None:
    with pytest.raises(ValueError, match="positive variance"):
        risk_parity(np.diag([1.0, 0.0]))


def test_only_what_drifted_too_far_above_its_target_is_trimmed_to_it() -> None:
    parameters = Parameters()
    held = {"BTC/USDT": 611.0, "ETH/USDT": 289.0, "SOL/USDT": 100.0}
    targets = {"BTC/USDT": 0.5, "ETH/USDT": 0.2, "SOL/USDT": 0.3}
    (trim,) = rebalance(held, targets, parameters)
    assert trim.symbol == "BTC/USDT"
    assert close_to(611.0 * (1.0 - trim.fraction), 500.0)
    assert (trim.share_pct, trim.target_pct) == (61.1, 50.0)
    parameters.set("meta.rebalance_drift_pct", 12, "test")
    assert rebalance(held, targets, parameters) == ()
    parameters.set("meta.rebalance_drift_pct", 2, "test")
    assert [one.symbol for one in rebalance(held, targets, parameters)] == ["BTC/USDT", "ETH/USDT"]


def test_without_a_target_or_a_position_nothing_is_trimmed() -> None:
    assert rebalance({"BTC/USDT": 900.0}, {}, Parameters()) == ()
    assert rebalance({}, {"BTC/USDT": 0.5}, Parameters()) == ()
    assert rebalance({"BTC/USDT": 0.0}, {"BTC/USDT": 0.0}, Parameters()) == ()


STAGNANT = Standing(
    position="POS-1", symbol="ETH/USDT", opened_ns=NOW - 5 * HOUR, pnl_pct=0.4, score=4.5
)


def asked(
    *standing: Standing, score: float = 7.0, last_ns: int | None = None, **settings: Any
) -> Displacement | None:
    parameters = Parameters()
    for name, value in settings.items():
        parameters.set(f"disp.{name}", value, "test")
    return displaced("BTC/USDT", score, standing, NOW, last_ns, parameters)


def test_a_better_candidate_displaces_a_position_that_stands_still() -> None:
    found = asked(STAGNANT)
    assert found is not None
    assert (found.position, found.advantage) == ("POS-1", 2.5)
    assert found.reason == ("BTC/USDT scores 7.0 against 4.5; stagnant at +0.40 % after 5.0 h")


@pytest.mark.parametrize(
    ("changed", "setting"),
    [
        ({"opened_ns": NOW - 4 * HOUR + 1}, ("min_age_hours", 3)),
        ({"pnl_pct": 1.0}, ("max_pnl_pct", 1.25)),
        ({"pnl_pct": -1.2}, ("max_pnl_pct", 1.25)),
        ({"score": 5.1}, ("score_advantage", 1.75)),
    ],
)
def test_each_condition_alone_keeps_it_and_its_parameter_lets_go(
    changed: dict[str, Any], setting: tuple[str, Any]
) -> None:
    standing = replace(STAGNANT, **changed)
    assert asked(standing) is None
    name, value = setting
    assert asked(standing, **{name: value}) is not None


def test_after_one_displacement_there_is_none_for_a_while() -> None:
    assert asked(STAGNANT, last_ns=NOW - 6 * HOUR + 1) is None
    assert asked(STAGNANT, last_ns=NOW - 6 * HOUR) is not None
    assert asked(STAGNANT, last_ns=NOW - 6 * HOUR + 1, cooldown_hours=5) is not None


@pytest.mark.parametrize(
    "changed",
    [{"taken_over": True}, {"symbol": "BTC/USDT"}, {"pnl_pct": float("nan")}],
)
def test_a_persons_position_its_own_symbol_and_the_unknown_stay(changed: dict[str, Any]) -> None:
    assert asked(replace(STAGNANT, **changed)) is None


def test_the_weakest_goes_and_of_equals_the_oldest() -> None:
    weaker = replace(STAGNANT, position="POS-2", score=4.0)
    older = replace(weaker, position="POS-3", opened_ns=NOW - 9 * HOUR)
    found = asked(STAGNANT, weaker, older)
    assert found is not None
    assert found.position == "POS-3"


def test_a_score_is_ten_confidences() -> None:
    assert score_of(0.55) == 5.5
