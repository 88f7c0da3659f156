"""Sparklines: a series in one row of eighth blocks."""

from __future__ import annotations

import math
from collections.abc import Sequence

BLOCKS = "▁▂▃▄▅▆▇█"
GAP = " "


def sparkline(values: Sequence[float], width: int) -> str:
    """The last `width` values, scaled between their least and greatest; gaps stay blank."""
    if width <= 0:
        return ""
    shown = list(values)[-width:]
    known = [value for value in shown if math.isfinite(value)]
    if not known:
        return GAP * width
    low, span = min(known), max(known) - min(known)
    text = "".join(
        GAP
        if not math.isfinite(value)
        else BLOCKS[round((value - low) / span * (len(BLOCKS) - 1)) if span else 3]
        for value in shown
    )
    return text.rjust(width)
