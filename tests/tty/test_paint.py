"""The painter: what it leaves unsent is what the terminal shows already."""

from __future__ import annotations

import re
from pathlib import Path

import pyte
import pytest
from rich.console import Console
from rich.segment import Segment
from rich.style import Style
from textual._compositor import LayoutUpdate
from textual.geometry import Region
from textual.strip import Strip

from app.paint import Painter
from engine.core.ids import source
from tests.tty.harness import Terminal

WIDTH, HEIGHT = 40, 8
STYLES = (
    Style(),
    Style(color="#ff0000", bgcolor="#101010"),
    Style(color="#00ff00", bgcolor="#101010", bold=True),
    Style(color="#00ff00", bgcolor="#202020", reverse=True),
    Style(bgcolor="#202020", underline=True),
)
WORDS = ("BTC/USDT", "  ", "漢字", "a", "▲ +1.2 %", "é", "x" * 17, "─" * 9, "한", " ")


class Screen:
    """A terminal to compare with: pyte, without what it does not know."""

    def __init__(self, width: int, height: int) -> None:
        self.screen = pyte.Screen(width, height)
        self._stream = pyte.Stream(self.screen)

    def feed(self, text: str) -> None:
        self._stream.feed(re.sub(r"\x1b(\[(>\d*|<)u|\[\?[\d;]+\$p|\]22;[a-z-]*\x07)", "", text))

    def cells(self) -> list[list[tuple[object, ...]]]:
        return [
            [tuple(self.screen.buffer[y][x]) for x in range(self.screen.columns)]
            for y in range(self.screen.lines)
        ]


def console() -> Console:
    return Console(color_system="truecolor", force_terminal=True, legacy_windows=False)


def strips(seed: int) -> list[list[Strip]]:
    """Rows of random words in random styles, each exactly as wide as the screen."""
    draws = source(seed, "strips")
    rows = []
    for _ in range(HEIGHT):
        segments = [
            Segment(draws.choice(WORDS), draws.choice(STYLES)) for _ in range(draws.randint(1, 12))
        ]
        rows.append([Strip(segments).crop_extend(0, WIDTH, STYLES[0])])
    return rows


@pytest.mark.parametrize("seed", range(12))
def test_differences_lead_to_the_same_screen_as_whole_frames(seed: int) -> None:
    painter, seen = Painter(), Screen(WIDTH, HEIGHT)
    painter.fit(WIDTH, HEIGHT)
    for step in range(25):
        rows = strips(seed * 1_000 + step // 2)
        if step % 2:
            rows[step % HEIGHT] = strips(seed * 1_000 + step + 500)[0]
        update = LayoutUpdate(rows, Region(0, 0, WIDTH, HEIGHT))  # type: ignore[arg-type]
        seen.feed(painter.encode(update, console()))
        whole, fresh = Screen(WIDTH, HEIGHT), Painter()
        fresh.fit(WIDTH, HEIGHT)
        whole.feed(fresh.encode(update, console()))
        assert seen.cells() == whole.cells()
        reference = ["".join(segment.text for segment in row[0]) for row in rows]
        assert [line.rstrip() for line in whole.screen.display] == [r.rstrip() for r in reference]
        assert painter.encode(update, console()) == ""


def test_forgetting_sends_everything_again() -> None:
    painter = Painter()
    painter.fit(WIDTH, HEIGHT)
    update = LayoutUpdate(strips(1), Region(0, 0, WIDTH, HEIGHT))  # type: ignore[arg-type]
    first = painter.encode(update, console())
    assert painter.encode(update, console()) == ""
    painter.forget()
    assert painter.encode(update, console()) == first
    painter.fit(WIDTH + 1, HEIGHT)
    assert painter.encode(update, console())


@pytest.mark.tty
@pytest.mark.parametrize("size", [(120, 40), (80, 24)])
def test_after_any_keys_the_terminal_shows_what_a_full_repaint_would(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    columns, rows = size
    draws = source(columns, "keys")
    keys = ["j", "k", "\t", "z", "2", "3", "5", "7", "1", "?", "\x1b", "q", "/", "e", "\r", "p"]
    arguments = ["-m", "tests.tty.demo", "--rate", "5", "--still", "--state", str(tmp_path)]
    with Terminal(arguments, columns=columns, rows=rows) as terminal:
        terminal.wait("PAPER")
        terminal.settle(0.3)
        for _ in range(2):
            for _ in range(6):
                terminal.send(draws.choice(keys))
                terminal.settle(0.12, 2.0)
            for _ in range(3):
                terminal.send("\x1b")
                terminal.settle(0.2, 2.0)
            # Messages of the line above the footer end after six seconds; none may end now.
            terminal.send("\x0c")
            before = len(terminal.output)
            terminal.wait(lambda data: data.count(b"H") > rows, since=before)
            terminal.settle(0.3)
            grown, fresh = Screen(columns, rows), Screen(columns, rows)
            grown.feed(terminal.output.decode())
            fresh.feed(bytes(terminal.output[before:]).decode())
            assert grown.screen.display == fresh.screen.display
            partial = Screen(columns, rows)
            partial.feed(bytes(terminal.output[:before]).decode())
            body = slice(0, rows - 2)
            assert partial.screen.display[body] == fresh.screen.display[body]
            assert partial.cells()[body] == fresh.cells()[body]
