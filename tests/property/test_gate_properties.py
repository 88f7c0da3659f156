"""Gates on any numbers at all: no exception, no verdict against its own headroom."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.denials import DenialCode
from engine.core.parameters import Parameters
from engine.core.types import Control, Direction
from engine.risk.gates import AccountContext, Around, GateContext, admitted, evaluate, limits
from tests.decision_help import account, candidate

NUMBERS = st.floats() | st.sampled_from([0.0, -1.0, 1.0, math.nan, math.inf, -math.inf, 1e308])
NEED_HISTORY = (DenialCode.CORRELATED_EXPOSURE, DenialCode.VAR_LIMIT)
COUNTS = st.integers(0, 1000)


@st.composite
def accounts(draw: st.DrawFn) -> AccountContext:
    money = ("equity", "cash", "day_start_equity", "peak_equity", "opened_risk",
             "largest_exposure")  # fmt: skip
    counts = ("open_positions", "new_in_cycle", "trades_today", "orders_last_s")
    values: dict[str, Any] = {name: draw(NUMBERS) for name in money}
    values |= {name: draw(COUNTS) for name in counts}
    return account(control=draw(st.sampled_from(Control)), **values)


@st.composite
def candidates(draw: st.DrawFn) -> GateContext:
    numbers = ("quantity", "price", "stop", "confidence", "net_ev_bps", "quote_age_s",
               "spread_bps", "fee", "least_notional", "cooldown_left_s",
               "symbol_exposure")  # fmt: skip
    values: dict[str, Any] = {name: draw(NUMBERS) for name in numbers}
    return candidate(
        account=draw(accounts()),
        direction=draw(st.sampled_from(Direction)),
        can_short=draw(st.booleans()),
        leverage=draw(st.integers(0, 20)),
        symbol_positions=draw(COUNTS),
        diamond=draw(st.booleans()),
        around=Around(
            correlated=draw(NUMBERS | st.none()),
            sector_exposure=draw(NUMBERS),
            var=draw(NUMBERS | st.none()),
        ),
        **values,
    )


@given(candidates())
def test_a_verdict_never_contradicts_its_headroom(asked: GateContext) -> None:
    parameters = Parameters()
    for gate in (*evaluate(asked, parameters), *limits(asked.account, parameters)):
        if gate.passed and math.isnan(gate.distance):
            assert gate.code in NEED_HISTORY, gate
            assert math.isnan(gate.value), gate
        elif gate.passed:
            assert gate.distance >= 0.0, gate
        else:
            assert not gate.distance > 0.0, gate


@pytest.mark.parametrize(
    "name",
    ["quantity", "price", "stop", "confidence", "net_ev_bps", "quote_age_s", "spread_bps", "fee",
     "cooldown_left_s", "symbol_exposure", "equity", "cash", "day_start_equity", "peak_equity",
     "opened_risk"],
)  # fmt: skip
def test_one_value_that_is_no_number_is_enough_to_refuse(name: str) -> None:
    if name in AccountContext.__dataclass_fields__:
        asked = candidate(account=account(**{name: math.nan}))
    else:
        asked = candidate(**{name: math.nan})
    assert not admitted(evaluate(asked, Parameters()))


@pytest.mark.parametrize("name", ["correlated", "sector_exposure", "var"])
def test_what_is_held_around_it_must_be_a_number_or_unknown(name: str) -> None:
    known: dict[str, Any] = {"correlated": 0.0, "sector_exposure": 0.0, "var": 0.0}
    assert admitted(evaluate(candidate(around=Around(**known)), Parameters()))
    broken = candidate(around=Around(**{**known, name: math.nan}))
    assert not admitted(evaluate(broken, Parameters()))
