"""What the regime detector counts over windows, compiled.

Ranks by counting rather than by a sorted copy: at most 504 values, and exact at any length.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

Array = np.ndarray[Any, Any]


@njit(nogil=True, cache=True, error_model="numpy")
def rank_pct(channel: Array, end: int, n: int) -> float:
    """Percentile of the last of `n` values among them, ties counting half; 50 if all equal."""
    value = channel[end]
    below = 0.0
    for i in range(end - n + 1, end + 1):
        if channel[i] < value:
            below += 1.0
        elif channel[i] == value:
            below += 0.5
    return 100.0 * below / n


@njit(nogil=True, cache=True, error_model="numpy")
def scan(
    volatility: Array, bb_width: Array, high: Array, opened_at: Array, times: Array,
    end: int, seen: int, since_ns: int, highvol_n: int, vol_n: int, bb_n: int,
) -> tuple[float, float, float, float, float]:  # fmt: skip
    """Three ranks, then the high and the first open of the bars opened at `since_ns` or later."""
    top = high[end]
    first = opened_at[end]
    for i in range(end - 1, end - seen, -1):
        if times[i] < since_ns:
            break
        top = max(top, high[i])
        first = opened_at[i]
    return (
        rank_pct(volatility, end, highvol_n),
        rank_pct(volatility, end, vol_n),
        rank_pct(bb_width, end, bb_n),
        top,
        first,
    )
