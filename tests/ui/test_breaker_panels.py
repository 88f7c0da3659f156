"""Breakers and trades that were not made, as a person reads them."""

from __future__ import annotations

import math

import msgspec

from tests.ui import gallery
from tests.ui.test_panels import shown
from widgets.breakers import BreakersPanel
from widgets.counterfactuals import CounterfactualsPanel

replace = msgspec.structs.replace


def test_what_stops_entries_stands_first_with_reason_base_and_what_clears_it() -> None:
    panel = shown(BreakersPanel, gallery.world(), 118, 12)
    lines = panel.text.splitlines()
    rows = [line for line in lines if "closed" in line or "OPEN" in line or "half" in line]
    assert "OPEN" in rows[0]
    assert "5 losses in a row, limit 5" in rows[0]
    assert "half" in rows[1]
    assert "1 open" in lines[0]
    assert "a winning trade" in panel.text
    assert "closed trades" in panel.text
    assert "20 %" in panel.text


def test_what_was_never_measured_says_so_instead_of_a_limit() -> None:
    world = gallery.world()
    closed = world.breakers[-1]
    unasked = replace(closed, value=0.0, limit=math.nan)
    panel = shown(BreakersPanel, replace(world, breakers=(unasked,)), 118, 8)
    assert "not measured" in panel.text
    assert f" {closed.unit}" not in panel.text


def test_a_trade_that_was_not_made_tells_by_whom_and_its_marks() -> None:
    panel = shown(CounterfactualsPanel, gallery.world(), 118, 12)
    assert "1 of 2 would have won" in panel.text
    assert "followed" in panel.text
    assert "spread" in panel.text
    panel.move(1)
    assert "5m" in panel.text
    assert "+1.40" in panel.text
    assert "No by person" in panel.text
    assert "Not seen 12 m" in panel.text
