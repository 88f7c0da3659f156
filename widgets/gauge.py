"""Bars that show how much of something is used, legible without colours."""

from __future__ import annotations

import math

from widgets.lines import Run

_NEAR, _CLOSE = 0.5, 0.8


def gauge(share: float, width: int, words: str = "") -> tuple[Run, ...]:
    """A heavy rule for what is used and a thin one for what is left, half a cell exact.

    `share` in [0, 1]; without `words` its colour turns from calm to warning to danger.
    """
    if width <= 0:
        return ()
    used = 0.0 if not math.isfinite(share) else max(0.0, min(1.0, share))
    halves = round(used * width * 2)
    if used > 0:
        halves = max(1, halves)
    full, half = divmod(halves, 2)
    body = "━" * full + ("╸" if half else "")
    rest = "─" * (width - full - half)
    runs = [(body, words or level(used)), (rest, "grid")]
    return tuple(part for part in runs if part[0])


def level(share: float) -> str:
    """The role of a used share: calm, near its limit, at it."""
    if share < _NEAR:
        return "gain"
    return "warn" if share < _CLOSE else "danger"
