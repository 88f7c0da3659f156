"""What the market did while no engine ran, put before whoever opens the screen after it.

The engine tells it once a position, as each market sends its first price. The screen gathers
what comes within a moment and shows it in one notice, above everything else.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from app.describe import absence_rows
from app.dialogs import Notice
from engine.core.clock import MINUTE, SECOND
from engine.core.views import Absence, Snapshot

if TYPE_CHECKING:
    from app.app import QuarterdeckApp

NEWS_NS = 10 * MINUTE
"""A screen that attaches later than this (a played market's pace included) is told nothing of
it; the journal has it."""

GATHER_NS = 1 * SECOND
"""Markets begin one after the other; within this they are told together."""

TITLE = "While no engine watched"


class Homecoming:
    """Shows each absence once, if it is news."""

    def __init__(self, deck: QuarterdeckApp) -> None:
        self._deck = deck
        self._seen: set[tuple[str, int]] = set()
        self._waiting: list[Absence] = []
        self._since_ns = 0

    def see(self, snapshot: Snapshot, now_ns: int) -> None:
        """Look for what has not been shown; cheap when there is nothing."""
        fresh = [one for one in snapshot.absences if _key(one) not in self._seen]
        if fresh:
            self._seen |= set(map(_key, fresh))
            pace = max(1.0, snapshot.feed.speed) if snapshot.feed.speed else math.inf
            news = [one for one in fresh if snapshot.time_ns - one.time_ns < NEWS_NS * pace]
            self._since_ns = self._since_ns if self._waiting else now_ns
            self._waiting += news
        if self._waiting and now_ns - self._since_ns >= GATHER_NS:
            self._show()

    def _show(self) -> None:
        """Above the screen, but never above a dialog that somebody is in."""
        deck = self._deck
        if deck.screen is deck.base_screen():
            absences, self._waiting = self._waiting, []
            deck.ask(Notice(TITLE, absence_rows(absences), deck.mono), lambda _answer: None)


def _key(absence: Absence) -> tuple[str, int]:
    return absence.position, absence.time_ns
