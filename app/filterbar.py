"""The filter line: one row above the footer that narrows a panel while it is typed."""

from __future__ import annotations

from collections.abc import Callable

from textual import events
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.widgets import Input

from app.chrome import Bar
from app.modal import Modal


class FilterBar(Modal[None]):
    """Calls `typed` with each text; enter keeps it, escape clears it."""

    DEFAULT_CSS = """
    FilterBar { background: $background 0%; }
    FilterBar Horizontal { dock: bottom; height: 1; margin: 0 0 1 0; background: $panel; }
    FilterBar Bar { width: 22; }
    FilterBar Input { height: 1; border: none; padding: 0; width: 1fr; background: $surface; }
    FilterBar Input:focus { border: none; }
    """
    AUTO_FOCUS = "Input"

    def __init__(self, panel: str, text: str, typed: Callable[[str], None]) -> None:
        super().__init__()
        self._panel = panel
        self._text = text
        self._typed = typed

    def compose(self) -> ComposeResult:
        label = Bar("filter-label", [(f" filter {self._panel}: ", "bold note")])
        line = Input(self._text, id="filter-text", select_on_focus=False)
        line.cursor_blink = False
        with Horizontal():
            yield label
            yield line

    def on_input_changed(self, event: Input.Changed) -> None:
        self._typed(event.value.strip())

    def on_input_submitted(self, _event: Input.Submitted) -> None:
        self.dismiss(None)

    def on_key(self, event: events.Key) -> None:
        if event.key == "escape":
            event.stop()
            self._typed("")
            self.dismiss(None)
