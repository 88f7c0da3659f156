"""Hints: one useful key after the other, kept per person, and gone for good in the end."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from app.hints import FILE, MOST_VISITS, STEPS, Hints, Memory
from app.state import UiState
from engine.core.clock import MINUTE, iso
from engine.core.types import FeedKind
from tests.ui.deck import Deck, drive
from tests.ui.fakehub import START_NS, FakeHub, world


async def settled(deck: Deck) -> str:
    """The hint, once the message before it has gone."""
    for _ in range(2):
        deck.hub.change()
        await deck.look(10_000)
    return deck.message


def test_hints_lead_from_a_signal_to_the_pause(tmp_path: Path) -> None:
    async def script(deck: Deck) -> None:
        assert "2 shows every vote" in await settled(deck)
        await deck.press("2", "tab")
        assert "enter opens the reasons" in await settled(deck)
        await deck.press("enter", "escape")
        assert "3 shows the reasoning" in await settled(deck)
        await deck.press("3")
        assert "1 returns to the desk" in await settled(deck)
        deck.hub.change(proposals=world().proposals)
        assert "1 opens the Desk" in await settled(deck)
        await deck.press("1")
        await deck.look()
        assert "enter shows why" in await settled(deck)
        await deck.press("enter", "escape")
        assert "a approves" in await settled(deck)
        await deck.press("a")
        deck.hub.change(positions=world().positions)
        assert "s moves the stop" in await settled(deck)
        await deck.press("tab", "s", "escape")
        assert ", reads the chart" in await settled(deck)
        await deck.press("comma", "escape")
        assert "p pauses" in await settled(deck)
        await deck.press("p")
        assert "? lists every key" in await settled(deck)
        await deck.press("question_mark", "escape")
        assert await settled(deck) == ""

    memory = Memory(tmp_path)
    drive(script, memory=memory, hub=FakeHub(world(proposals=(), positions=())))
    assert Memory(tmp_path).done >= STEPS
    assert not Memory(tmp_path).newcomer


def test_on_a_live_market_the_hint_names_the_next_moment_of_the_strategies() -> None:
    base = world(proposals=(), positions=())
    at_ns = START_NS - START_NS % (15 * MINUTE) + 14 * MINUTE
    live = msgspec.structs.replace(
        base, time_ns=at_ns, feed=msgspec.structs.replace(base.feed, kind=FeedKind.LIVE)
    )
    text = Hints(True).text(UiState(snapshot=live))
    assert f"speak at {iso(at_ns + MINUTE)[11:16]} UTC" in text
    assert len(text) < 60, "the smallest window shows all of it"


def test_what_was_used_is_not_told_again_at_the_next_visit(tmp_path: Path) -> None:
    first = Hints(True, Memory(tmp_path))
    first.did("screen.signals")
    again = Hints(True, Memory(tmp_path))
    state = UiState(snapshot=world(proposals=(), positions=()))
    assert "2 shows" not in again.text(state)
    assert "3 shows the reasoning" in again.text(state)


def test_after_some_visits_nobody_is_a_newcomer(tmp_path: Path) -> None:
    for _ in range(MOST_VISITS):
        memory = Memory(tmp_path)
        assert memory.newcomer
        memory.visited()
    assert not Memory(tmp_path).newcomer
    assert Hints(True, Memory(tmp_path)).text(UiState(snapshot=world())) == ""


@pytest.mark.parametrize("text", ["", "{", "[1, 2]", '{"visits": "many", "done": 3}'])
def test_a_broken_memory_is_an_empty_one(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_text(text)
    memory = Memory(tmp_path)
    assert (memory.visits, memory.done) == (0, set())
    memory.add("help")
    assert Memory(tmp_path).done == {"help"}


def test_a_folder_that_cannot_be_written_costs_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    memory = Memory(tmp_path / "file")
    memory.add("help")
    memory.visited()
    assert memory.done == {"help"}


def test_a_screen_that_only_reads_is_led_to_no_act() -> None:
    hints = Hints(True)
    text = hints.text(UiState(snapshot=world(), readonly=True))
    assert "approves" not in text
    assert "3 shows the reasoning" in text
