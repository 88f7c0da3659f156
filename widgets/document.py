"""Panels that are texts: longer than their place, scrolled by rows."""

from __future__ import annotations

from collections.abc import Sequence

from widgets.cells import plain
from widgets.frame import Frame
from widgets.lines import Line, Run
from widgets.panel import Panel


class DocumentPanel(Panel):
    """A panel whose body is a text of rows, longer than the panel, that scrolls."""

    def __init__(self, *, id: str | None = None, frame: Frame = Frame.BOX) -> None:
        super().__init__(id=id, frame=frame)
        self._top = 0
        self._below = 0

    def document(self, width: int) -> Sequence[Line]:
        """All rows for a width."""
        return ()

    def body(self, width: int, height: int) -> Sequence[Line]:
        lines = self.document(width)
        if self.needle:
            words = self.needle.casefold().split()
            lines = [
                line
                for line in lines
                if all(word in "".join(text for text, _ in line).casefold() for word in words)
            ]
        self._top = max(0, min(self._top, len(lines) - height))
        self._below = max(0, len(lines) - height - self._top)
        return lines[self._top : self._top + height]

    def move(self, by: int) -> None:
        self._top = max(0, self._top + by)
        self.redraw()

    def filter(self, text: str) -> None:
        self.needle = plain(text).strip()
        self.redraw()

    def foot(self) -> Sequence[Run]:
        if not self._top and not self._below:
            return ()
        return ((f"{'↑' if self._top else ' '}{'↓' if self._below else ' '}", "muted"),)
