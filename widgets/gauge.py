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


def centred(value: float, limit: float, width: int) -> tuple[Run, ...]:
    """A bar from the middle: to the right for gains, to the left for losses."""
    half = max(1, (width - 1) // 2)
    used = 0
    if math.isfinite(value) and limit > 0:
        used = min(half, round(abs(value) / limit * half))
    left = right = 0
    if value < 0:
        left = used
    elif value > 0:
        right = used
    runs = [
        ("─" * (half - left), "grid"),
        ("━" * left, "loss"),
        ("┼", "frame"),
        ("━" * right, "gain"),
        ("─" * (half - right), "grid"),
    ]
    return tuple(part for part in runs if part[0])
