"""Leaving: what each way out does to the engine, and that flattening is waited for."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from textual import events

from app.modal import Once
from engine.core.commands import Flatten, Pause
from tests.ui.deck import Deck, drive
from tests.ui.fakehub import world

WORDS = ("Pause entries and quit", "Flatten and quit", "Quit", "Cancel")


def left(deck: Deck) -> bool:
    return deck.app._exit


def test_an_engine_inside_offers_to_pause_or_flatten_first() -> None:
    async def script(deck: Deck) -> None:
        await deck.press("q")
        assert all(word in deck.text for word in WORDS)
        assert "open without anybody watching the stops" in deck.text
        await deck.press("escape")
        assert not left(deck)

    drive(script)


@pytest.mark.parametrize("options", [{"served": True}, {"inspecting": True}])
def test_where_the_engine_stays_leaving_costs_nothing(options: dict[str, Any]) -> None:
    async def script(deck: Deck) -> None:
        await deck.press("q")
        assert "Flatten" not in deck.text
        assert ("Detach" in deck.text) is bool(options.get("served"))
        await deck.press("d" if "served" in options else "y")
        assert left(deck)
        assert deck.hub.sent == []

    drive(script, **options)


def test_pause_and_quit_pauses_and_leaves_on_its_ack() -> None:
    async def script(deck: Deck) -> None:
        await deck.press("q", "e")
        assert isinstance(deck.hub.last(), Pause)
        await deck.look()
        assert left(deck)

    drive(script)


def test_flatten_and_quit_leaves_only_when_every_position_is_closed() -> None:
    async def script(deck: Deck) -> None:
        await deck.press("q", "f")
        await deck.write("FLATTEN")
        await deck.press("enter")
        assert isinstance(deck.hub.last(), Flatten)
        deck.hub.change()
        await deck.look()
        assert not left(deck), "the exits have not filled"
        assert "leaving when every position is closed" in deck.message
        deck.hub.change(positions=(), orders=())
        await deck.look()
        assert left(deck)

    drive(script)


def test_flatten_and_quit_does_not_wait_for_what_no_order_can_close() -> None:
    async def script(deck: Deck) -> None:
        await deck.press("q", "f")
        await deck.write("FLATTEN")
        await deck.press("enter")
        held = world().positions[0]
        deck.hub.change(positions=(held,), orders=())
        await deck.look()
        assert not left(deck)
        dust = msgspec.structs.replace(held, dust="worth less than the venue's least order")
        deck.hub.change(positions=(dust,))
        await deck.look()
        assert left(deck)

    drive(script)


@pytest.mark.parametrize(
    ("opens", "ahead"),
    [("q", ("y", "y", "e")), ("q", ("escape", "escape")), ("question_mark", ("q", "escape", "q")),
     ("slash", ("escape", "escape")), ("p", ("escape", "escape"))],
)  # fmt: skip
def test_keys_that_were_typed_ahead_answer_a_dialog_once(
    opens: str, ahead: tuple[str, ...]
) -> None:
    """They are in its queue before the first of them has closed it."""

    async def script(deck: Deck) -> None:
        await deck.press(opens)
        if opens == "p":
            await deck.look()
            await deck.press("p")
        above = deck.app.screen
        assert isinstance(above, Once)
        under = deck.app.screen_stack[-2]
        for key in ahead:
            above.post_message(events.Key(key, key if len(key) == 1 else None))
        await deck.look()
        assert deck.app.screen is under
        assert left(deck) is ("y" in ahead)

    drive(script)
