"""What charts and texts are fed from: streams of the hub, kept for as long as they are drawn.

Streams are followed by number, so that each sample takes only what is new; what was lost on
the way is said rather than hidden.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from engine.core.types import Bar
from engine.core.views import EquityPoint, JournalLine, Snapshot
from engine.hub import Hub

if TYPE_CHECKING:
    from widgets.panel import Panel

    from app.app import QuarterdeckApp

KEEP_BARS = 600
KEEP_LINES = 5_000
KEEP_POINTS = 2_000

Feed = Callable[["Panel", Snapshot, int], None]


class Follower:
    """The newest items of one stream."""

    def __init__(self, name: str, keep: int) -> None:
        self.name = name
        self.items: deque[Any] = deque(maxlen=keep)
        self.next = 0
        self.lost = 0

    def follow(self, hub: Hub) -> bool:
        """Take what is new; True when there was anything."""
        piece = hub.since(self.name, self.next)
        if piece.next < self.next:
            # The numbers began again: another engine behind the same hub.
            self.items.clear()
            piece = hub.since(self.name, 0)
        self.items.extend(piece.items)
        self.lost += piece.lost
        changed = piece.next != self.next
        self.next = piece.next
        return changed


class Feeds:
    """All streams that the screen follows, and the symbol whose chart is drawn."""

    def __init__(self) -> None:
        self.symbol = ""
        self._hub: Hub | None = None
        self.journal = Follower("journal", KEEP_LINES)
        self.equity = Follower("equity", KEEP_POINTS)
        self._bars: dict[str, Follower] = {}

    def follow(self, hub: Hub | None, symbol: str) -> None:
        """Take what is new of everything that is drawn now."""
        if hub is None:
            return
        if hub is not self._hub:
            self._hub = hub
            self.journal = Follower("journal", KEEP_LINES)
            self.equity = Follower("equity", KEEP_POINTS)
            self._bars.clear()
        self.journal.follow(hub)
        self.equity.follow(hub)
        if symbol:
            self.bars_of(symbol).follow(hub)

    def bars_of(self, symbol: str) -> Follower:
        if symbol not in self._bars:
            self._bars[symbol] = Follower(f"bars:{symbol}", KEEP_BARS)
        return self._bars[symbol]

    def bars(self, symbol: str) -> Sequence[Bar]:
        """Closed bars of a symbol, oldest first."""
        return tuple(self.bars_of(symbol).items)

    def lines(self) -> Sequence[JournalLine]:
        return tuple(self.journal.items)

    def points(self) -> Sequence[EquityPoint]:
        return tuple(self.equity.items)

    def table(self, app: QuarterdeckApp) -> dict[str, Feed]:
        """How each panel that is more than its snapshot is fed."""
        from app import panels

        return panels.feeds(app)
