"""Warm-up of a live symbol: what its indicators must know before the first tick, by REST."""

from __future__ import annotations

from engine.core.clock import duration_ns
from engine.core.types import Bar
from engine.market.venues import Venue

# Requests of one symbol at most; the shortest pages of any venue give 100 candles.
_PAGES = 20
_PAGE_ROWS = 1_000


async def read_history(
    venue: Venue, symbol: str, timeframe: str, base: str, count: int, now_ns: int
) -> list[Bar]:
    """`count` closed decision bars, then base bars of the window that forms, oldest first.

    The fewest requests that are exact: decision bars come ready-made from the venue, and
    only the unfinished window must be built from its minutes. The kernel's resampler passes
    the first through and folds the others. Raises ccxt's errors.
    """
    span_ns, base_ns = duration_ns(timeframe), duration_ns(base)
    forming_ns = now_ns - now_ns % span_ns
    since_ns = forming_ns - count * span_ns
    bars: list[Bar] = []
    if span_ns > base_ns:
        bars = await _read(venue, symbol, timeframe, since_ns, forming_ns)
        # A decision bar that the venue hasn't written yet is folded from its minutes.
        since_ns = bars[-1].close_ns if bars else forming_ns
    return bars + await _read(venue, symbol, base, since_ns, now_ns - now_ns % base_ns)


async def _read(
    venue: Venue, symbol: str, timeframe: str, since_ns: int, until_ns: int
) -> list[Bar]:
    """All candles of [since, until) that the venue has, page by page."""
    span_ns = duration_ns(timeframe)
    found: list[Bar] = []
    for _ in range(_PAGES):
        wanted = (until_ns - since_ns) // span_ns
        if wanted <= 0:
            break
        limit = min(_PAGE_ROWS, wanted + 1)
        rows = await venue.candles(symbol, timeframe, span_ns, since_ns, limit)
        closed = [bar for bar in rows if bar.close_ns <= until_ns]
        if not closed:
            break
        found += closed
        since_ns = closed[-1].close_ns
    return found
