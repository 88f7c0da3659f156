"""The base of the panels: a frame, a name, and the states that every panel can be in.

A panel is shown a snapshot and draws what it can say about it. It always says which of four
things is true: here are the values, there are none and this is what will stand here, these
values are old, or something is wrong. What did not change is found by identity and drawn
not at all.
"""

from __future__ import annotations

from collections.abc import Sequence

from textual import events
from textual.message import Message

from engine.core.clock import SECOND
from engine.core.safetext import SafeText
from engine.core.types import FeedKind, Link
from engine.core.views import Snapshot
from widgets import numbers
from widgets.cells import wrap
from widgets.frame import Frame, fitting, framed, inside
from widgets.lines import BLANK, Line, LineWidget, Run, clean, run
from widgets.rows import same_objects

STALE_NS = 3 * SECOND
"""The engine publishes several times a second; after this long without, what is shown is old."""


class Panel(LineWidget):
    """One titled panel. Subclasses say what they watch and draw their body."""

    title = "Panel"
    empty: tuple[str, str] = ("Nothing here yet.", "")
    """What is missing, and what will appear here and how."""
    live = True
    """Whether the values come from the market, so that a silent feed makes them old."""

    class Picked(Message):
        """A row was clicked; the panel's cursor is on it already."""

        def __init__(self, panel: Panel, key: str) -> None:
            super().__init__()
            self.panel = panel
            self.key = key

    def __init__(
        self, *, id: str | None = None, frame: Frame = Frame.BOX, classes: str | None = None
    ) -> None:
        super().__init__(id=id, classes=classes)
        self.frame = frame
        self.snapshot: Snapshot | None = None
        self.needle = ""
        self._active = False
        self._error = SafeText()
        self._stale = ""
        self._seen: tuple[object, ...] = ()
        self._version = -1
        self._version_at = 0

    # what a panel is told

    def show(self, snapshot: Snapshot | None, now_ns: int) -> bool:
        """Show this snapshot; True when anything on the screen changed.

        `now_ns` comes from any one clock, always the same: it only tells how long the
        engine has published nothing new.
        """
        if snapshot is None:
            return False
        if snapshot.version != self._version:
            self._version, self._version_at = snapshot.version, now_ns
        stale = self._staleness(snapshot, now_ns - self._version_at)
        watched = self.parts(snapshot)
        kept = self.snapshot is not None and stale == self._stale
        if kept and same_objects(self._seen, watched):
            self.snapshot = snapshot
            return False
        self.snapshot, self._seen, self._stale = snapshot, watched, stale
        self.take(snapshot)
        return self.redraw() > 0

    def fail(self, message: str) -> None:
        """Show an error instead of values; an empty text ends it."""
        self._error = SafeText(message)
        self.redraw()

    @property
    def active(self) -> bool:
        """Whether keys go to this panel."""
        return self._active

    @active.setter
    def active(self, value: bool) -> None:
        if value != self._active:
            self._active = value
            self.redraw()

    def set_frame(self, frame: Frame) -> None:
        """Draw with another frame, as where a tab names the panel."""
        if frame is not self.frame:
            self.frame = frame
            self.fit(*self._area)

    @property
    def selected_key(self) -> str | None:
        """What the cursor is on, where there is one."""
        return None

    @property
    def selected_symbol(self) -> str:
        """The symbol that the cursor is on, or an empty text."""
        return ""

    def select(self, key: str) -> bool:
        """Put the cursor on a key."""
        return False

    def move(self, by: int) -> None:
        """Move the cursor or scroll by rows."""

    def filter(self, text: str) -> None:
        """Show only what contains every word of the text."""

    # what a panel says

    def parts(self, snapshot: Snapshot) -> tuple[object, ...]:
        """The parts of the snapshot which this panel draws, compared by identity."""
        return (snapshot.version,)

    def take(self, snapshot: Snapshot) -> None:
        """Turn what changed into rows, before drawing."""

    def body(self, width: int, height: int) -> Sequence[Line]:
        """The rows inside the frame."""
        return ()

    def nothing(self) -> bool:
        """Whether there is nothing to draw but the reason why."""
        return False

    def fed(self) -> bool:
        """Whether there is something to draw before the first snapshot, from a stream."""
        return False

    def note(self) -> Sequence[Run]:
        """A few words at the right of the title row, such as a filter."""
        return ()

    def marks(self) -> Sequence[Run]:
        """How what is shown was narrowed or ordered by the person who looks."""
        return (run(f"/{self.needle}", "note"),) if self.needle else ()

    def detail(self, width: int) -> tuple[str, Sequence[Line]] | None:
        """Title and rows about what the cursor is on, where there is more than stands here."""
        return None

    def foot(self) -> Sequence[Run]:
        """A few words in the lower edge, such as keys of the selected row."""
        return ()

    def export(self) -> str:
        """Everything in the panel as text, for a file: more than fits on the screen."""
        lines = map(clean, self.body(200, 1_000))
        return "\n".join("".join(text for text, _ in line).rstrip() for line in lines)

    # drawing

    def draw(self, width: int, height: int) -> Sequence[Line]:
        frame = fitting(self.frame, width, height)
        inner, rows = inside(frame, width, height)
        body = self._state(inner, rows)
        if body is None:
            body = self.body(inner, rows)
        return framed(
            frame,
            body,
            width,
            height,
            title=((self.title, "bold" if self._active else "bold soft"),),
            note=self._notes(),
            foot=self.foot() if self._error == "" else (),
            active=self._active,
        )

    def _state(self, width: int, height: int) -> Sequence[Line] | None:
        if self._error:
            text = wrap(self._error, width - 2)
            return [(("✕ ", "danger"), run(line, "danger")) for line in text[:height]]
        if self.snapshot is None and not self.fed():
            return said(("Waiting for the engine …", ""), width, height)
        return said(self.empty, width, height) if self.nothing() else None

    def _notes(self) -> Sequence[Run]:
        notes = list(self.note())
        if marks := self.marks():
            notes += [("  " if notes else "", ""), *marks]
        if self._stale:
            notes += [(" " if notes else "", ""), (f" {self._stale} ", "reverse stale bold")]
        return [note for note in notes if note[0]]

    def _staleness(self, snapshot: Snapshot, silent_ns: int) -> str:
        if silent_ns >= STALE_NS:
            return f"STALE {numbers.age(silent_ns)}"
        feed = snapshot.feed
        if not self.live:
            return ""
        if feed.kind is FeedKind.DOWN or feed.link is Link.DOWN:
            return "FEED DOWN"
        if feed.link is Link.STALE:
            newest = min((market.age_ns for market in snapshot.markets), default=0)
            return f"STALE {numbers.age(newest)}" if newest >= SECOND else "STALE"
        return ""

    def on_click(self, _event: events.Click) -> None:
        """A click gives this panel the keys."""
        self.post_message(self.Picked(self, self.selected_key or ""))


def said(words: tuple[str, str], width: int, height: int) -> list[Line]:
    """An empty state: what is missing, then what will appear, in the middle of the panel."""
    first, then = words
    lines: list[Line] = [(run(line, "soft"),) for line in wrap(first, min(width, 76))]
    if then:
        lines += [(run(line, "muted"),) for line in wrap(then, min(width, 76))]
    above = max(0, (height - len(lines)) // 3)
    return [*([BLANK] * above), *lines][: max(height, 0)]
