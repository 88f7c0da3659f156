"""Insights: what reflection found, each from the moment on at which it was knowable."""

from __future__ import annotations

from collections import deque

from engine.core.learning import Insight

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
        self._all.append(insight)

    def restore(self, insight: Insight) -> None:
        """As it was journaled."""
        self._all.append(insight)

    def known(self, now_ns: int) -> tuple[Insight, ...]:
        """What may be known now, the newest first."""
        seen = [one for one in self._all if one.known_ns <= now_ns]
        return tuple(sorted(seen, key=lambda one: (-one.known_ns, one.id)))
