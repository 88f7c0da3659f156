"""The frame around the panels: footer keys, message line, tabs and the note on size.

Each is one row of its own drawing, so that a changed word costs some bytes and not a frame;
Textual's Header, Footer and Toast send kilobytes for the same.
"""

from __future__ import annotations

from collections.abc import Sequence

from widgets.cells import width_of
from widgets.lines import Line, LineWidget, Run, run

Parts = Sequence[Run]
"""Pieces of a line: text and the role words it is drawn in, such as `bold gain`."""


class Bar(LineWidget):
    """One row of styled text that repaints only the runs which changed."""

    DEFAULT_CSS = """
    Bar { height: 1; width: 1fr; background: $panel; color: $foreground; }
    """

    def __init__(self, id: str, parts: Parts = ()) -> None:
        super().__init__(id=id)
        self._parts: Line = tuple(run(text, words) for text, words in parts)

    def put(self, parts: Parts) -> None:
        """Show these pieces; nothing is sent when they are the ones shown already."""
        new = tuple(run(text, words) for text, words in parts if text)
        if new != self._parts:
            self._parts = new
            self.redraw()

    @property
    def parts(self) -> Line:
        return self._parts

    @property
    def says(self) -> str:
        """What the line says, whatever its width."""
        return "".join(text for text, _ in self._parts).strip()

    def draw(self, width: int, height: int) -> Sequence[Line]:
        return [self._parts]


class FooterLine(Bar):
    """The keys of the moment; what is disabled is dim, and why is said when it is pressed."""

    def __init__(self, id: str) -> None:
        super().__init__(id)
        self._keys: tuple[tuple[str, str, bool], ...] = ()

    def show_keys(self, keys: Sequence[tuple[str, str, bool]]) -> None:
        """Show (key, label, enabled), whole keys only, as many as fit."""
        new = tuple(keys)
        if new != self._keys:
            self._keys = new
            self.redraw()

    @property
    def says(self) -> str:
        return "".join(text for text, _ in self.draw(self.size.width, 1)[0]).strip()

    def draw(self, width: int, height: int) -> Sequence[Line]:
        parts: list[Run] = []
        used = 0
        for key, label, enabled in self._keys:
            length = width_of(key) + width_of(label) + 3
            if used + length > width:
                break
            used += length
            parts.append((f" {key}", "bold note" if enabled else "muted"))
            parts.append((f" {label} ", "" if enabled else "muted"))
        return [tuple(parts)]


class MessageLine(Bar):
    """Where acts report their effect; otherwise the next useful key for a newcomer."""


class TabsLine(Bar):
    """The names of the panels when only one of them fits on the screen."""

    def show_tabs(self, titles: Sequence[str], active: int) -> None:
        self.put(
            [
                (f" {title} ", "bold reverse" if index == active else "muted")
                for index, title in enumerate(titles)
            ]
        )


class SizeNote(LineWidget):
    """What is drawn instead of panels in a window too small to act in."""

    DEFAULT_CSS = """
    SizeNote { width: 1fr; height: 1fr; background: $background; display: none; }
    """

    def draw(self, width: int, height: int) -> Sequence[Line]:
        return [
            ((f"60x15 is needed, {width}x{self.app.size.height} is too small", "bold warn"),),
            (("trading goes on; q quits", "muted"),),
        ]
