"""The palette finds everything: actions of this and other screens, panels, themes."""

from __future__ import annotations

import pytest
from textual.command import CommandList
from textual.screen import Screen

from app.actions import ACTIONS
from app.layouts import LAYOUTS
from app.palette import ActionProvider, Palette
from app.views import MOST_COPIED, whether_it_arrives
from tests.ui.deck import Deck, drive


def provider(deck: Deck) -> ActionProvider:
    screen = deck.app.screen
    assert isinstance(screen, Screen)
    return ActionProvider(screen)


def test_every_action_panel_and_theme_is_in_it() -> None:
    async def script(deck: Deck) -> None:
        entries = list(provider(deck).entries())
        words = [entry.words for entry in entries]
        for action in ACTIONS:
            if action.id != "palette":
                assert words.count(action.id) == 1, action.id
        titles = [entry.title for entry in entries]
        for slots in LAYOUTS.values():
            for slot in slots:
                assert f"Panel {slot.title}" in titles
        assert "Theme contrast" in titles
        notes = {entry.words: entry.note for entry in entries}
        assert "not now" in notes["order.cancel"] or "Journal" in notes["order.cancel"]

    drive(script)


def test_an_action_of_another_screen_opens_that_one_and_does_nothing_yet() -> None:
    async def script(deck: Deck) -> None:
        await deck.press("7")
        entry = next(one for one in provider(deck).entries() if one.words == "approve")
        assert "on the Desk screen (1)" in entry.note
        entry.act()
        await deck.pilot.pause()
        assert deck.app.current_mode == "desk"
        assert "a does it here" in deck.message
        assert deck.hub.sent == []

    drive(script)


def test_a_panel_is_gone_to_by_its_name() -> None:
    async def script(deck: Deck) -> None:
        entries = provider(deck).entries()
        entry = next(one for one in entries if one.title == "Panel Correlation")
        entry.act()
        await deck.pilot.pause()
        await deck.look()
        screen = deck.app.base_screen()
        assert screen is not None
        assert (screen.name, screen.active) == ("risk", "correlation")

    drive(script, size=(80, 24))


@pytest.mark.parametrize(
    ("environ", "words"),
    [({"TMUX": "/x"}, "set-clipboard on"), ({"SSH_TTY": "/dev/pts/1"}, "end of SSH"),
     ({}, "if the terminal allows it")],
)  # fmt: skip
def test_the_toast_of_a_copy_says_what_may_stop_it(environ: dict[str, str], words: str) -> None:
    assert words in whether_it_arrives(environ)


def test_what_is_too_long_for_a_clipboard_is_not_half_copied(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("app.exports.plain", lambda _rows: "x" * (MOST_COPIED + 1))

    async def script(deck: Deck) -> None:
        await deck.press("y")
        assert "w writes a file" in deck.message
        assert deck.app.clipboard == ""

    drive(script)


def test_a_page_of_a_list_that_was_not_laid_out_yet_ends_nothing() -> None:
    """Textual fills the list first and lays it out later; a page key may come between."""

    async def script(deck: Deck) -> None:
        await deck.press("ctrl+p")
        await deck.look()
        assert isinstance(deck.app.screen, Palette)
        lines = deck.app.screen.query_one(CommandList)
        lines._index_to_line.clear()
        await deck.press("pagedown", "pageup")
        assert isinstance(deck.app.screen, Palette)
        await deck.press("escape", "escape")
        assert not isinstance(deck.app.screen, Palette)

    drive(script)
