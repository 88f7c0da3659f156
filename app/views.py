"""Views: what each key that only looks does. Nothing here sends a command."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from app import describe, exports
from app.dialogs import Answer, Dialog, Notice
from app.filterbar import FilterBar

if TYPE_CHECKING:
    from app.chrome import Parts
    from app.feeds import Feeds
    from app.options import AppOptions
    from app.screens import DeckScreen
    from app.shown import Shown
    from engine.core.views import PositionView, Snapshot


class Views:
    """The part of the application that moves between panels, screens and texts."""

    if TYPE_CHECKING:
        options: AppOptions
        snapshot: Snapshot | None
        frozen: Snapshot | None
        feeds: Feeds
        shown: Shown
        themes: dict[str, Any]
        theme: str
        actions: Sequence[Any]

        def base_screen(self) -> DeckScreen | None: ...
        def chosen_position(self) -> PositionView | None: ...
        def chosen_symbol(self) -> str: ...
        def say(self, text: str, style: str = "") -> None: ...
        def ask(self, dialog: Dialog, answered: Callable[[Answer], None]) -> None: ...
        def mono(self) -> int: ...
        def state(self) -> Any: ...
        def hurry_paint(self) -> None: ...
        def switch_mode(self, mode: str) -> Any: ...
        def copy_to_clipboard(self, text: str) -> None: ...
        def action_command_palette(self) -> None: ...
        def push_screen(self, screen: Any) -> Any: ...
        def refresh_status(self, screen: DeckScreen) -> None: ...
        def screen_ready(self, screen: DeckScreen) -> None: ...

    def do_open_screen(self, name: str) -> None:
        self.switch_mode(name)

    def do_move(self, by: str) -> None:
        screen = self.base_screen()
        if screen is None:
            return
        panel = screen.panels[screen.active]
        panel.move(int(by))
        if screen.active == "approvals":
            self.shown.moved()
        self.hurry_paint()

    def do_next_panel(self, by: str) -> None:
        screen = self.base_screen()
        if screen is not None:
            screen.next_panel(int(by))
            self.hurry_paint()

    def do_maximise(self, _argument: str) -> None:
        screen = self.base_screen()
        if screen is not None:
            screen.toggle_maximise()

    def do_freeze(self, _argument: str) -> None:
        if self.frozen is None:
            self.frozen = self.snapshot
            self.say("the view is frozen; trading goes on; space thaws it", "warn")
        else:
            self.frozen = None
            self.say("the view is live again", "note")
        screen = self.base_screen()
        if screen is not None:
            self.refresh_status(screen)
        self.hurry_paint()

    def do_back(self, _argument: str) -> None:
        """Undo one step of looking: filter, maximised panel, frozen view, other screen."""
        screen = self.base_screen()
        if screen is None:
            return
        panel = screen.panels[screen.active]
        if screen.filters.pop(screen.active, ""):
            panel.filter("")
        elif screen.maximised:
            screen.toggle_maximise()
        elif self.frozen is not None:
            self.do_freeze("")
        elif screen.name != "desk":
            self.switch_mode("desk")

    def do_filter(self, _argument: str) -> None:
        screen = self.base_screen()
        if screen is None:
            return
        name = screen.active
        panel = screen.panels[name]

        def typed(text: str) -> None:
            screen.filters[name] = text
            panel.filter(text)

        self.push_screen(FilterBar(name, screen.filters.get(name, ""), typed))

    def do_detail(self, _argument: str) -> None:
        screen = self.base_screen()
        if screen is None:
            return
        found = self.detail_rows(screen)
        if found is not None:
            self.ask(Notice(*found, self.mono), lambda _answer: None)
        elif screen.active in ("signals", "market") and screen.name == "desk":
            self.switch_mode("signals")
        elif screen.active in ("reasoning", "waterfall", "signals", "market"):
            if screen.name == "reasoning":
                screen.focus_panel("decision")
            else:
                self.switch_mode("reasoning")
        else:
            screen.toggle_maximise()

    def detail_rows(self, screen: DeckScreen) -> tuple[str, list[Parts]] | None:
        """Title and rows of what the active panel has selected, where it has a text."""
        view = self.frozen or self.snapshot
        key = screen.selected(screen.active)
        if view is None or not key:
            return None
        if screen.active == "approvals":
            for proposal in (*view.proposals, *view.ended):
                if proposal.id == key:
                    return f"Proposal {key}", describe.proposal_rows(proposal)
        if screen.active == "positions" and (position := self.chosen_position()) is not None:
            return f"Position {key}", describe.position_rows(position)
        if screen.active == "trades":
            for trade in view.trades:
                if trade.id == key:
                    return f"Trade {key}", describe.plain_rows(trade)
        if screen.active == "orders":
            for order in view.orders:
                if order.id == key:
                    return f"Order {key}", describe.plain_rows(order)
        if screen.active == "journal":
            for line in self.feeds.lines():
                if str(line.seq) == key:
                    return f"Journal line {key}", describe.plain_rows(line)
        return None

    def do_copy(self, _argument: str) -> None:
        screen = self.base_screen()
        key = screen.selected(screen.active) if screen is not None else None
        if screen is None or not key:
            self.say("nothing is selected to copy", "warn")
            return
        found = self.detail_rows(screen)
        text = exports.plain(found[1]) if found is not None else key
        self.copy_to_clipboard(text)
        self.say(f"copied {key} by OSC 52, if the terminal allows it", "note")

    def do_write_file(self, _argument: str) -> None:
        screen = self.base_screen()
        if screen is None:
            return
        view = self.frozen or self.snapshot
        lines = exports.panel_lines(screen.active, screen.panels[screen.active], view, self.feeds)
        try:
            path = exports.write(self.options.export_folder, screen.active, lines)
        except OSError as error:
            self.say(f"nothing was written: {error.strerror or error}", "danger")
        else:
            self.say(f"wrote {len(lines)} lines to {path}", "note")

    def do_next_theme(self, _argument: str) -> None:
        names = sorted(self.themes)
        self.use_theme(names[(names.index(self.theme) + 1) % len(names)])

    def use_theme(self, name: str) -> None:
        """Change the colours; everything is painted once."""
        self.theme = name
        self.say(f"theme {name}", "note")

    def do_palette(self, _argument: str) -> None:
        self.action_command_palette()

    def do_help(self, _argument: str) -> None:
        from app.help import help_rows

        screen = self.base_screen()
        rows = help_rows(tuple(self.actions), self.state())
        title = f"Keys of the {screen.name} screen" if screen is not None else "Keys"
        self.ask(Notice(title, rows, self.mono), lambda _answer: None)
