"""The screens: which panels each has, how they share the window, and what they are fed.

Sizes are fixed and decided here by the window alone, so that live data never moves a
border: columns from 120x40, tabs from 80x24, one panel below, and a note under 60x15.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from textual import events
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.geometry import Size
from textual.screen import Screen

from app import panels
from app.chrome import FooterLine, MessageLine, SizeNote, TabsLine
from engine.core.clock import MILLISECOND
from engine.core.views import Snapshot
from widgets.frame import Frame
from widgets.panel import Panel
from widgets.status import StatusLine

if TYPE_CHECKING:
    from app.app import QuarterdeckApp

FULL = Size(120, 40)
TABS = Size(80, 24)
LEAST = Size(60, 15)

KEY_PAINT_NS = 50 * MILLISECOND
"""For this long after a key its effects are painted without waiting for the timer."""


class Fit(StrEnum):
    """How much of a screen fits into the window."""

    FULL = "full"
    TABS = "tabs"
    ONE = "one"
    NOTE = "note"


def fit_of(size: Size) -> Fit:
    """The layout for a window."""
    for least, fit in ((FULL, Fit.FULL), (TABS, Fit.TABS), (LEAST, Fit.ONE)):
        if size.width >= least.width and size.height >= least.height:
            return fit
    return Fit.NOTE


@dataclass(frozen=True)
class Slot:
    """A panel's place: column, height in rows (0 takes what is left) and a partner.

    Of rows beyond the least window for columns it `grows` by so many in a hundred.

    The partner stands below the panel where only tabs fit, and follows its selection; it is
    a panel of a column further right.
    """

    id: str
    title: str
    column: int
    rows: int = 0
    partner: str = ""
    grows: int = 0

    def height(self, window: int) -> int:
        """Its rows in a window of this height; 0 where it takes what is left."""
        more = max(0, window - FULL.height)
        return self.rows + more * self.grows // 100 if self.rows else 0


LAYOUTS: dict[str, tuple[Slot, ...]] = {
    "desk": (
        Slot("approvals", "Approvals", 0, 11, partner="chart", grows=20),
        Slot("positions", "Positions", 0, 9, partner="chart", grows=20),
        Slot("signals", "Signals", 0, partner="chart"),
        Slot("risk", "Risk", 0, 8, grows=35),
        Slot("chart", "Chart", 1),
        Slot("reasoning", "Reasoning", 1, 9, grows=20),
        Slot("adaptations", "Adaptations", 1, 6, grows=10),
        Slot("equity", "Equity", 1, 6, grows=20),
    ),
    "signals": (
        Slot("market", "Market", 0, 12, partner="waterfall", grows=30),
        Slot("signals", "Signals", 0, partner="waterfall"),
        Slot("waterfall", "Why not", 1),
    ),
    "reasoning": (
        Slot("reasoning", "Reasoning", 0),
        Slot("decision", "Decision", 1),
        Slot("machine", "Time machine", 1, 15),
        Slot("llm", "Language model", 0, 16),
    ),
    "learning": (
        Slot("changes", "Ledger", 0, partner="trajectory"),
        Slot("scoreboard", "Scoreboard", 0, 10, grows=20),
        Slot("insights", "Insights", 0, 7, grows=20),
        Slot("trajectory", "Trajectory", 1, 11, grows=35),
        Slot("coins", "Coins", 1),
        Slot("pairs", "Pairs", 1, 6, grows=25),
        Slot("patterns", "Patterns", 1, 6, grows=20),
        Slot("rules", "Rules", 1, 6, grows=10),
    ),
    "risk": (
        Slot("risk", "Risk", 0, 13, grows=20),
        Slot("portfolio", "Portfolio", 0, 8, grows=5),
        Slot("equity", "Equity", 0),
        Slot("limits", "Limits", 1),
        Slot("breakers", "Breakers", 1, 10, grows=25),
        Slot("correlation", "Correlation", 1, 12, grows=55),
    ),
    "journal": (
        Slot("journal", "Journal", 0),
        Slot("honesty", "Honesty", 0, 13, grows=30),
        Slot("counterfactuals", "Not made", 0, 10, grows=30),
        Slot("trades", "Trades", 1),
        Slot("orders", "Orders", 1, 9, grows=40),
        Slot("health", "Health", 1, 13),
    ),
}  # fmt: skip


class DeckScreen(Screen[None], inherit_bindings=False):
    """One of the screens 1 to 7: status line, panels, message line and footer."""

    DEFAULT_CSS = """
    DeckScreen { layout: vertical; overflow: hidden; background: $background; }
    DeckScreen #columns { height: 1fr; width: 1fr; }
    DeckScreen .column { height: 1fr; width: 1fr; }
    DeckScreen #status { height: 1; }
    DeckScreen #tabs { display: none; }
    DeckScreen.-tabs #tabs { display: block; }
    DeckScreen.-note #columns { display: none; }
    DeckScreen.-note #message { display: none; }
    DeckScreen.-note SizeNote { display: block; }
    """
    AUTO_FOCUS = ""

    def __init__(self, name: str) -> None:
        super().__init__(name=name)
        self.slots = LAYOUTS[name]
        self.panels: dict[str, Panel] = {}
        self.active = self.slots[0].id
        self.maximised = False
        self.fit = Fit.FULL
        self.filters: dict[str, str] = {}
        self._due: set[str] = set()

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
        with Horizontal(id="columns"):
            for column in sorted({slot.column for slot in self.slots}):
                with Vertical(id=f"column-{column}", classes="column"):
                    for slot in self.slots:
                        if slot.column == column:
                            panel = panels.build(slot.id)
                            self.panels[slot.id] = panel
                            yield panel
        yield SizeNote()
        yield MessageLine("message")
        yield FooterLine("footer")

    def on_mount(self) -> None:
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
        self.deck.screen_ready(self)

    def has_on_screen(self, panel_id: str) -> bool:
        """Whether a panel is on screen in the present layout."""
        return panel_id in self._visible_ids()

    def _visible_ids(self) -> tuple[str, ...]:
        if self.fit is Fit.NOTE:
            return ()
        if self.fit is Fit.FULL and not self.maximised:
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
        visible = self._visible_ids()
        single = len(visible) < len(self.slots) or len(self.slots) == 1
        columns: dict[int, bool] = {}
        for slot in self.slots:
            panel = self.panels.get(slot.id)
            if panel is None:
                return
            shown = slot.id in visible
            panel.display = shown
            panel.set_frame(Frame.RULE if self.fit in (Fit.TABS, Fit.ONE) else Frame.BOX)
            columns[slot.column] = columns.get(slot.column, False) or shown
            if single:
                # A partner takes the lower half of the tab.
                panel.styles.height = "1fr"
            else:
                panel.styles.height = slot.height(size.height) or "1fr"
        stacked = single and sum(columns.values()) > 1
        self.query_one("#columns").styles.layout = "vertical" if stacked else "horizontal"
        for column, shown in columns.items():
            self.query_one(f"#column-{column}").display = shown
        self._show_tabs()

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
        if changed and (self.fit is not Fit.FULL or self.maximised):
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
