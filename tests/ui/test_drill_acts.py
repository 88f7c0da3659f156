"""Drills at the screen: offered by the palette, run elsewhere, told in a line."""

from __future__ import annotations

import pytest

from app import drillacts
from app.actions import BY_ID
from app.drills import DRILLS
from tests.ui.deck import Deck, drive


def test_the_palette_offers_every_drill_in_its_own_words() -> None:
    offered = {a.argument: a.help for a in BY_ID.values() if a.handler == "drill"}
    assert offered.keys() == DRILLS.keys()
    for name, (_, what) in DRILLS.items():
        assert what in offered[name]


def test_a_drill_runs_in_a_process_of_its_own_and_its_verdict_is_a_line() -> None:
    text, role = drillacts.verdict_of("runaway")
    assert text.startswith("drill runaway passed")
    assert role == "gain"


def test_what_does_not_hold_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    class Done:
        stdout = '{"checks": {"it was halted within a second": false, "x": true}}'

    monkeypatch.setattr("subprocess.run", lambda *_, **__: Done())
    text, role = drillacts.verdict_of("runaway")
    assert "it was halted within a second" in text
    assert role == "danger"


def test_a_second_drill_waits_for_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drillacts, "Thread", lambda **_: type("T", (), {"start": lambda _: None})())

    async def script(deck: Deck) -> None:
        deck.app.perform(BY_ID["drill.runaway"])
        await deck.look()
        assert "drill runaway runs" in deck.message
        deck.app.perform(BY_ID["drill.flash-crash"])
        await deck.look()
        assert "still runs" in deck.message

    drive(script)
