"""What every risk manager owes: a budget that is a number, within the ceiling, and repeats."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings

from engine.core.parameters import Parameters
from engine.core.regimes import Regime
from engine.risk.limits import RISK_CEILING
from engine.risk.managers import CORE, MANAGERS, manager_of
from engine.risk.sizers import SIZERS
from engine.risk.sizing import SizeContext, size_entry
from tests.decision_help import close_to, sizing
from tests.property.test_sizing_properties import entries
from tests.property.test_sizing_properties import settings as limits_set

NAMES = sorted(MANAGERS)


def granted(name: str, context: SizeContext, parameters: Parameters | None = None) -> float:
    return MANAGERS[name].terms(context, parameters or Parameters()).risk


@pytest.mark.parametrize("name", NAMES)
@given(context=entries(), parameters=limits_set())
@settings(max_examples=40, deadline=None)
def test_a_budget_is_a_number_within_the_ceiling_and_repeats(
    name: str, context: SizeContext, parameters: Parameters
) -> None:
    for one in (context, replace(context, daily_vol_pct=math.nan), replace(context, regime=None)):
        terms = MANAGERS[name].terms(one, parameters)
        assert 0.0 <= terms.risk <= parameters.get(RISK_CEILING)
        assert terms.why
        assert MANAGERS[name].terms(one, parameters) == terms


def test_core_grants_the_risk_of_one_trade() -> None:
    assert granted("core", sizing()) == 1.0
    assert granted("core", sizing(diamond=True)) == 2.0


def test_regime_adaptive_follows_the_regime_down_and_never_up() -> None:
    def at(regime: Regime | None) -> float:
        return granted("regime_adaptive", sizing(regime=regime, regime_confidence=1.0))

    assert close_to(at(Regime.CRASH), 0.3)
    assert close_to(at(Regime.SIDEWAYS), 0.7)
    assert at(Regime.BULL) == 1.0
    assert close_to(at(None), 0.3)


def test_volatility_grants_less_the_wilder_the_market_and_treats_unknown_as_wild() -> None:
    assert granted("volatility", sizing(daily_vol_pct=1.0)) == 1.0
    assert granted("volatility", sizing(daily_vol_pct=6.0)) == 0.5
    assert granted("volatility", sizing(daily_vol_pct=math.nan)) == 0.7


def test_fixed_grants_the_same_whatever_the_market_and_takes_no_boost() -> None:
    p = Parameters()
    p.set("risk.per_trade_pct", 0.5, "test")
    quiet = sizing(regime=Regime.BULL, regime_confidence=1.0, daily_vol_pct=0.5)
    wild = sizing(regime=Regime.SIDEWAYS, daily_vol_pct=2.0)
    assert granted("fixed", quiet, p) == granted("fixed", wild, p) == 0.5
    fixed = size_entry(quiet, p, SIZERS["fixed_fraction"], MANAGERS["fixed"])
    names = [factor.name for factor in fixed.factors]
    assert not [factor for factor in fixed.factors if factor.name.startswith("regime")]
    p.set("risk.per_trade_pct", 1.0, "test")
    core = size_entry(replace(quiet, stop=quiet.price / 2), p, SIZERS["fixed_fraction"])
    assert "low volatility" in [factor.name for factor in core.factors]
    assert "low volatility" not in names


def test_reductions_hold_under_every_manager() -> None:
    for name in NAMES:
        whole = size_entry(sizing(stop=50), Parameters(), SIZERS["fixed_fraction"], MANAGERS[name])
        less = size_entry(
            sizing(stop=50, drawdown_pct=16.0),
            Parameters(), SIZERS["fixed_fraction"], MANAGERS[name],
        )  # fmt: skip
        assert close_to(less.pct / whole.pct, 0.4, 0.05)


def test_a_name_set_by_a_person_goes_over_the_strategy_s_own() -> None:
    p = Parameters()
    assert manager_of(p, "technical", "volatility").name == "volatility"
    assert manager_of(p, "technical", "no such thing") is CORE
    p.set("risk.manager", "fixed", "test")
    assert manager_of(p, "technical", "volatility").name == "fixed"
