"""Views: what each key that only looks does. Nothing here sends a command."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from textual.widgets import Input

from app import describe, exports
from app.dialogs import Notice
from app.filterbar import FilterBar
from app.options import is_remote
from widgets.chart import PriceChart
from widgets.tablepanel import DETAIL_LABEL, TablePanel

if TYPE_CHECKING:
    from app.app import QuarterdeckApp
    from app.chrome import Parts
    from app.screens import DeckScreen


MOST_COPIED = 74_000
"""Bytes that common terminals take in one OSC 52 sequence, once coded."""


NOTICE_FRAME = 4
"""Columns that the border and the padding of a notice take."""


def whether_it_arrives(environ: Mapping[str, str]) -> str:
    """What is known of the way to the clipboard: nobody answers, so that it can only be said."""
    if environ.get("TMUX"):
        return "which tmux passes on only with set-clipboard on"
    if is_remote(environ):
        return "which your own terminal, at the other end of SSH, may refuse"
    return "if the terminal allows it"


class Views:
    """The part of the screen that moves between panels, screens and texts."""

    def __init__(self, deck: QuarterdeckApp) -> None:
        self.deck = deck

    def do_open_screen(self, name: str) -> None:
        self.deck.switch_mode(name)

    def show_panel(self, screen: str, panel: str) -> None:
        """Open a screen and give one of its panels the keys."""
        self.deck.switch_mode(screen)
        self.deck.call_after_refresh(self._focus, panel)

    def _focus(self, panel: str) -> None:
        screen = self.deck.base_screen()
        if screen is not None:
            screen.focus_panel(panel)
            self.deck.cursor_moved()
            self.deck.frame.footer(screen)

    def do_move(self, by: str) -> None:
        screen = self.deck.base_screen()
        if screen is None:
            return
        screen.panels[screen.active].move(int(by))
        self.deck.cursor_moved()

    def do_next_panel(self, by: str) -> None:
        screen = self.deck.base_screen()
        if screen is not None:
            screen.next_panel(int(by))
            self.deck.cursor_moved()

    def do_maximise(self, _argument: str) -> None:
        screen = self.deck.base_screen()
        if screen is not None:
            screen.toggle_maximise()

    def do_freeze(self, _argument: str) -> None:
        if self.deck.frozen is None:
            self.deck.frozen = self.deck.snapshot
            self.deck.say("the view is frozen; trading goes on; space thaws it", "warn")
        else:
            self.deck.frozen = None
            self.deck.say("the view is live again", "note")
        screen = self.deck.base_screen()
        if screen is not None:
            self.deck.frame.status(screen)
        self.deck.hurry_paint()

    def do_back(self, _argument: str) -> None:
        """Undo one step of looking: filter, maximised panel, frozen view, other screen."""
        screen = self.deck.base_screen()
        if screen is None:
            return
        panel = screen.panels[screen.active]
        chart = screen.panels.get("chart")
        if isinstance(chart, PriceChart) and chart.point_nowhere():
            return
        if screen.filters.pop(screen.active, ""):
            panel.filter("")
        elif screen.maximised:
            screen.toggle_maximise()
        elif self.deck.frozen is not None:
            self.do_freeze("")
        elif screen.name != "desk":
            self.deck.switch_mode("desk")

    def do_filter(self, _argument: str) -> None:
        screen = self.deck.base_screen()
        if screen is None:
            return
        name = screen.active
        panel = screen.panels[name]

        def typed(text: str) -> None:
            screen.filters[name] = text
            panel.filter(text)

        self.deck.push_screen(FilterBar(name, screen.filters.get(name, ""), typed))

    def _table(self) -> TablePanel | None:
        screen = self.deck.base_screen()
        panel = screen.panels[screen.active] if screen is not None else None
        return panel if isinstance(panel, TablePanel) else None

    def do_sort(self, _argument: str) -> None:
        panel = self._table()
        if panel is not None:
            self.deck.say(f"{panel.title}: {panel.sort_next() or 'rows as they came'}", "note")
            self.deck.cursor_moved()

    def do_sort_reverse(self, _argument: str) -> None:
        panel = self._table()
        if panel is not None:
            self.deck.say(f"{panel.title}: {panel.sort_reversed()}", "note")
            self.deck.cursor_moved()

    def do_detail(self, _argument: str) -> None:
        screen = self.deck.base_screen()
        if screen is None:
            return
        width = min(describe.DETAIL_WIDTH, self.deck.size.width - NOTICE_FRAME)
        found = self.detail_rows(screen, width)
        if found is not None:
            notice = Notice(*found, self.deck.mono, indent=DETAIL_LABEL + 2)
            self.deck.ask(notice, lambda _answer: None)
        elif screen.active == "reasoning":
            if screen.name == "reasoning":
                screen.focus_panel("decision")
            else:
                self.deck.switch_mode("reasoning")
        else:
            screen.toggle_maximise()

    def detail_rows(
        self, screen: DeckScreen, width: int = describe.DETAIL_WIDTH
    ) -> tuple[str, list[Parts]] | None:
        """Title and rows of what the active panel has selected, where it has a text."""
        view = self.deck.view
        key = screen.selected(screen.active)
        if view is None or not key:
            return None
        if screen.active == "approvals":
            for proposal in view.proposals:
                if proposal.id == key:
                    return f"Proposal {key}", describe.proposal_rows(proposal, view, width)
        if screen.active == "positions":
            return f"Position {key}", describe.position_rows(key, view, width)
        found = screen.panels[screen.active].detail(width)
        if found is None:
            return None
        title, rows = found
        record = exports.record_of(screen.active, key, view, self.deck.feeds)
        exact = describe.record_rows(record) if record is not None else []
        return title, [*rows, *exact]

    def do_copy(self, _argument: str) -> None:
        screen = self.deck.base_screen()
        key = screen.selected(screen.active) if screen is not None else None
        if screen is None or not key:
            self.deck.say("nothing is selected to copy", "warn")
            return
        found = self.detail_rows(screen)
        text = exports.plain(found[1]) if found is not None else key
        size = len(text.encode())
        if size > MOST_COPIED:
            self.deck.say(f"{size:,} bytes are more than terminals take: w writes a file", "warn")
            return
        self.deck.copy_to_clipboard(text)
        self.deck.say(f"copied {key} by OSC 52, {whether_it_arrives(os.environ)}", "note")

    def do_write_file(self, _argument: str) -> None:
        screen = self.deck.base_screen()
        if screen is None:
            return
        panel = screen.panels[screen.active]
        lines, what = exports.panel_lines(screen.active, panel, self.deck.view, self.deck.feeds)
        if not lines:
            self.deck.say(f"{panel.title} is empty: nothing was written", "warn")
            return
        try:
            path = exports.write(self.deck.options.export_folder, screen.active, lines)
        except OSError as error:
            self.deck.say(f"nothing was written: {error.strerror or error}", "danger")
        else:
            self.deck.say(f"wrote {what} to {path}", "note")

    def do_redraw(self, _argument: str) -> None:
        self.deck.repaint()

    def do_next_theme(self, _argument: str) -> None:
        names = sorted(self.deck.themes)
        self.use_theme(names[(names.index(self.deck.theme) + 1) % len(names)])

    def use_theme(self, name: str) -> None:
        """Change the colours; everything is painted once."""
        self.deck.choose_theme(name)
        kept = f"theme {name}; screen.theme in the configuration keeps it"
        self.deck.say(
            "NO_COLOR is set: no theme has colours" if self.deck.no_color else kept, "note"
        )

    def do_palette(self, _argument: str) -> None:
        from app.palette import Palette  # loaded when it is first asked for

        if not isinstance(self.deck.screen, Palette):
            self.deck.push_screen(Palette(id="--command-palette"))
        self.deck.call_after_refresh(self._calm_cursor)

    def _calm_cursor(self) -> None:
        """The palette's own input blinks, which would send bytes for as long as it is open."""
        for line in self.deck.screen.query(Input):
            line.cursor_blink = False

    def do_help(self, _argument: str) -> None:
        from app.help import help_rows

        screen = self.deck.base_screen()
        rows = help_rows(self.deck.actions, self.deck.state())
        title = f"Keys of the {screen.name} screen" if screen is not None else "Keys"
        self.deck.ask(Notice(title, rows, self.deck.mono, indent=16), lambda _answer: None)
