"""Feature rows kept for whoever asks again: screens, sweeps and learners over the same bars.

A live state needs no cache, it takes one bar at a time. What is computed in bulk is asked
for repeatedly with the same bars and periods, so it is kept by symbol, timeframe, end and
periods, the least recently used going first.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING

from engine.analysis.indicators import compute_rows
from engine.analysis.spec import IndicatorSpec

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_Key = tuple[str, IndicatorSpec, int, int, int]


class FeatureCache:
    """Least-recently-used rows of `compute_rows`; safe for several threads.

    A new bar moves the end and with it the key, so it never meets stale rows. A correction
    of a closed bar moves nothing: call `invalidate` for its symbol.
    """

    def __init__(self, entries: int = 64) -> None:
        self._entries = entries
        self._kept: OrderedDict[_Key, NDArray[np.float64]] = OrderedDict()
        self._lock = threading.Lock()
        self.hits = 0
        self.misses = 0

    def rows(
        self,
        symbol: str,
        spec: IndicatorSpec,
        bars: NDArray[np.float64],
        opened: NDArray[np.int64],
    ) -> NDArray[np.float64]:
        """`compute_rows(spec, bars, opened)`, read-only because others may hold it too."""
        begin, end = (int(opened[0]), int(opened[-1])) if len(opened) else (0, 0)
        key = (symbol, spec, begin, end, len(opened))
        with self._lock:
            found = self._kept.get(key)
            if found is not None:
                self._kept.move_to_end(key)
                self.hits += 1
                return found
            self.misses += 1
        rows = compute_rows(spec, bars, opened)
        rows.flags.writeable = False
        with self._lock:
            self._kept[key] = rows
            self._kept.move_to_end(key)
            while len(self._kept) > self._entries:
                self._kept.popitem(last=False)
        return rows

    def invalidate(self, symbol: str) -> int:
        """Forget a symbol's rows, because a closed bar was corrected; how many there were."""
        with self._lock:
            stale = [key for key in self._kept if key[0] == symbol]
            for key in stale:
                del self._kept[key]
        return len(stale)

    def __len__(self) -> int:
        return len(self._kept)
