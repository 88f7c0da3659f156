"""The screens: their panels in the window's layout, which has the keys, and what they are fed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual import events
from textual.app import ComposeResult
from textual.geometry import Region, Size
from textual.screen import Screen
from textual.widget import Widget

from app import panels
from app.chrome import FooterLine, MessageLine, SizeNote, TabsLine
from app.layouts import LAYOUTS, Area, Fit, Slot, fit_of, in_a_pile, in_columns
from engine.core.clock import MILLISECOND
from engine.core.views import Snapshot
from widgets.frame import Frame
from widgets.panel import Panel
from widgets.status import StatusLine

if TYPE_CHECKING:
    from app.app import QuarterdeckApp

KEY_PAINT_NS = 50 * MILLISECOND
"""For this long after a key its effects are painted without waiting for the timer."""


class DeckScreen(Screen[None], inherit_bindings=False):
    """One of the screens 1 to 7: status line, panels, message line and footer."""

    DEFAULT_CSS = """
    DeckScreen { layout: vertical; overflow: hidden; background: $background; }
    DeckScreen #status { height: 1; }
    DeckScreen #tabs { display: none; }
    DeckScreen.-tabs #tabs { display: block; }
    DeckScreen.-note #panels { display: none; }
    DeckScreen.-note #message { display: none; }
    DeckScreen.-note SizeNote { display: block; }
    """
    AUTO_FOCUS = ""

    def __init__(self, name: str) -> None:
        super().__init__(name=name)
        self.panels: dict[str, Panel] = {}
        self.active = LAYOUTS[name][0].id
        self.maximised = False
        self.fit = Fit.FULL
        self.filters: dict[str, str] = {}
        self._due: set[str] = set()

    @property
    def slots(self) -> list[Slot]:
        """The panels of the present layout."""
        return [slot for slot in LAYOUTS[str(self.name)] if slot.at(self.fit) is not None]

    @property
    def deck(self) -> QuarterdeckApp:
        from app.app import QuarterdeckApp

        assert isinstance(self.app, QuarterdeckApp)
        return self.app

    @property
    def standing(self) -> bool:
        """Whether all of it is there: a sample may fall before its mounting or into its end."""
        # Textual adds widgets of its own in a terminal, so these are looked for by their kind.
        kinds = {type(child) for child in self.children}
        return bool(self.panels) and kinds >= {StatusLine, TabsLine, MessageLine, FooterLine}

    def compose(self) -> ComposeResult:
        yield StatusLine(id="status")
        yield TabsLine("tabs")
        with Area(self._plan, id="panels"):
            for slot in LAYOUTS[str(self.name)]:
                panel = panels.build(slot.id)
                self.panels[slot.id] = panel
                yield panel
        yield SizeNote()
        yield MessageLine("message")
        yield FooterLine("footer")

    def on_mount(self) -> None:
        if not self.standing:
            return  # the program leaves, and has taken apart what it was just putting together
        self.share_out(self.app.size)
        self.focus_panel(self.active)
        self.deck.screen_ready(self)

    def on_idle(self) -> None:
        """Paint at once what a key has just changed.

        Textual paints on a timer of sixty frames a second, which costs a key up to 16 ms.
        """
        if self.deck.quiet_ns() < KEY_PAINT_NS and not self.app._batch_count and self.is_current:
            self._on_timer_update()

    def on_resize(self, event: events.Resize) -> None:
        self.share_out(event.size)
        self.deck.hurry_paint()

    def on_screen_resume(self) -> None:
        if self.standing:
            self.deck.screen_ready(self)

    def has_on_screen(self, panel_id: str) -> bool:
        """Whether a panel is on screen in the present layout."""
        return panel_id in self._visible_ids()

    def _visible_ids(self) -> tuple[str, ...]:
        if self.fit is Fit.NOTE:
            return ()
        if self.fit in (Fit.WIDE, Fit.FULL) and not self.maximised:
            return tuple(slot.id for slot in self.slots)
        slot = next(slot for slot in self.slots if slot.id == self.active)
        if self.fit is Fit.TABS and slot.partner and not self.maximised:
            return (slot.id, slot.partner)
        return (slot.id,)

    def share_out(self, size: Size) -> None:
        """Share the window between the panels."""
        self.fit = fit_of(size)
        for fit in Fit:
            self.set_class(fit is self.fit, f"-{fit.value}")
        if self.active not in (slot.id for slot in self.slots):
            # It stands among three columns only.
            self.focus_panel(self.slots[0].id)
        if len(self.panels) < len(LAYOUTS[str(self.name)]) or not self.standing:
            return
        visible = self._visible_ids()
        boxed = self.fit in (Fit.WIDE, Fit.FULL)
        for name, panel in self.panels.items():
            panel.display = name in visible
            panel.set_frame(Frame.BOX if boxed else Frame.RULE)
        self.query_one("#panels").refresh(layout=True)
        self._show_tabs()

    def _plan(self, area: Size) -> dict[Widget, Region]:
        visible = self._visible_ids()
        if len(visible) > 2:
            regions = in_columns(str(self.name), self.fit, area, self.app.size.height)
        else:
            regions = in_a_pile(visible, area)
        return {self.panels[name]: region for name, region in regions.items()}

    def _show_tabs(self) -> None:
        ids = [slot.id for slot in self.slots]
        titles = [slot.title for slot in self.slots]
        self.query_one(TabsLine).show_tabs(titles, ids.index(self.active))

    def focus_panel(self, panel_id: str) -> None:
        """Make a panel the one that keys act in; where only one fits, show it."""
        if panel_id not in self.panels:
            return
        changed = panel_id != self.active
        self.active = panel_id
        if changed and (self.fit not in (Fit.WIDE, Fit.FULL) or self.maximised):
            self.share_out(self.app.size)
            self.deck.hurry_paint()
        self._show_tabs()
        for name, panel in self.panels.items():
            panel.active = name == panel_id

    def on_panel_picked(self, message: Panel.Picked) -> None:
        """A click chooses a panel, and a row in it, as the keys do."""
        message.stop()
        for name, panel in self.panels.items():
            if panel is message.panel:
                self.focus_panel(name)
                self.deck.picked(name)

    def next_panel(self, by: int) -> None:
        ids = [slot.id for slot in self.slots]
        self.focus_panel(ids[(ids.index(self.active) + by) % len(ids)])

    def toggle_maximise(self) -> None:
        self.maximised = not self.maximised
        self.share_out(self.app.size)
        self.deck.hurry_paint()

    def selected(self, panel_id: str) -> str | None:
        """The key of a panel's selected row."""
        panel = self.panels.get(panel_id)
        return panel.selected_key if panel is not None else None

    def feed(self, view: Snapshot, now_ns: int, slow: bool) -> None:
        """Feed every visible panel; plots and long texts only when `slow` says so."""
        for name in self._visible_ids():
            if name not in panels.SLOW or slow or name in self._due:
                self._due.discard(name)
                self.deck.feeder.feed(name, self.panels[name], view, now_ns)

    def has_due(self) -> bool:
        """Whether something waits to be fed at the next sample."""
        return bool(self._due & set(self._visible_ids()))

    def feed_now(self) -> None:
        """Feed charts and texts at the next sample: something was selected or uncovered."""
        self._due.update(self.panels)
