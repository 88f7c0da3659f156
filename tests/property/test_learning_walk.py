"""The walk of learning is the watch of trading: same prices, same exits, to the last digit."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.ids import generator
from engine.core.learning import Opportunity
from engine.core.parameters import Parameters
from engine.core.types import Direction
from engine.learning.paths import Bars, bars_of, packed, unpacked
from engine.learning.simulate import LOTS, Simulator, entry_of
from engine.position import step
from engine.position.plan import plan_exits
from engine.position.watch import PositionWatch

START = 1_700_000_000_000_000_000
MINUTE = 60_000_000_000


def opportunity(**changed: Any) -> Opportunity:
    values: dict[str, Any] = {
        "id": "OP-1", "symbol": "BTC/USDT", "direction": Direction.LONG, "opened_ns": START,
        "price": 100.0, "stop": 98.5, "targets": (), "atr": 1.0, "fee": 0.001, "spread": 0.0002,
        "strategy": "ma_crossover", "regime": "BULL", "confidence": 0.6, "kind": "denied",
    }  # fmt: skip
    return Opportunity(**{**values, **changed})


def walked(seed: int, count: int = 600, move: float = 0.0015) -> Bars:
    """Minutes of a random walk from 100, in ticks of a cent, with a decision bar each quarter."""
    chance = generator(seed, "walk")
    prices = 100 * np.exp(np.cumsum(chance.normal(0, move, count * 4))).reshape(count, 4)
    rows = []
    for k, four in enumerate(np.round(prices, 2).tolist()):
        closes = k % 15 == 14
        rows.append(
            (
                START + k * MINUTE, four[0], max(four), min(four), four[3],
                1.0 + 0.1 * math.sin(k) if closes else math.nan,
                0.3 + 0.3 * math.cos(k) if closes else math.nan,
                float(k // 60 % 3 - 1) if closes else math.nan,
            )
        )  # fmt: skip
    return bars_of(rows, MINUTE)


@given(
    seed=st.integers(0, 10_000),
    direction=st.sampled_from(Direction),
    profile=st.sampled_from(["balanced", "flow", "ml", "sniper"]),
)
def test_the_walk_is_the_watch(seed: int, direction: Direction, profile: str) -> None:
    bars = walked(seed)
    one = opportunity(direction=direction, stop=98.5 if direction is Direction.LONG else 101.5)
    params = Parameters()
    found = Simulator(profile).run(one, bars, params)
    plan = plan_exits(params, entry_of(one, profile))
    watch = PositionWatch.open(plan)
    gain, reason = 0.0, "open"
    bought = float(LOTS)
    used = len(bars)
    for k, (row, at) in enumerate(zip(bars.prices, bars.times, strict=True)):
        for event in watch.on_bar(row[0], row[1], row[2], row[3], int(at), int(at) + MINUTE):
            if event.reason is None:
                # The walk adds where the watch would ask; only profile ml grows, and there
                # the watch is filled at the same level.
                watch.add(event.lots, event.price)
                bought += event.lots
                continue
            entry = float(watch._state[step.ENTRY])
            gain += direction.sign * (event.price - entry) * event.lots
            reason = str(event.reason)
        if watch.closed:
            used = k + 1
            break
        if row[step.BAR_ATR] > 0:
            step.refresh(watch._state, watch._marks, watch._rules, row[4], row[5], row[6])
    assert found is not None
    assert found.closed == watch.closed
    assert found.bars == used
    if watch.closed:
        assert found.reason == reason
        if profile != "ml":
            assert found.gross == pytest.approx(100 * gain / (100.0 * bought), abs=1e-9)
    assert found.net < found.gross


@given(seed=st.integers(0, 10_000), tick=st.sampled_from([0.01, 0.001, 0.5]))
def test_a_path_comes_back_as_it_was(seed: int, tick: float) -> None:
    bars = walked(seed, 300)
    path = packed(bars, START, tick)
    back = unpacked(path)
    assert np.allclose(back.prices[:, :4], bars.prices[:, :4], rtol=0, atol=1e-9)
    assert np.array_equal(back.prices[:, 4:], bars.prices[:, 4:], equal_nan=True)
    assert np.array_equal(back.times, bars.times)
    assert len(path.prices) < 12_000


def test_the_same_path_gives_the_same_outcome_after_packing() -> None:
    bars = walked(3)
    simulator, params = Simulator("balanced"), Parameters()
    before = simulator.run(opportunity(), bars, params)
    after = simulator.run(opportunity(), unpacked(packed(bars, START, 0.01)), params)
    assert before is not None
    assert after is not None
    assert (before.reason, before.bars) == (after.reason, after.bars)
    assert before.gross == pytest.approx(after.gross, abs=1e-9)
