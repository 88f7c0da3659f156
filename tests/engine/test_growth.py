"""Scale-ins: a position that moves its way grows by its plan, through every gate."""

from __future__ import annotations

from pathlib import Path

from engine.core.records import Denied, HeldThrough, Noted
from engine.core.types import Position, Purpose
from tests.engine.scripted import Script

LEVELS = {"scale_in.level_1_pct": 0.5, "exit.partial_exits": "false"}
"""A first scale-in half a percent up, and no rungs in its way."""


def grown(script: Script, by_pct: float) -> Position:
    """Open a position and let the market move its way."""
    position = script.opened()
    for _ in range(3):
        script.price(float(position.entry_price) * (1 + by_pct / 100))
    return script.position


def test_a_plan_that_scales_in_grows_the_position_through_the_gates(tmp_path: Path) -> None:
    with Script(tmp_path, approval="auto", profile="ml", settings=LEVELS) as script:
        script.want()
        script.price(script.desk.symbols["BTC/USDT"].last)
        before = script.position
        for _ in range(3):
            script.price(float(before.entry_price) * 1.008)
        after = script.position
        assert after.quantity > before.quantity
        added = [order for order in script.orders() if order.purpose is Purpose.SCALE_IN]
        assert sum(order.filled for order in added) == after.quantity - before.quantity
        assert script.desk.watches[after.id].lots == int(
            after.quantity / script.desk.symbols[after.symbol].instrument.lot_step
        )


def test_in_review_a_position_keeps_the_size_that_was_approved(tmp_path: Path) -> None:
    with Script(tmp_path, profile="ml", settings=LEVELS) as script:
        after = grown(script, 0.8)
        assert after.quantity == after.initial_quantity
        assert any("left out" in note.text for note in script.records(Noted))


def test_a_gate_that_is_shut_refuses_the_addition(tmp_path: Path) -> None:
    settings = {**LEVELS, "size.profile_max_pos_pct": 2.0}
    with Script(tmp_path, approval="auto", profile="ml", settings=settings) as script:
        script.want()
        script.price(script.desk.symbols["BTC/USDT"].last)
        before = script.position
        for _ in range(3):
            script.price(float(before.entry_price) * 1.008)
        assert script.position.quantity == before.quantity
        assert {denial.code for denial in script.records(Denied)} == {"position_cap"}


def test_the_bars_of_a_trade_are_kept(tmp_path: Path) -> None:
    with Script(tmp_path) as script:
        position = script.opened()
        script.close_bar()
        script.close_bar()
        kept = script.records(HeldThrough)
        assert [bar.position for bar in kept] == [position.id] * len(kept)
        assert len(kept) >= 2
