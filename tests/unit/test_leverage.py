"""The leverage manager: each stage as it was worked out by hand, and what holds it back."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.core.regimes import Regime
from engine.core.types import Direction
from engine.portfolio.levels import by_leverage
from engine.risk.kelly import kelly_pct, lower_probability
from engine.risk.leverage import LEVELS, choose, fixed, most_leverage
from engine.risk.liquidation import Protection, liquidation_fill
from engine.risk.margin import tiers_of
from tests.decision_help import trade
from tests.leverage_help import PROVEN, UNPROVEN, held, tuned, wanted


def rows(**changed: Any) -> dict[str, tuple[float, float]]:
    answer = choose(wanted(**changed), tuned())
    return {row.name: (row.value, round(row.result, 6)) for row in answer.stages}


def test_the_example_of_a_short_from_five_to_three_is_visible_stage_by_stage() -> None:
    """5x proposed, volatility above its past, trend against the short, unsure: 3x is left."""
    stages = rows(
        direction=Direction.SHORT, stop=Decimal(102), base=5, vol_ratio=1.0, trend=0.1,
        adx=45.0, confidence=0.6, regime=Regime.BEAR,
    )  # fmt: skip
    assert list(stages) == [
        "leverage base", "leverage volatility", "leverage trend", "leverage ADX",
        "leverage confidence", "leverage regime BEAR", "leverage level",
    ]  # fmt: skip
    assert stages["leverage base"] == (5.0, 5.0)
    assert stages["leverage trend"] == (0.8, 4.0)
    assert stages["leverage ADX"] == (1.1, 4.4)
    assert stages["leverage regime BEAR"] == (0.9, 3.96)
    assert stages["leverage level"] == (3.0, 3.0)


@pytest.mark.parametrize(
    ("changed", "base"),
    [({"daily_vol_pct": 0.5}, 5.0), ({}, 3.0), ({"daily_vol_pct": 3.5}, 1.0),
     ({"daily_vol_pct": math.nan}, 1.0)],
)  # fmt: skip
def test_the_base_follows_volatility_and_is_one_where_nobody_knows_it(
    changed: dict[str, float], base: float
) -> None:
    assert rows(**changed)["leverage base"] == (base, base)


def test_what_is_not_known_adjusts_nothing_and_is_named() -> None:
    answer = choose(wanted(vol_ratio=math.nan, trend=math.nan, adx=math.nan, regime=None), tuned())
    assert answer.value == 3
    assert set(answer.absent) == {
        "leverage volatility", "leverage trend", "leverage ADX", "leverage regime",
    }  # fmt: skip


def test_leverage_is_nobodys_default_and_never_spots() -> None:
    assert choose(wanted(), tuned(1)).value == 1
    assert choose(wanted(), tuned(1)).stages == ()
    spot = choose(wanted(spot=True, daily_vol_pct=0.5), tuned())
    assert (spot.value, spot.caps, spot.factors) == (1, (), ())
    assert most_leverage(wanted(spot=True), tuned()) == 1
    assert choose(wanted(base=10), tuned(lev__max_leverage=2)).value == 2


def test_the_stop_must_fire_before_the_guard_does() -> None:
    """10x leaves 9.6 % to liquidation and guards 1.4 % before it: a stop at 12 % is too far."""
    near = choose(wanted(base=10, regime=Regime.BULL), tuned())
    far = choose(wanted(base=10, stop=Decimal(88)), tuned())
    assert near.value == 10
    assert far.value == 5
    assert far.stages[-1].name == "leverage within its stop"
    assert most_leverage(wanted(stop=Decimal(55)), tuned()) == 1


def test_an_entry_never_begins_in_the_danger_zone_nor_above_the_venues_limit() -> None:
    strict = tiers_of("NEW/USDT:USDT")
    assert most_leverage(wanted(tiers=strict), tuned()) == 10
    assert most_leverage(wanted(tiers=strict), tuned(lev__liq_distance_pct=25)) < 5
    assert most_leverage(wanted(tiers=strict, notional=Decimal(900_000)), tuned()) == 2


def test_margin_in_use_cuts_by_itself() -> None:
    stages = rows(base=10, margin_used=0.7)
    assert stages["leverage margin in use"] == pytest.approx((0.3, 3.0))


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(list(Direction)), st.floats(0.0, 1.0), st.floats(0.1, 8.0),
    st.floats(0.1, 5.0), st.floats(-4.0, 4.0), st.floats(0.0, 100.0),
    st.sampled_from([None, *Regime]), st.floats(0.0, 1.0), st.integers(1, 10),
    st.decimals("0.2", "40", places=1),
)  # fmt: skip
def test_whatever_the_market_the_choice_is_a_level_within_every_limit(
    direction: Direction, confidence: float, vol: float, ratio: float, trend: float,
    adx: float, regime: Regime | None, used: float, most: int, stop: Decimal,
) -> None:  # fmt: skip
    context = wanted(
        direction=direction, confidence=confidence, daily_vol_pct=vol, vol_ratio=ratio,
        trend=trend, adx=adx, regime=regime, margin_used=used,
        stop=Decimal(100) - stop * direction.sign,
    )  # fmt: skip
    parameters = tuned(most)
    answer = choose(context, parameters)
    assert answer.value in LEVELS
    assert answer.value <= most
    assert answer.value <= most_leverage(context, parameters)
    if answer.value > 1:
        assert answer.stages[-1].result == answer.value
        assert dict(answer.factors).popitem()[1] == math.sqrt(answer.value)


# Kelly.


def test_wilsons_bound_is_the_published_one_and_grows_with_evidence() -> None:
    assert lower_probability(0.5, 100, 1.96) == pytest.approx(0.4038, abs=1e-4)
    assert lower_probability(0.0, 10, 1.96) == 0.0
    bounds = [lower_probability(0.6, n, 1.65) for n in (5, 20, 100, 1000)]
    assert bounds == sorted(bounds)
    assert all(bound < 0.6 for bound in bounds)
    assert lower_probability(0.6, 0, 1.65) == 0.0
    assert lower_probability(0.6, 50, 0.0) == pytest.approx(0.6)


def test_kelly_by_hand_with_costs_and_without_doubt() -> None:
    """p 0.62, win 288, loss 162 net: f = 0.62 − 0.38·162/288; a quarter of it is at stake."""
    by_hand = (0.62 - 0.38 * 162 / 288) * 0.25 / 0.0162 * 100
    assert kelly_pct(PROVEN, tuned(lev__edge_z=0), "technical") == pytest.approx(by_hand)
    assert 0 < kelly_pct(PROVEN, tuned(), "technical") < by_hand


def test_a_prior_proves_no_edge_and_gets_the_smallest_leveraged_size() -> None:
    assert kelly_pct(UNPROVEN, tuned(), "technical") == 0.0
    caps = dict(choose(wanted(per_trade=UNPROVEN), tuned()).caps)
    assert caps["Kelly, of the proven edge"] == 2.0
    assert dict(choose(wanted(), tuned()).caps)["Kelly, of the proven edge"] > 25.0


def test_the_risk_budget_holds_the_loss_at_the_stop() -> None:
    caps = dict(choose(wanted(stop=Decimal(96)), tuned()).caps)
    assert caps["risk budget"] == pytest.approx(2.0 / 0.04)
    assert fixed(1, wanted(), tuned()).caps == ()
    assert dict(fixed(4, wanted(), tuned()).factors) == {"leverage 4x": 2.0}


# Liquidation protection.


@pytest.mark.parametrize("direction", list(Direction))
@pytest.mark.parametrize("leverage", [2, 3, 5, 10])
def test_danger_comes_before_the_guard_and_the_guard_before_the_end(
    direction: Direction, leverage: int
) -> None:
    found = Protection.of(held(direction, leverage), tuned())
    assert found is not None
    sign = direction.sign
    order = [100 * sign, found.danger * sign, found.guard * sign, found.liquidation * sign]
    assert order[0] > order[1] > order[3]
    assert order[0] > order[2] > order[3]
    assert found.in_danger(found.danger)
    assert not found.in_danger(100)
    assert found.liquidated(found.liquidation)
    assert not found.liquidated(found.guard)


def test_a_liquidation_costs_the_margin_and_never_more() -> None:
    margin = held()
    price, fee = liquidation_fill(margin, Decimal("91.4"), tuned())
    assert price == Decimal("91.4")
    assert fee == Decimal("91.4") * 10 * Decimal("0.0125")
    for market in ("90.2", "90", "80", "1"):
        price, fee = liquidation_fill(margin, Decimal(market), tuned())
        lost = (margin.entry - price) * margin.quantity + fee
        assert lost <= margin.margin
        assert fee >= 0


def test_trades_are_counted_by_their_leverage() -> None:
    trades = [
        msgspec.structs.replace(trade(bps), leverage=leverage, mae_pct=worst)
        for bps, leverage, worst in ((100, 1, 0.5), (-50, 1, 2.0), (300, 5, 1.0))
    ]
    one, five = by_leverage(trades)
    assert (one.leverage, one.trades, one.win_rate, one.worst_mae_pct) == (1, 2, 0.5, 2.0)
    assert one.average_pnl == Decimal("0.25")
    assert (five.leverage, five.trades, five.average_pct) == (5, 1, 3.0)
    assert by_leverage([]) == ()
