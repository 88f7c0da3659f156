"""Themes: legible on every ground, complete, loaded again when edited, and never fatal."""

from __future__ import annotations

import os
import re
from itertools import product
from pathlib import Path

import pytest
from rich.color import ColorSystem
from rich.console import Console
from rich.segment import Segment
from rich.style import Style
from textual._compositor import LayoutUpdate
from textual.color import Color
from textual.geometry import Region
from textual.strip import Strip

from app import theme
from app.options import AppOptions
from app.paint import Painter
from app.painting import PaintingApp
from tests.ui.deck import Deck, drive
from widgets.roles import DEFAULTS, Roles

TEXTS = ("foreground", "accent", "soft", *theme.ROLES)
GROUNDS = ("background", "panel", "surface", "cursor", "rest")
NEEDED = {"contrast": 7.0}
THEMES, _ = theme.load()


def roles_of(name: str) -> Roles:
    """The roles of a theme as the application hands them to panels."""
    chosen = THEMES[name]
    base = {key: getattr(chosen, key) for key in theme.BASE if getattr(chosen, key)}
    return Roles({**chosen.variables, **base})


def luminance(colour: Color) -> float:
    """Relative luminance as WCAG 2.1 defines it."""
    parts = [channel / 255 for channel in colour.rgb]
    red, green, blue = (
        part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def ratio(one: Color, other: Color) -> float:
    """The contrast ratio of two colours, from 1 to 21."""
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_the_contrast_ratio_is_that_of_the_standard() -> None:
    white, black, grey = Color.parse("#ffffff"), Color.parse("#000000"), Color.parse("#767676")
    assert ratio(white, black) == pytest.approx(21.0)
    assert ratio(grey, white) == pytest.approx(4.54, abs=0.01)


@pytest.mark.parametrize("name", sorted(set(THEMES) - {"ansi"}))
def test_every_text_can_be_read_on_every_ground(name: str) -> None:
    """Except in ansi, whose colours are the terminal's and known to nobody here."""
    roles, least = roles_of(name), NEEDED.get(name, 4.5)
    pale = []
    for text, ground in product(TEXTS, GROUNDS):
        one, other = roles.colour(text), roles.colour(ground)
        assert one is not None
        assert other is not None
        if ratio(one, other) < least:
            pale.append(f"{text} on {ground}: {ratio(one, other):.2f}")
    assert pale == []


@pytest.mark.parametrize("name", sorted(set(THEMES) - {"ansi"}))
def test_the_figures_of_the_heat_map_can_be_read_on_their_grounds(name: str) -> None:
    roles, least = roles_of(name), NEEDED.get(name, 4.5)
    drawn = [("muted", "heat1"), *(("foreground", f"heat{level}") for level in range(1, 5))]
    for text, ground in drawn:
        one, other = roles.colour(text), roles.colour(ground)
        assert one is not None
        assert other is not None
        assert ratio(one, other) >= least, f"{text} on {ground}: {ratio(one, other):.2f}"


def test_gain_and_loss_of_the_colour_blind_theme_stay_apart_without_red_and_green() -> None:
    """Seen by somebody without red or green receptors (Viénot's matrices, 1999)."""
    roles = roles_of("clear")
    gain, loss = roles.colour("gain"), roles.colour("loss")
    assert gain is not None
    assert loss is not None
    for seen in (protanope, deuteranope):
        apart = sum((a - b) ** 2 for a, b in zip(seen(gain), seen(loss), strict=True)) ** 0.5
        assert apart > 120, apart


def protanope(colour: Color) -> tuple[float, float, float]:
    red, green, blue = colour.rgb
    yellow = 0.11238 * red + 0.88762 * green
    return yellow, yellow, 0.00401 * red - 0.00401 * green + blue


def deuteranope(colour: Color) -> tuple[float, float, float]:
    red, green, blue = colour.rgb
    yellow = 0.29275 * red + 0.70725 * green
    return yellow, yellow, -0.02234 * red + 0.02234 * green + blue


def test_the_themes_of_the_program_are_those_it_promises_and_name_every_role() -> None:
    themes, troubles = theme.load()
    assert troubles == []
    assert set(themes) == {"dark", "light", "contrast", "clear", "ansi"}
    for each in themes.values():
        assert set(theme.ROLES) <= set(each.variables)
    for role in ("background", *theme.ROLES):
        assert DEFAULTS[role] == roles_of("dark").colour(role).hex.lower(), role  # type: ignore[union-attr]


MINE = 'name = "mine"\n[base]\nprimary = "#102030"\n[roles]\ngain = "{gain}"\ncursor = "#222233"\n'


def test_an_edited_theme_is_taken_over_and_a_broken_one_falls_back_until_it_is_mended(
    tmp_path: Path,
) -> None:
    mine = tmp_path / "mine.toml"
    mine.write_text(MINE.format(gain="#10ff10"))
    stamp = iter(range(1, 99))

    def edit(text: str) -> None:
        mine.write_text(text)
        at = 1_700_000_000 + next(stamp)
        os.utime(mine, (at, at))

    async def script(deck: Deck) -> None:
        app = deck.app
        assert app.theme == "mine"
        edit(MINE.format(gain="#20ff20"))
        app._look_at_themes()
        await deck.look(100)
        assert app.theme_variables["gain"] == "#20ff20"
        edit(MINE.format(gain="green"))
        app._look_at_themes()
        assert app.theme == "dark"
        assert "gain is no colour" in deck.message
        assert "dark is used" in deck.message
        edit(MINE.format(gain="#30ff30"))
        app._look_at_themes()
        await deck.look(100)
        assert app.theme == "mine"
        assert app.theme_variables["gain"] == "#30ff30"

    drive(script, size=(200, 60), theme="mine", theme_folder=tmp_path)


def painted(style: Style, own: tuple[str | None, str | None] | None) -> str:
    """What the painter writes for one word in a style, in sixteen colours."""
    painter = Painter()
    painter.own_ground(own)
    painter.fit(4, 1)
    console = Console(color_system="standard", force_terminal=True)
    assert console._color_system is ColorSystem.STANDARD
    update = LayoutUpdate(
        [[Strip.blank(0), Strip([Segment("word", style)], 4)]], Region(0, 0, 4, 1)
    )
    return painter.encode(update, console)


def test_ansi_leaves_text_and_ground_to_the_terminal() -> None:
    style = Style(color="#c0c0c0", bgcolor="#000000")
    assert "40" in painted(style, None)
    own = painted(style, ("#c0c0c0", "#000000"))
    assert "40" not in own.replace("[0", "")
    assert "37" not in own
    gain = painted(Style(color="#00ff00", bgcolor="#000000"), ("#c0c0c0", "#000000"))
    assert "32m" in gain
    assert "40" not in gain


READABLE = {"1", "2", "3", "4", "5", "6"}
"""Codes that a palette makes to be read on its ground; bright ones, black and white are not."""

XTERM = {
    "1": "#cd0000", "2": "#00cd00", "3": "#cdcd00", "4": "#0000ee", "5": "#cd00cd", "6": "#00cdcd",
}  # fmt: skip
TANGO = {
    "1": "#cc0000", "2": "#4e9a06", "3": "#c4a000", "4": "#3465a4", "5": "#75507b", "6": "#06989a",
}  # fmt: skip


def test_texts_of_ansi_are_the_terminals_own_or_one_of_its_six_readable_colours() -> None:
    own = ("#c0c0c0", "#000000")
    for role in (*TEXTS, "primary"):
        colour = roles_of("ansi").colour(role)
        assert colour is not None
        codes = re.findall(r"\d+", painted(Style(color=colour.hex), own))
        drawn = {code for code in codes if len(code) == 2 and code[0] in "34"} - {"39", "49"}
        assert all(code[0] == "3" and code[1] in READABLE for code in drawn), (role, codes)
        for palette, ground, least in ((XTERM, "#000000", 3.5), (TANGO, "#ffffff", 2.4)):
            for code in drawn:
                found = ratio(Color.parse(palette[code[1]]), Color.parse(ground))
                assert found >= least, f"{role} on {ground}: {found:.2f}"


@pytest.mark.parametrize("variable", ["TERM", "NO_COLOR"])
def test_a_terminal_of_sixteen_colours_or_none_gets_ansi_and_no_colours_where_none_are_wanted(
    variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if variable == "NO_COLOR":
        monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setattr(PaintingApp, "_few_colours", lambda _: variable == "TERM")
    app = PaintingApp(AppOptions(theme="light"))
    app._terminal_colours = ColorSystem.STANDARD if variable == "TERM" else ColorSystem.EIGHT_BIT
    app._choose_theme()
    assert app.theme == "ansi"
    wanted = None if variable == "NO_COLOR" else ColorSystem.STANDARD
    assert app.console._color_system is wanted
    app.choose_theme("light")
    assert app._wanted == ("ansi" if variable == "NO_COLOR" else "light")


def test_the_cursor_of_ansi_is_reversed_rather_than_coloured() -> None:
    style = roles_of("ansi").style("gain on:cursor")
    assert style.reverse
    assert style.bgcolor is None


def test_every_theme_can_be_chosen_while_running() -> None:
    async def script(deck: Deck) -> None:
        text = deck.text.splitlines()[1:-2]
        for name in sorted(deck.app.themes):
            deck.app.views.use_theme(name)
            await deck.look(100)
            assert deck.app.theme == name
            assert deck.text.splitlines()[1:-2] == text

    drive(script)
