"""Sparklines: a series in one row of eighth blocks."""

from __future__ import annotations

import math
from collections.abc import Sequence

BLOCKS = "▁▂▃▄▅▆▇█"
GAP = " "

PATH_CELLS = 12
"""Cells of a sparkline in a table, one a bar."""


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


def trend(values: Sequence[float]) -> float:
    """The change from the first to the last value in percent; NaN where either lacks."""
    known = [value for value in values if math.isfinite(value)]
    return (known[-1] / known[0] - 1) * 100 if len(known) > 1 and known[0] else math.nan


def spark_role(values: Sequence[float]) -> str:
    """The colour role of a path's change."""
    change = trend(values)
    if not change or not math.isfinite(change):
        return "muted"
    return "gain" if change > 0 else "loss"
