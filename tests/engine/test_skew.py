"""F17: a clock more than a second off the venue's sends no entry, again and again, and keeps
every exit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from engine.core.clock import SECOND
from engine.core.commands import ClosePosition
from engine.core.denials import DenialCode
from engine.core.ids import source
from engine.core.types import Purpose
from tests.engine.scripted import PRICE, Script


def skew(script: Script, seconds: float) -> None:
    feed: Any = script.desk.feed
    feed.skew_ns = int(seconds * SECOND)


def entries(script: Script) -> int:
    orders = [*script.desk.orders.values(), *script.desk.ended_orders]
    return sum(order.purpose is Purpose.ENTRY for order in orders)


@pytest.mark.parametrize("case", range(6))
def test_no_entry_is_sent_and_none_is_tried_again(tmp_path: Path, case: int) -> None:
    chance = source(17, "skew", case)
    with Script(tmp_path, approval="auto") as script:
        skew(script, chance.choice((-1, 1)) * chance.uniform(1.05, 3_600))
        for _ in range(4):
            script.want()
            script.price(PRICE, after_s=chance.uniform(1, 90))
        assert entries(script) == 0
        assert set(script.desk.tally.denials) == {DenialCode.CLOCK_SKEW.value}
        skew(script, chance.uniform(-0.9, 0.9))
        script.want()
        script.price(PRICE)
        assert entries(script) == 1


def test_a_position_is_left_whatever_the_clock_says(tmp_path: Path) -> None:
    with Script(tmp_path, approval="auto") as script:
        script.want()
        script.price(PRICE)
        position = script.position
        skew(script, 30.0)
        script.send(ClosePosition(id="c", position=position.id))
        script.price(PRICE)
        assert len(script.trades) == 1
