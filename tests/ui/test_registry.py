"""The registry of actions, keymaps, themes and what the first frame may import."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from app import keymap, theme
from app.actions import ACTIONS, BY_ID, Danger, actions_markdown, for_key
from app.keymap import FORBIDDEN, FORBIDDEN_MODIFIERS, clashes
from app.state import UiState
from engine.core.errors import ConfigError
from tests.ui.deck import Deck, drive

ROOT = Path(__file__).resolve().parents[2]


def test_no_two_actions_share_a_key_where_both_are_live() -> None:
    assert clashes(ACTIONS) == []


def test_no_key_needs_what_terminals_keep_for_themselves() -> None:
    for action in ACTIONS:
        for key in action.keys:
            assert key not in FORBIDDEN
            assert not set(key.split("+")[:-1]) & set(FORBIDDEN_MODIFIERS)


def test_what_cannot_be_undone_sits_on_no_bare_key() -> None:
    typed = [action for action in ACTIONS if action.danger is Danger.TYPED]
    assert [action.id for action in typed] == ["flatten"]
    assert all(len(key) > 1 for action in typed for key in action.keys)


def test_every_key_of_the_design_is_there() -> None:
    keys = "1 2 3 4 5 6 7 question_mark ctrl+p slash escape j k g G enter z space a x e o s t c p"
    for key in [*keys.split(), "w", "y", "q", "tab"]:
        assert for_key(ACTIONS, key, "desk") is not None, key


def test_every_action_has_a_handler_and_says_why_it_is_disabled_without_an_engine() -> None:
    async def script(deck: Deck) -> None:
        for action in ACTIONS:
            assert callable(deck.app.handler(action)), action.id
            assert isinstance(action.why_disabled(UiState()), str)
        acting = [a for a in ACTIONS if a.danger in (Danger.ACTS, Danger.TYPED)]
        assert acting
        assert all(action.why_disabled(UiState()) for action in acting)

    drive(script)


def test_the_documentation_lists_every_action_once() -> None:
    text = actions_markdown()
    for action in ACTIONS:
        assert text.count(f"(`{action.id}`)") == 1


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        ({"aprove": "b"}, "did you mean approve"),
        ({"approve": "p"}, "p is claimed by approve and pause"),
        ({"approve": "alt+a"}, "no key needs alt"),
        ({"approve": "super+a"}, "no key needs super"),
        ({"approve": "ctrl+s"}, "stops the output"),
        ({"quit": ["ctrl+b"]}, "prefix key of tmux"),
        ({"flatten": "F"}, "bare key"),
        ({"approve": ""}, "empty key"),
    ],
)
def test_a_wrong_keymap_is_refused_by_name(overrides: dict[str, str], words: str) -> None:
    with pytest.raises(ConfigError) as refused:
        keymap.apply(overrides)
    assert words in str(refused.value)


def test_an_overridden_key_works_and_is_shown() -> None:
    async def script(deck: Deck) -> None:
        await deck.press("a")
        assert deck.hub.sent == []
        await deck.press("A")
        assert deck.hub.last().__class__.__name__ == "Approve"
        assert " A approve" in f" {deck.footer}"

    drive(script, keys={"approve": "A", "help": "?"})


def test_two_scopes_may_share_a_key() -> None:
    assert for_key(ACTIONS, "x", "desk") is BY_ID["reject"]
    assert for_key(ACTIONS, "x", "journal") is BY_ID["order.cancel"]


def test_packaged_themes_name_every_role() -> None:
    themes, troubles = theme.load()
    assert troubles == []
    assert {"dark", "light", "clear", "ansi"} <= set(themes)
    for each in themes.values():
        assert set(theme.ROLES) <= set(each.variables)


def test_a_broken_theme_of_the_user_costs_a_sentence_and_not_the_screen(tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text("name = ")
    (tmp_path / "odd.toml").write_text('name = "odd"\n[base]\nprimary = "blue"\n')
    (tmp_path / "mine.toml").write_text('name = "mine"\n[base]\nprimary = "#102030"\n')
    themes, troubles = theme.load(tmp_path)
    assert len(troubles) == 2
    assert "primary is no colour" in " ".join(troubles)
    assert themes["mine"].variables["gain"] == theme.ROLES["gain"]

    async def script(deck: Deck) -> None:
        assert deck.app.theme == "dark"
        assert "missing is missing" in deck.message

    drive(script, theme="missing")


def test_themes_change_colours_and_keep_texts() -> None:
    async def script(deck: Deck) -> None:
        before = deck.text
        deck.app.views.use_theme("light")
        await deck.look(100)
        assert deck.app.theme == "light"
        assert deck.text.splitlines()[1:-2] == before.splitlines()[1:-2]

    drive(script)


def test_the_first_frame_imports_no_engine_and_no_heavy_library() -> None:
    code = (
        "import sys, app.app, app.session, app.driver\n"
        "heavy = ['numpy', 'pandas', 'numba', 'ccxt', 'pydantic', 'aiosqlite', 'scipy',"
        " 'engine.kernel', 'engine.journal', 'engine.market', 'typer']\n"
        "print([name for name in heavy if name in sys.modules])"
    )  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert done.stdout.strip() == "[]"
