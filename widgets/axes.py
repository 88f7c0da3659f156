"""Axes: round numbers and round times, so that a chart is read without counting."""

from __future__ import annotations

import math

from engine.core.clock import DAY, HOUR, MINUTE, SECOND

_TIME_STEPS = (
    SECOND, 5 * SECOND, 15 * SECOND, 30 * SECOND,
    MINUTE, 2 * MINUTE, 5 * MINUTE, 10 * MINUTE, 15 * MINUTE, 30 * MINUTE,
    HOUR, 2 * HOUR, 3 * HOUR, 4 * HOUR, 6 * HOUR, 12 * HOUR,
    DAY, 2 * DAY, 7 * DAY, 14 * DAY, 28 * DAY,
)  # fmt: skip


def round_step(span: float, most: int) -> float:
    """The least of 1, 2, 2.5 or 5 times a power of ten that gives at most `most` marks."""
    if span <= 0 or most < 1 or not math.isfinite(span):
        return 0.0
    raw = span / most
    size = 10.0 ** math.floor(math.log10(raw))
    return next(step * size for step in (1.0, 2.0, 2.5, 5.0, 10.0) if step * size >= raw)


def marks(low: float, high: float, most: int) -> list[float]:
    """Round values between two bounds, at most about `most` of them."""
    step = round_step(high - low, most)
    if not step or not math.isfinite(low):
        return []
    first = math.ceil(low / step)
    return [round(i * step, 12) for i in range(first, math.floor(high / step) + 1)]


def time_step(ns_per_cell: float, cells: int) -> int:
    """The least round span of time that is at least `cells` cells wide."""
    least = ns_per_cell * cells
    return next((step for step in _TIME_STEPS if step >= least), _TIME_STEPS[-1])
