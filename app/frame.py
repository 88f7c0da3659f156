"""What stands around the panels: status, message and footer, kept up to date."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.actions import key_label, live
from app.chrome import FooterLine, MessageLine
from engine.core.clock import SECOND
from engine.core.types import Link
from widgets.status import StatusLine

if TYPE_CHECKING:
    from app.app import QuarterdeckApp
    from app.screens import DeckScreen

SILENT_SECONDS = 3
"""The engine publishes several times a second; after this long it is said to be silent."""

FOOTER_ORDER = ("pause", "help", "panel.next", "detail", "quit", "filter", "maximise")
"""Which keys are named first where not all of them fit."""

SLOW_START_NS = 4 * SECOND
"""A start that loads what is compiled already is over by then."""

MESSAGE_NS = 6 * SECOND
"""How long an effect stays in the message line."""


class FrameLines:
    """Writes the three lines of whatever screen is up."""

    def __init__(self, deck: QuarterdeckApp) -> None:
        self.deck = deck
        self._said: tuple[tuple[str, str], ...] = ()
        self._said_ns = 0
        self._began_ns = deck.mono()

    def status(self, screen: DeckScreen) -> None:
        """Show mode, feed, control state, money and health: always the newest, never frozen."""
        screen.query_one(StatusLine).show(
            self.deck.snapshot,
            frozen=self.deck.frozen is not None,
            readonly=self.deck.options.readonly or self.deck.options.inspecting,
            trouble=self._trouble(),
        )

    def _trouble(self) -> str:
        """What is wrong with the engine itself, for the status line."""
        if self.deck.engine_trouble:
            return "ENGINE STOPPED"
        if self.deck.options.inspecting:
            return ""
        if self.deck.offline():
            return "ENGINE OUT OF REACH"
        if self.deck.snapshot is None or self.deck.snapshot.feed.link is Link.ENDED:
            return ""
        silent = (self.deck.mono() - self.deck.received_ns) // SECOND
        return f"ENGINE SILENT {silent} s" if silent >= SILENT_SECONDS else ""

    def say(self, text: str, style: str = "") -> None:
        """Say what happened, in the message line."""
        self._said = ((" ", ""), (text, f"bold {style}" if style else "bold"))
        self._said_ns = self.deck.mono()
        screen = self.deck.base_screen()
        if screen is not None:
            self.message(screen)

    def settle(self, screen: DeckScreen, now_ns: int) -> None:
        """Let a message go when its time is over."""
        if self._said and now_ns - self._said_ns > MESSAGE_NS and not self.deck.engine_trouble:
            self._said = ()
        self.message(screen)

    def message(self, screen: DeckScreen) -> None:
        """Show what was said last, else the hint of the moment."""
        if self._said:
            screen.query_one(MessageLine).put(self._said)
        elif self.deck.hub is None or self.deck.snapshot is None:
            screen.query_one(MessageLine).put([(f" {self._starting()}", "muted")])
        else:
            screen.query_one(MessageLine).put([(self.deck.hints.text(self.deck.state()), "muted")])

    def _starting(self) -> str:
        """Why there is nothing to see yet; a start that compiles takes half a minute."""
        if self.deck.mono() - self._began_ns < SLOW_START_NS:
            return "The engine is starting …"
        return "The engine is starting: after an install or an upgrade it compiles once …"

    def footer(self, screen: DeckScreen) -> None:
        """Show the keys of the moment."""
        state = self.deck.state()
        line = screen.query_one(FooterLine)
        here = [a for a in live(self.deck.actions, screen.name or "") if a.footer and a.keys]
        # A key that acts on a row is named only while that row can be read.
        first = [a for a in here if screen.active in a.panels and not a.why_disabled(state)]
        rest = sorted((a for a in here if not a.panels), key=lambda a: FOOTER_ORDER.index(a.id))
        rows = []
        for action in [*first, *rest]:
            enabled = not action.why_disabled(state)
            label = action.footer
            if action.id == "pause" and state.control.severity:
                label = "resume"
            rows.append((key_label(action.keys[0]), label, enabled))
        line.show_keys(rows)
