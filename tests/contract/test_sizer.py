"""What every sizer owes: a base that is a number, repeats, and can't exceed any cap."""

from __future__ import annotations

import math
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.core.parameters import Parameters
from engine.core.regimes import Regime
from engine.core.types import ExpectedValue
from engine.risk.limits import position_cap_pct, risk_limit_pct
from engine.risk.managers import MANAGERS
from engine.risk.sizers import CONFIDENCE_SCALED, SIZERS, Sizer, Step, sizer_of
from engine.risk.sizing import Size, SizeContext, size_entry
from tests.decision_help import close_to, sizing
from tests.property.test_sizing_properties import entries
from tests.property.test_sizing_properties import settings as limits_set

NAMES = sorted(SIZERS)


def edge(probability: float = 0.55, n: int = 400, win: float = 300.0, loss: float = 150.0) -> Any:
    return ExpectedValue(
        probability=probability, win_bps=win, loss_bps=loss, fees_bps=20.0, spread_bps=1.0,
        slippage_bps=1.0, net_bps=10.0, n=n, prior=False,
    )  # fmt: skip


def base_of(name: str, context: SizeContext, parameters: Parameters | None = None) -> float:
    p = parameters if parameters is not None else Parameters()
    return SIZERS[name].steps(context, p, 0.02, 1.0)[-1][2]


@pytest.mark.parametrize("name", NAMES)
@given(context=entries(), parameters=limits_set())
@settings(max_examples=40, deadline=None)
def test_a_base_is_a_number_and_repeats(
    name: str, context: SizeContext, parameters: Parameters
) -> None:
    for known in (context, replace(context, edge=edge())):
        steps = SIZERS[name].steps(known, parameters, 0.01, 1.0)
        assert steps
        assert all(math.isfinite(pct) and pct >= 0.0 for _, _, pct in steps)
        assert SIZERS[name].steps(known, parameters, 0.01, 1.0) == steps


def within_caps(context: SizeContext, size: Size, parameters: Parameters) -> None:
    regime = context.regime.value if context.regime is not None else None
    slack = 1.0 + 1e-9
    held = context.symbol_exposure / context.equity * 100.0
    assert size.pct + held <= max(held, position_cap_pct(parameters, regime)) * slack
    most = risk_limit_pct(parameters, context.diamond, regime)
    assert size.risk / context.equity * 100.0 <= most * slack
    assert size.notional / max(context.leverage, 1) <= max(0.0, context.cash) * slack


class _Greedy:
    """Wants all there is, and sometimes what is no number."""

    name = "greedy"

    def __init__(self, wanted: float) -> None:
        self._wanted = wanted

    def steps(
        self, context: SizeContext, p: Parameters, distance: float, risk: float
    ) -> tuple[Step, ...]:
        return (("greed", self._wanted, self._wanted),)


@pytest.mark.parametrize("manager", sorted(MANAGERS))
@given(
    context=entries(),
    parameters=limits_set(),
    name=st.sampled_from(NAMES),
    wanted=st.one_of(st.none(), st.floats()),
)
@settings(max_examples=60, deadline=None)
def test_no_sizer_and_no_manager_exceeds_any_cap(
    manager: str, context: SizeContext, parameters: Parameters, name: str, wanted: float | None
) -> None:
    sizer: Sizer = SIZERS[name] if wanted is None else _Greedy(wanted)
    size = size_entry(replace(context, edge=edge()), parameters, sizer, MANAGERS[manager])
    within_caps(context, size, parameters)


def test_each_sizer_answers_its_own_question() -> None:
    sure, unsure = sizing(confidence=0.81), sizing(confidence=0.36)
    assert close_to(base_of("confidence_scaled", sure), 20 * 0.81**1.5)
    assert close_to(base_of("confidence_weighted", sure), 20 * 0.81)
    assert base_of("fixed_fraction", sure) == base_of("fixed_fraction", unsure) == 50.0
    assert base_of("regime_adaptive", replace(unsure, regime=Regime.BULL)) == 20.0
    assert base_of("regime_adaptive", unsure) == 6.0
    assert close_to(base_of("fixed_amount", sizing(equity=10_000.0)), 5.0)


def test_a_fixed_amount_shrinks_in_a_wild_market_and_halves_in_an_unknown_one() -> None:
    def calm(vol: float) -> float:
        return base_of("fixed_amount", sizing(equity=10_000.0, daily_vol_pct=vol))

    assert close_to(calm(6.0), 2.5)
    assert close_to(calm(math.nan), 2.5)
    assert close_to(calm(1.0), 5.0)


def test_kelly_takes_a_fraction_of_the_proven_edge() -> None:
    """p is Wilson's lower bound of 55 % in 420 trades; b is 278/172 net of costs."""
    n, p, z = 420, 0.55, 1.65
    low = (p + z * z / (2 * n) - z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))) / (
        1 + z * z / n
    )
    wanted = 0.25 * (low - (1 - low) * 172 / 278) / 0.0172 * 100
    context = sizing(confidence=0.9, edge=edge())
    assert close_to(base_of("kelly", context), wanted, 1e-6)
    half = Parameters()
    half.set("size.kelly_fraction", 0.5, "test")
    assert close_to(base_of("kelly", context, half), 2 * wanted, 1e-6)


def test_kelly_gives_nothing_to_an_edge_that_was_measured_and_is_not_there() -> None:
    size = size_entry(
        sizing(confidence=0.9, edge=edge(probability=0.35)), Parameters(), SIZERS["kelly"]
    )
    assert size.quantity == 0
    assert size.refusal == "size_zero"


@pytest.mark.parametrize(
    "context",
    [
        sizing(confidence=0.69, edge=edge()),
        sizing(confidence=0.9, edge=edge(n=29)),
        sizing(confidence=0.9),
    ],
)
def test_kelly_leaves_unsure_and_unmeasured_entries_to_confidence(context: SizeContext) -> None:
    assert base_of("kelly", context) == base_of("confidence_scaled", context)


def test_a_name_set_by_a_person_goes_over_the_strategy_s_own() -> None:
    p = Parameters()
    assert sizer_of(p, "technical", "kelly").name == "kelly"
    assert sizer_of(p, "technical", "no such thing") is CONFIDENCE_SCALED
    p.set("size.sizer", "fixed_fraction", "test")
    assert sizer_of(p, "technical", "kelly").name == "fixed_fraction"


def test_the_steps_are_shown_in_their_order() -> None:
    size = size_entry(
        sizing(confidence=0.5, stop=Decimal(99)), Parameters(), SIZERS["confidence_weighted"]
    )
    assert [one.name for one in size.factors][:2] == ["base", "confidence weight"]
    assert size.factors[1].result == 10.0
