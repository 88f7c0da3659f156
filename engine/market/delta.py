"""Cumulative volume delta: what aggressors bought less what they sold, over the last hour.

It needs trades that name the side which crossed the spread. A feed of bars has none, and an
hour that was not heard from end to end is no hour: then the figure is absent and says why.
"""

from __future__ import annotations

import math
from collections import deque

from engine.core.clock import HOUR, MINUTE
from engine.core.types import Tick

WINDOW_NS = HOUR


class VolumeDelta:
    """One symbol's trades by the minute. Owned by the kernel thread."""

    def __init__(self) -> None:
        self._minutes: deque[tuple[int, float]] = deque()
        self._since_ns = 0
        self._sides = False

    def add(self, tick: Tick) -> None:
        """One public trade. A feed on which no seller ever took names no sides."""
        minute = tick.time_ns - tick.time_ns % MINUTE
        signed = -tick.size if tick.buyer_maker else tick.size
        self._sides = self._sides or tick.buyer_maker
        self._since_ns = self._since_ns or tick.time_ns
        if self._minutes and self._minutes[-1][0] >= minute:
            at, before = self._minutes[-1]
            self._minutes[-1] = (at, before + signed)
            return
        self._minutes.append((minute, signed))
        while self._minutes[0][0] <= minute - WINDOW_NS:
            self._minutes.popleft()

    def broke(self) -> None:
        """Trades may have been missed: the hour begins anew with the next one."""
        self._minutes.clear()
        self._since_ns = 0

    def at(self, now_ns: int) -> tuple[float, str]:
        """The figure in base units, or NaN and why there is none."""
        if not self._since_ns:
            return math.nan, "no trades heard: the feed brings bars, or it was cut just now"
        if not self._sides:
            return math.nan, "the feed's trades name no aggressor"
        heard = now_ns - self._since_ns
        if heard < WINDOW_NS:
            return math.nan, f"trades heard for {heard // MINUTE} of {WINDOW_NS // MINUTE} min"
        first = now_ns - WINDOW_NS
        return math.fsum(signed for minute, signed in self._minutes if minute > first), ""
