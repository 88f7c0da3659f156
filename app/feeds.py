"""What charts and texts are fed from: streams of the hub, kept for as long as they are drawn.

Streams are followed by number, so that each sample takes only what is new; what was lost on
the way is said rather than hidden.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any
from weakref import WeakKeyDictionary

from engine.core.learning import Compared
from engine.core.types import Bar, Decision
from engine.core.views import EquityPoint, JournalLine, LlmCall
from engine.hub import Hub

KEEP_BARS = 2_000
KEEP_LINES = 5_000
KEEP_POINTS = 2_000
KEEP_DECISIONS = 500
KEEP_CALLS = 200
KEEP_LEARNED = 5_000
KEEP_TRADED = 5_000


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
        self.decisions = Follower("decisions", KEEP_DECISIONS)
        self.llm = Follower("llm", KEEP_CALLS)
        self.compared = Follower("compared", KEEP_LEARNED)
        self.moves = Follower("parameters", KEEP_LEARNED)
        self.fills = Follower("fills", KEEP_TRADED)
        self.protections = Follower("protections", KEEP_TRADED)
        self._bars: dict[str, Follower] = {}
        self._paths: dict[str, tuple[tuple[int, int], tuple[float, ...]]] = {}
        self._read: WeakKeyDictionary[object, int] = WeakKeyDictionary()

    def follow(self, hub: Hub | None, symbol: str) -> None:
        """Take what is new of everything that is drawn now."""
        if hub is None:
            return
        if hub is not self._hub:
            self._hub = hub
            self.journal = Follower("journal", KEEP_LINES)
            self.equity = Follower("equity", KEEP_POINTS)
            self.decisions = Follower("decisions", KEEP_DECISIONS)
            self.llm = Follower("llm", KEEP_CALLS)
            self.compared = Follower("compared", KEEP_LEARNED)
            self.moves = Follower("parameters", KEEP_LEARNED)
            self.fills = Follower("fills", KEEP_TRADED)
            self.protections = Follower("protections", KEEP_TRADED)
            self._bars.clear()
            self._paths.clear()
            self._read.clear()
        self.journal.follow(hub)
        self.equity.follow(hub)
        self.decisions.follow(hub)
        self.llm.follow(hub)
        self.compared.follow(hub)
        self.moves.follow(hub)
        self.fills.follow(hub)
        self.protections.follow(hub)
        if symbol:
            self.bars_of(symbol).follow(hub)

    def bars_of(self, symbol: str) -> Follower:
        if symbol not in self._bars:
            self._bars[symbol] = Follower(f"bars:{symbol}", KEEP_BARS)
        return self._bars[symbol]

    def bars(self, symbol: str) -> Sequence[Bar]:
        """Closed bars of a symbol, oldest first."""
        return tuple(self.bars_of(symbol).items)

    def path(self, hub: Hub | None, symbol: str, count: int) -> tuple[float, ...]:
        """The last closes of a symbol; the same object until another bar has closed."""
        follower = self.bars_of(symbol)
        if hub is not None and hub is self._hub:
            follower.follow(hub)
        known = self._paths.get(symbol)
        if known is None or known[0] != (follower.next, count):
            newest = tuple(follower.items)[-count:]
            known = (follower.next, count), tuple(bar.close for bar in newest)
            self._paths[symbol] = known
        return known[1]

    def lines(self) -> Sequence[JournalLine]:
        return tuple(self.journal.items)

    def points(self) -> Sequence[EquityPoint]:
        return tuple(self.equity.items)

    def calls(self) -> Sequence[LlmCall]:
        """When the strategist spoke, oldest first."""
        return tuple(self.llm.items)

    def comparisons(self) -> dict[str, list[Compared]]:
        """What each change was compared on, oldest first."""
        found: dict[str, list[Compared]] = {}
        for one in self.compared.items:
            found.setdefault(one.change, []).append(one)
        return found

    def decision(self, key: str) -> Decision | None:
        """A decision of the stream by its id."""
        return next((d for d in reversed(self.decisions.items) if d.id == key), None)

    def new_decisions(self, reader: object) -> Sequence[Decision]:
        """Decisions that this reader has not been given yet."""
        since = self._read.get(reader, 0)
        first = self.decisions.next - len(self.decisions.items)
        self._read[reader] = self.decisions.next
        return tuple(self.decisions.items)[max(0, since - first) :]
