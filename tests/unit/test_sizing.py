"""Sizes: the formula of the field, each factor and cap, and what is refused instead of raised."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

import pytest

from engine.core.denials import DenialCode
from engine.core.parameters import Parameters
from engine.core.regimes import Regime
from engine.core.types import Direction
from engine.risk.gates import evaluate
from engine.risk.sizing import Size, size_entry
from tests.decision_help import SWAP, candidate, close_to, instrument, sizing


def sized(parameters: Parameters | None = None, **changed: Any) -> Size:
    return size_entry(sizing(**changed), parameters or uncapped())


def uncapped() -> Parameters:
    """Caps and risk as wide as they go, so that factors can be seen."""
    parameters = Parameters()
    for name, value in (
        ("size.profile_max_pos_pct", 25),
        ("risk.max_symbol_exposure_pct", 25),
        ("size.max_position_pct", 25),
        ("size.risk_regular_pct", 3),
        ("size.base_pct", 10),
    ):
        parameters.set(name, value, "test")
    return parameters


def applied(size: Size) -> dict[str, float]:
    return {factor.name: factor.value for factor in size.factors}


def test_the_example_of_the_field() -> None:
    parameters = uncapped()
    parameters.set("size.base_pct", 20, "test")
    size = sized(parameters, confidence=0.72, regime=Regime.STRONG_BULL, regime_confidence=1.0)
    assert close_to(size.pct, 20 * 0.72**1.5 * 1.2, 1e-4)
    assert round(size.pct, 1) == 14.7
    names = [factor.name for factor in size.factors]
    assert names == ["base", "confidence", "regime STRONG_BULL", "lot grid"]


def test_the_balanced_profile_caps_the_example_at_a_tenth() -> None:
    size = sized(Parameters(), confidence=0.72, regime=Regime.STRONG_BULL, regime_confidence=1.0)
    assert size.pct == 10.0
    assert applied(size)["position cap"] == 10.0


def test_a_size_is_never_one_unit_of_whatever_it_is() -> None:
    """The old bug: every order was for 1 share, whatever the account and the price."""
    quantities = {
        sized(
            equity=equity, cash=equity, price=Decimal(price), stop=Decimal(price) * 98 / 100
        ).quantity
        for equity in (50_000.0, 100_000.0, 1_000_000.0)
        for price in (7, 130, 2_100, 61_000)
    }
    assert len(quantities) == 12
    assert Decimal(1) not in quantities
    small = sized(equity=30_000.0, price=Decimal(60_000), stop=Decimal(59_000))
    assert Decimal(0) < small.quantity < Decimal(1)


def test_risk_per_trade_binds_where_the_stop_is_far() -> None:
    parameters = uncapped()
    parameters.set("size.risk_regular_pct", 1, "test")
    size = sized(parameters, stop=Decimal(80))
    assert close_to(size.pct, 5.0)
    assert close_to(size.risk, 1_000.0)
    assert applied(size)["risk per trade"] == 5.0
    assert close_to(sized(parameters, stop=Decimal(80), diamond=True).risk, 2_000.0)


def test_every_step_follows_from_the_one_before() -> None:
    size = sized(
        Parameters(), confidence=0.6, equity=20_000.0, cash=20_000.0, drawdown_pct=6.0,
        regime=Regime.BEAR, extra=(("correlation", 0.4),),
    )  # fmt: skip
    assert [factor.name for factor in size.factors] == [
        "base", "confidence", "small account", "drawdown", "regime BEAR", "correlation", "lot grid",
    ]  # fmt: skip
    assert close_to(size.pct, 20 * 0.6**1.5 * 0.5 * 0.8 * 0.8 * 0.4, 1e-3)
    for before, after in zip(size.factors[1:5], size.factors[2:6], strict=True):
        assert close_to(after.result, before.result * after.value)


@pytest.mark.parametrize(
    ("drawdown", "factor"), [(4.9, None), (5.0, 0.8), (10.0, 0.6), (15.0, 0.4), (19.0, 0.4)]
)
def test_drawdown_levels(drawdown: float, factor: float | None) -> None:
    size = sized(drawdown_pct=drawdown)
    assert applied(size).get("drawdown") == factor
    assert close_to(size.pct, 10 * (factor or 1.0))


def test_of_the_dynamic_family_only_the_smallest_reduction_acts() -> None:
    losing = (20, -500.0, 0.2)
    size = sized(drawdown_pct=6.0, recent=losing, daily_vol_pct=4.0)
    assert close_to(size.pct, 10 * 0.6)
    assert "win rate" in applied(size)
    assert "drawdown" not in applied(size)
    assert "high volatility" not in applied(size)


def test_a_boost_counts_only_where_nothing_reduces() -> None:
    quiet = sized(daily_vol_pct=0.5)
    assert close_to(quiet.pct, 13.0)
    beside_a_drawdown = sized(daily_vol_pct=0.5, drawdown_pct=6.0)
    assert close_to(beside_a_drawdown.pct, 8.0)
    beside_a_regime = sized(daily_vol_pct=0.5, regime=Regime.SIDEWAYS, regime_confidence=1.0)
    assert close_to(beside_a_regime.pct, 7.0)
    beside_a_correlation = sized(daily_vol_pct=0.5, extra=(("correlation", 0.9),))
    assert close_to(beside_a_correlation.pct, 9.0)


def test_boosts_together_are_held_to_one_and_a_half() -> None:
    size = sized(
        daily_vol_pct=0.5, recent=(20, 500.0, 0.6), equity_trend=0.02, regime=Regime.BULL,
        regime_confidence=1.0, extra=(("coin status", 1.5),),
    )  # fmt: skip
    assert close_to(size.pct, 15.0)
    assert applied(size)["all factors at most"] == 1.5


@pytest.mark.parametrize("factor", [0.0, 1e-6])
def test_a_factor_near_zero_acts_and_the_result_is_refused_instead_of_raised(
    factor: float,
) -> None:
    size = sized(extra=(("coin status", factor),))
    assert size.quantity == 0
    wanted = DenialCode.SIZE_ZERO if factor == 0.0 else DenialCode.VENUE_MINIMUM
    assert size.refusal is wanted


@pytest.mark.parametrize(
    ("recent", "trend", "factor"),
    [
        ((20, 500.0, 0.6), 0.01, 1.5),
        ((20, -500.0, 0.4), -0.01, 0.5),
        ((20, 500.0, 0.6), -0.01, 1.0),
        ((20, -500.0, 0.4), 0.01, 1.0),
        ((19, -500.0, 0.4), -0.01, 1.0),
        ((20, -500.0, 0.4), math.nan, 1.0),
    ],
)
def test_the_accounts_run_scales_when_both_signs_agree(
    recent: tuple[int, float, float], trend: float, factor: float
) -> None:
    assert close_to(sized(recent=recent, equity_trend=trend).pct, 10 * factor)


def test_what_is_not_known_is_named_and_not_applied() -> None:
    size = sized(daily_vol_pct=math.nan)
    assert size.absent == ("account run", "win rate", "volatility", "regime")
    known = sized(
        recent=(20, 1.0, 0.5), equity_trend=0.0, regime=Regime.BULL, regime_confidence=1.0
    )
    assert known.absent == ()


def test_a_small_account_is_halved_without_losing_its_boosts() -> None:
    size = sized(equity=24_999.0, daily_vol_pct=0.5)
    assert close_to(size.pct, 10 * 0.5 * 1.3, 1e-4)
    assert "small account" not in applied(sized(equity=25_000.0))


def test_exposure_that_is_there_already_counts_against_the_cap() -> None:
    size = sized(Parameters(), symbol_exposure=6_000.0)
    assert close_to(size.pct, 4.0)
    full = sized(Parameters(), symbol_exposure=10_000.0)
    assert full.refusal is DenialCode.SIZE_ZERO
    assert "position cap" in full.detail


def test_cash_covers_fees_and_leverage_stretches_it() -> None:
    size = sized(cash=1_001.0)
    assert size.notional == 1_000.0
    stretched = sized(instrument=SWAP, cash=1_000.0, leverage=5)
    assert close_to(stretched.notional, 1_000.0 / (0.2 + 0.001), 1e-4)
    assert sized(cash=0.0).refusal is DenialCode.SIZE_ZERO


def test_quantities_lie_on_the_lot_grid_and_below_what_was_wanted() -> None:
    coarse = instrument(lot_step=Decimal("0.3"), min_qty=Decimal("0.3"))
    size = sized(instrument=coarse)
    assert size.quantity == Decimal("99.9")
    assert size.notional == 9_990.0
    capped = sized(instrument=instrument(max_qty=Decimal(7)))
    assert capped.quantity == 7
    ragged = sized(instrument=instrument(lot_step=Decimal("0.3"), max_qty=Decimal(7)))
    assert ragged.quantity == Decimal("6.9")


def test_a_contract_has_its_size() -> None:
    contracts = instrument(SWAP.kind, contract_size=Decimal("0.01"), lot_step=Decimal(1),
                           min_qty=Decimal(1), max_qty=Decimal(10**6))  # fmt: skip
    size = sized(instrument=contracts)
    assert size.quantity == 10_000
    assert size.notional == 10_000.0
    assert close_to(size.risk, 200.0)


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"stop": Decimal(100)}, DenialCode.NO_STOP),
        ({"stop": Decimal(101)}, DenialCode.NO_STOP),
        ({"stop": Decimal(0)}, DenialCode.NO_STOP),
        ({"stop": Decimal("NaN")}, DenialCode.NO_STOP),
        ({"price": Decimal(0)}, DenialCode.NO_STOP),
        ({"direction": Direction.SHORT}, DenialCode.NO_STOP),
        ({"equity": 0.0}, DenialCode.CAPITAL),
        ({"equity": math.nan}, DenialCode.CAPITAL),
        ({"confidence": 0.0}, DenialCode.SIZE_ZERO),
        ({"equity": 40.0, "cash": 40.0}, DenialCode.VENUE_MINIMUM),
        ({"instrument": instrument(min_qty=Decimal(500))}, DenialCode.VENUE_MINIMUM),
    ],
)
def test_what_cannot_be_sized_is_refused_by_code(changed: dict[str, Any], code: DenialCode) -> None:
    size = sized(**changed)
    assert size.refusal is code
    assert size.quantity == 0
    assert size.notional == size.risk == size.pct == 0.0
    assert size.detail


def test_a_short_is_sized_as_its_mirror_image() -> None:
    long = sized(instrument=SWAP)
    short = sized(instrument=SWAP, direction=Direction.SHORT, stop=Decimal(102))
    assert (short.quantity, short.risk) == (long.quantity, long.risk)


def test_no_boost_lifts_the_risk_above_the_ceiling() -> None:
    parameters = uncapped()
    parameters.set("size.base_pct", 50, "test")
    boosted = sized(parameters, stop=Decimal(80), daily_vol_pct=0.5)
    assert close_to(boosted.pct, 15.0)
    assert close_to(boosted.risk, 3_000.0)
    assert applied(boosted)["risk at most"] == 15.0


def test_what_the_venue_refuses_is_told_so_that_a_gate_can_say_how_much_is_missing() -> None:
    tiny = sized(equity=40.0, cash=40.0)
    assert tiny.refusal is DenialCode.VENUE_MINIMUM
    assert close_to(tiny.wanted, 0.02)
    gates = {g.code: g for g in evaluate(candidate(quantity=tiny.wanted), Parameters())}
    assert gates[DenialCode.SIZE_ZERO].passed
    assert not gates[DenialCode.VENUE_MINIMUM].passed
    assert close_to(gates[DenialCode.VENUE_MINIMUM].distance, -3.0)
    assert close_to(sized().wanted, 100.0)
