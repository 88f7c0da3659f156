"""Gates on any numbers at all: no exception, no verdict against its own headroom."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.parameters import Parameters
from engine.core.types import Control, Direction
from engine.risk.gates import AccountContext, GateContext, admitted, evaluate, limits
from tests.decision_help import account, candidate

NUMBERS = st.floats() | st.sampled_from([0.0, -1.0, 1.0, math.nan, math.inf, -math.inf, 1e308])
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
               "spread_bps", "fee", "min_qty", "min_notional", "cooldown_left_s",
               "symbol_exposure")  # fmt: skip
    values: dict[str, Any] = {name: draw(NUMBERS) for name in numbers}
    return candidate(
        account=draw(accounts()),
        direction=draw(st.sampled_from(Direction)),
        can_short=draw(st.booleans()),
        leverage=draw(st.integers(0, 20)),
        symbol_positions=draw(COUNTS),
        diamond=draw(st.booleans()),
        **values,
    )


@given(candidates())
def test_a_verdict_never_contradicts_its_headroom(asked: GateContext) -> None:
    parameters = Parameters()
    for gate in (*evaluate(asked, parameters), *limits(asked.account, parameters)):
        if gate.passed:
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
