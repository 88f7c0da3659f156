"""Timeframes of the chart: the bars that come, and longer ones made of whole numbers of them."""

from __future__ import annotations

from engine.core.clock import DAY, HOUR, MINUTE

_SPANS = (
    MINUTE, 5 * MINUTE, 15 * MINUTE, 30 * MINUTE,
    HOUR, 2 * HOUR, 4 * HOUR, 12 * HOUR, DAY,
)  # fmt: skip


def frames(span_ns: int) -> tuple[int, ...]:
    """How many bars of this span make a candle, for each timeframe, the bars' own first."""
    return (1, *(span // span_ns for span in _SPANS if span > span_ns and span % span_ns == 0))


def name(span_ns: int) -> str:
    """A span as timeframes are written: `15m`, `4h`, `1d`."""
    for unit, letter in ((DAY, "d"), (HOUR, "h"), (MINUTE, "m")):
        if span_ns >= unit and span_ns % unit == 0:
            return f"{span_ns // unit}{letter}"
    return f"{span_ns // 1_000_000_000}s"
