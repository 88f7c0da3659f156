"""Sends of a changed row what changed, and not everything to the left of it.

Textual marks spans of cells, but writes each from the left edge of its widget on. With this
mixed into the application, a new price costs its own cells: some sixty bytes and not three
hundred. Only what Textual calls a partial update is touched; whole frames go as they are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.control import Control
from textual._compositor import ChopsUpdate

if TYPE_CHECKING:
    from textual.app import App

    _Base = App[object]
else:
    _Base = object


class NarrowUpdate(ChopsUpdate):
    """A partial update whose spans begin where they were marked."""

    def render_segments(self, console: Console) -> str:
        """The update as it is written to the terminal."""
        written: list[str] = []
        for y, first, last in self.spans:
            for end, (start, strip) in zip(self.chop_ends[y], self.chops[y].items(), strict=False):
                left, right = max(start, first), min(end, last)
                if strip is None or left >= right:
                    continue
                piece = strip if (left, right) == (start, end) else strip.crop(
                    left - start, right - start
                )  # fmt: skip
                written.append(Control.move_to(left, y).segment.text)
                written.append(piece.render(console))
        return "".join(written)


class NarrowDisplay(_Base):
    """Mixed into an `App` before it: its partial updates become narrow ones."""

    def _display(self, screen: object, renderable: object) -> None:
        if type(renderable) is ChopsUpdate:
            renderable = NarrowUpdate(renderable.chops, renderable.spans, renderable.chop_ends)
        super()._display(screen, renderable)  # type: ignore[arg-type]
