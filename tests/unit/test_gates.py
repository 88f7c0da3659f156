"""Every denial code has a scenario in which that gate alone refuses, and knows its headroom."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from engine.core.denials import DenialCode
from engine.core.parameters import Parameters
from engine.core.types import Control, Direction
from engine.risk.gates import (
    Around,
    GateContext,
    Known,
    admitted,
    cooldown_until,
    evaluate,
    first_refusal,
    limits,
)
from tests.decision_help import START, account, candidate, close_to

SECOND = 1_000_000_000


@dataclass(frozen=True)
class Scenario:
    """A candidate that one gate refuses, and what makes the same candidate pass.

    `settings` hold from the start, `moves` lift the refusal; without a parameter of its own
    the gate is lifted by `passes`, a candidate that differs in what it looks at.
    """

    make: Callable[[Parameters], GateContext]
    moves: tuple[tuple[str, Any], ...] = ()
    settings: tuple[tuple[str, Any], ...] = ()
    passes: GateContext | None = None


def _of(**changed: Any) -> Callable[[Parameters], GateContext]:
    return lambda parameters: candidate(**changed)


def _cooling(parameters: Parameters) -> GateContext:
    """Ten minutes after the last position of the symbol ended."""
    until = cooldown_until(parameters, "BTC/USDT", START)
    left = max(0, until - START - 600 * SECOND) / SECOND
    return candidate(cooldown_left_s=left)


SCENARIOS: dict[DenialCode, Scenario] = {
    DenialCode.CONTROL_STATE: Scenario(
        _of(account=account(control=Control.REDUCING)), passes=candidate()
    ),
    DenialCode.BREAKER_OPEN: Scenario(
        _of(account=account(breakers_open=1, breakers="losses in a row")), passes=candidate()
    ),
    DenialCode.STALE_QUOTE: Scenario(
        _of(quote_age_s=16.0), moves=(("data.max_quote_age_crypto_s", 20),)
    ),
    DenialCode.CLOCK_SKEW: Scenario(_of(skew_s=1.1), moves=(("exec.max_clock_skew_s", 1.5),)),
    DenialCode.SPREAD: Scenario(_of(spread_bps=51.0), moves=(("exec.max_spread_bps", 55),)),
    DenialCode.LEVERAGE: Scenario(
        _of(leverage=5, can_short=True),
        settings=(("lev.max_leverage", 4),),
        moves=(("lev.max_leverage", 5),),
    ),
    DenialCode.SPOT_SHORT: Scenario(
        _of(direction=Direction.SHORT, stop=102.0),
        passes=candidate(direction=Direction.SHORT, stop=102.0, can_short=True),
    ),
    DenialCode.NO_STOP: Scenario(_of(stop=math.nan), passes=candidate(stop=99.9)),
    DenialCode.SIZE_ZERO: Scenario(_of(quantity=0.0), passes=candidate(quantity=1.0)),
    DenialCode.VENUE_MINIMUM: Scenario(_of(quantity=0.04), passes=candidate(quantity=0.05)),
    DenialCode.CAPITAL: Scenario(
        _of(account=account(cash=5004.0)), passes=candidate(account=account(cash=5005.0))
    ),
    DenialCode.OPEN_POSITIONS: Scenario(
        _of(account=account(open_positions=10)), moves=(("cand.max_open_positions", 11),)
    ),
    DenialCode.NEW_PER_CYCLE: Scenario(
        _of(account=account(new_in_cycle=6)), moves=(("pos.max_new_per_cycle", 7),)
    ),
    DenialCode.TRADES_PER_DAY: Scenario(
        _of(account=account(trades_today=50)), moves=(("cand.max_trades_per_day", 55),)
    ),
    DenialCode.COOLDOWN: Scenario(_cooling, moves=(("pos.cooldown_min_per_ticker", 10),)),
    DenialCode.DUPLICATE_POSITION: Scenario(_of(symbol_positions=1), passes=candidate()),
    DenialCode.POSITION_CAP: Scenario(
        _of(symbol_exposure=6000.0),
        settings=(("risk.max_symbol_exposure_pct", 25),),
        moves=(("size.profile_max_pos_pct", 11),),
    ),
    DenialCode.CORRELATED_EXPOSURE: Scenario(
        _of(around=Around(correlated=6_000.0)), moves=(("risk.max_correlated_pct", 11),)
    ),
    DenialCode.SECTOR_EXPOSURE: Scenario(
        _of(around=Around(sector_exposure=26_000.0)),
        moves=(("risk.max_sector_exposure_pct", 35),),
    ),
    DenialCode.VAR_LIMIT: Scenario(
        _of(around=Around(var=3_200.0)), moves=(("cb.var95_max_pct", 3.5),)
    ),
    DenialCode.RISK_PER_TRADE: Scenario(_of(stop=60.0), moves=(("size.risk_regular_pct", 1.5),)),
    DenialCode.DAILY_RISK: Scenario(
        _of(account=account(opened_risk=5950.0)), moves=(("risk.max_daily_risk_pct", 6.5),)
    ),
    DenialCode.DAILY_LOSS: Scenario(
        _of(account=account(equity=96_000.0)), moves=(("risk.daily_loss_pct", 4.5),)
    ),
    DenialCode.DRAWDOWN: Scenario(
        _of(account=account(peak_equity=125_000.0)), moves=(("risk.max_drawdown_pct", 21),)
    ),
    DenialCode.ORDER_RATE: Scenario(
        _of(account=account(orders_last_s=5)), moves=(("cb.orders_per_s", 6),)
    ),
    DenialCode.COIN_BLACKLISTED: Scenario(_of(known=Known(coin="bad")), passes=candidate()),
    DenialCode.PAIR_BLOCKED: Scenario(_of(known=Known(pair="bad")), passes=candidate()),
    DenialCode.PATTERN_INACTIVE: Scenario(_of(known=Known(pattern="off")), passes=candidate()),
    DenialCode.RULE_NO_TRADE: Scenario(_of(known=Known(rule="R-1: x")), passes=candidate()),
    DenialCode.EXPECTED_VALUE: Scenario(_of(net_ev_bps=0.0), passes=candidate(net_ev_bps=0.1)),
    DenialCode.CONFIDENCE: Scenario(_of(confidence=0.39), moves=(("dec.min_confidence", 0.35),)),
    DenialCode.ENTRY_SCORE: Scenario(
        _of(confidence=0.42, account=account(peak_equity=105_500.0)),
        moves=(("entry.threshold_score", 2.0),),
    ),
}
SOFT = {
    DenialCode.COOLDOWN, DenialCode.EXPECTED_VALUE, DenialCode.CONFIDENCE,
    DenialCode.COIN_BLACKLISTED, DenialCode.PAIR_BLOCKED, DenialCode.PATTERN_INACTIVE,
    DenialCode.RULE_NO_TRADE, DenialCode.ENTRY_SCORE,
}  # fmt: skip


def refusals(asked: GateContext, parameters: Parameters) -> list[str]:
    return [gate.code for gate in evaluate(asked, parameters) if not gate.passed]


def test_every_code_has_a_scenario_a_gate_and_an_explanation() -> None:
    assert set(SCENARIOS) == set(DenialCode)
    codes = [gate.code for gate in evaluate(candidate(), Parameters())]
    assert sorted(codes) == sorted(DenialCode)
    for code in DenialCode:
        assert code.explanation.endswith(".")
        assert "\n" not in code.explanation
    assert len({code.explanation for code in DenialCode}) == len(DenialCode)


def test_a_candidate_within_all_limits_is_admitted() -> None:
    gates = evaluate(candidate(), Parameters())
    assert admitted(gates)
    assert first_refusal(gates) is None


@pytest.mark.parametrize("code", DenialCode)
def test_each_gate_alone_refuses_its_scenario_and_lets_go(code: DenialCode) -> None:
    scenario = SCENARIOS[code]
    parameters = Parameters()
    for name, value in scenario.settings:
        parameters.set(name, value, "test")
    asked = scenario.make(parameters)
    assert refusals(asked, parameters) == [code]
    gates = evaluate(asked, parameters)
    refusal = first_refusal(gates)
    assert refusal is not None
    assert refusal.code == code
    assert refusal.hard is (code not in SOFT)
    assert not refusal.distance > 0.0
    assert (first_refusal(gates, hard_only=True) is None) is (code in SOFT)
    assert scenario.moves or scenario.passes is not None
    for name, value in scenario.moves:
        parameters.set(name, value, "test")
    lifted = scenario.passes if scenario.passes is not None else scenario.make(parameters)
    assert refusals(lifted, parameters) == []


@pytest.mark.parametrize("name", ["pos.max_concurrent", "cand.max_open_positions"])
def test_the_lower_of_two_position_limits_holds(name: str) -> None:
    parameters = Parameters()
    parameters.set("pos.max_concurrent", 12, "test")
    parameters.set("cand.max_open_positions", 12, "test")
    asked = candidate(account=account(open_positions=11))
    assert refusals(asked, parameters) == []
    parameters.set(name, 11, "test")
    assert refusals(asked, parameters) == [DenialCode.OPEN_POSITIONS]


@pytest.mark.parametrize(
    "name",
    ["size.max_position_pct", "size.profile_max_pos_pct", "risk.max_symbol_exposure_pct"],
)
def test_the_strictest_of_three_caps_holds(name: str) -> None:
    parameters = Parameters()
    for cap in ("size.profile_max_pos_pct", "risk.max_symbol_exposure_pct"):
        parameters.set(cap, 25, "test")
    asked = candidate(symbol_exposure=4000.0)
    assert refusals(asked, parameters) == []
    parameters.set(name, 8, "test")
    gates = {gate.code: gate for gate in evaluate(asked, parameters)}
    cap_gate = gates[DenialCode.POSITION_CAP]
    assert not cap_gate.passed
    assert (cap_gate.value, cap_gate.threshold, cap_gate.distance) == (9.0, 8.0, -1.0)


def test_polled_prices_may_be_older() -> None:
    assert refusals(candidate(quote_age_s=100.0, polled=True), Parameters()) == []
    parameters = Parameters()
    parameters.set("data.max_quote_age_polled_s", 90, "test")
    assert refusals(candidate(quote_age_s=100.0, polled=True), parameters) == [
        DenialCode.STALE_QUOTE
    ]


def test_spot_has_no_leverage_whatever_the_parameter_says() -> None:
    assert refusals(candidate(leverage=2), Parameters()) == [DenialCode.LEVERAGE]
    assert refusals(candidate(leverage=2, can_short=True), Parameters()) == []


def test_a_diamond_may_risk_more_and_nothing_more_than_the_ceiling() -> None:
    parameters = Parameters()
    assert refusals(candidate(stop=50.0), parameters) == [DenialCode.RISK_PER_TRADE]
    assert refusals(candidate(stop=50.0, diamond=True), parameters) == []
    for name, value in (("size.risk_regular_pct", 3.0), ("size.risk_diamond_pct", 4.0)):
        parameters.set(name, value, "test")
    for diamond in (False, True):
        gates = {gate.code: gate for gate in evaluate(candidate(diamond=diamond), parameters)}
        assert gates[DenialCode.RISK_PER_TRADE].threshold == 3.0


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"quote_age_s": math.nan}, DenialCode.STALE_QUOTE),
        ({"quote_age_s": math.inf}, DenialCode.STALE_QUOTE),
        ({"spread_bps": math.nan}, DenialCode.SPREAD),
        ({"skew_s": math.nan}, DenialCode.CLOCK_SKEW),
        ({"net_ev_bps": math.nan}, DenialCode.EXPECTED_VALUE),
        ({"confidence": math.nan}, DenialCode.CONFIDENCE),
        ({"stop": 101.0}, DenialCode.NO_STOP),
        ({"stop": 100.0}, DenialCode.NO_STOP),
        ({"stop": -1.0}, DenialCode.NO_STOP),
        ({"quantity": math.nan}, DenialCode.SIZE_ZERO),
    ],
)
def test_what_is_not_known_is_refused(changed: dict[str, Any], code: DenialCode) -> None:
    assert code in refusals(candidate(**changed), Parameters())


def test_an_account_without_equity_is_refused_everything_that_needs_some() -> None:
    broke = account(equity=0.0, cash=0.0, day_start_equity=0.0, peak_equity=100_000.0)
    refused = refusals(candidate(account=broke), Parameters())
    assert {DenialCode.CAPITAL, DenialCode.POSITION_CAP, DenialCode.RISK_PER_TRADE,
            DenialCode.DAILY_RISK, DenialCode.DRAWDOWN} <= set(refused)  # fmt: skip


def test_what_needs_history_passes_without_and_says_so() -> None:
    gates = {gate.code: gate for gate in evaluate(candidate(), Parameters())}
    for code in (DenialCode.CORRELATED_EXPOSURE, DenialCode.VAR_LIMIT):
        assert gates[code].passed
        assert math.isnan(gates[code].value)
        assert math.isnan(gates[code].distance)
        assert gates[code].detail == "not known"


def test_a_candidate_alone_in_its_cluster_is_limited_by_its_own_cap_only() -> None:
    parameters = Parameters()
    parameters.set("risk.max_correlated_pct", 2, "test")
    assert refusals(candidate(around=Around(correlated=0.0)), parameters) == []
    beside = candidate(around=Around(correlated=1.0, correlated_with="with ETH/USDT"))
    gates = {gate.code: gate for gate in evaluate(beside, parameters)}
    refused = gates[DenialCode.CORRELATED_EXPOSURE]
    assert not refused.passed
    assert close_to(refused.value, 5.001)
    assert refused.detail == "with ETH/USDT"


def test_every_gate_is_asked_although_the_first_has_refused() -> None:
    asked = candidate(account=account(control=Control.HALTED, open_positions=99), spread_bps=90.0)
    assert refusals(asked, Parameters()) == [
        DenialCode.CONTROL_STATE, DenialCode.SPREAD, DenialCode.OPEN_POSITIONS,
    ]  # fmt: skip


def test_a_size_cut_to_a_cap_is_not_refused_for_the_last_digit_of_a_float() -> None:
    asked = candidate(quantity=0.1 + 0.2, price=100_000 / 3, account=account(), stop=33_000.0)
    assert asked.notional > 10_000.0
    assert refusals(asked, Parameters()) == []


def test_the_standing_limits_show_the_headroom_of_this_moment() -> None:
    parameters = Parameters()
    now = account(
        equity=97_000.0, peak_equity=110_000.0, open_positions=4, trades_today=12,
        opened_risk=1_500.0, orders_last_s=2, new_in_cycle=1, largest_exposure=4_850.0,
    )  # fmt: skip
    shown = {gate.code: gate for gate in limits(now, parameters)}
    assert close_to(shown[DenialCode.DAILY_LOSS].value, 3.0)
    assert close_to(shown[DenialCode.DAILY_LOSS].distance, 1.0)
    assert close_to(shown[DenialCode.DRAWDOWN].value, 13_000 / 1_100)
    assert close_to(shown[DenialCode.DAILY_RISK].value, 1.5)
    assert close_to(shown[DenialCode.POSITION_CAP].value, 5.0)
    assert shown[DenialCode.OPEN_POSITIONS].distance == 6.0
    assert shown[DenialCode.TRADES_PER_DAY].distance == 38.0
    assert shown[DenialCode.NEW_PER_CYCLE].distance == 5.0
    assert shown[DenialCode.ORDER_RATE].distance == 3.0
    assert all(gate.passed for gate in shown.values())
    assert math.isnan(shown[DenialCode.CORRELATED_EXPOSURE].value)
    assert math.isnan(shown[DenialCode.VAR_LIMIT].value)
    held = account(largest_cluster=8_000.0, largest_sector=31_000.0, var=1_500.0)
    now_held = {gate.code: gate for gate in limits(held, parameters)}
    assert close_to(now_held[DenialCode.CORRELATED_EXPOSURE].distance, 2.0)
    assert not now_held[DenialCode.SECTOR_EXPOSURE].passed
    assert close_to(now_held[DenialCode.VAR_LIMIT].value, 1.5)
    halted = {g.code: g for g in limits(account(control=Control.LOCKED), parameters)}
    assert not halted[DenialCode.CONTROL_STATE].passed
    assert halted[DenialCode.CONTROL_STATE].detail == "LOCKED"
