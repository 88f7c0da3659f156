"""Insights: what reflection found, each from the moment on at which it was knowable."""

from __future__ import annotations

from collections import deque

from engine.core.learning import Insight

LONGEST = 240
"""Characters of a person's words instead of an insight's: what a prompt takes of a lesson."""

KEPT = 200
"""Insights in memory; the journal has them all."""


class Insights:
    """The newest insights. Owned by the kernel thread."""

    def __init__(self) -> None:
        self.told = 0
        self._all: deque[Insight] = deque(maxlen=KEPT)

    def add(self, insight: Insight) -> None:
        """Keep it; it is seen from its own `known_ns` on, whenever it was added."""
        self.told += 1
        self._put(insight)

    def restore(self, insight: Insight) -> None:
        """As it was journaled last."""
        self._put(insight)

    def _put(self, insight: Insight) -> None:
        for at, known in enumerate(self._all):
            if known.id == insight.id:
                self._all[at] = insight
                return
        self._all.append(insight)

    def find(self, name: str) -> Insight | None:
        """One by its id, if it is among those that are held."""
        return next((one for one in self._all if one.id == name), None)

    def known(self, now_ns: int) -> tuple[Insight, ...]:
        """What may be known now, the newest first."""
        seen = [one.at(now_ns) for one in self._all if one.known_ns <= now_ns]
        return tuple(sorted(seen, key=lambda one: (-one.known_ns, one.id)))
