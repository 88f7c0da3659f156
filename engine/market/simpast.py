"""The minutes behind a simulated market, kept as numbers.

Weeks of them for twenty symbols are a hundred thousand bars: as objects they would be fifty
megabytes that somebody may ask for once, when an engine is resumed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.core.clock import MINUTE
from engine.core.types import Bar

if TYPE_CHECKING:
    from engine.market.simmodel import Floats


class PastBars:
    """The last `capacity` 1m bars of one symbol, one minute after the other, in a ring."""

    def __init__(self, symbol: str, capacity: int) -> None:
        import numpy as np

        self._symbol = symbol
        self._rows = np.zeros((capacity, 5))
        self._count = 0
        self._next_ns = 0

    def take(self, open_ns: int, *columns: Floats) -> None:
        """Bars in a row from `open_ns` on: open, high, low, close and volume of each."""
        import numpy as np

        count = len(columns[0])
        places = (self._count + np.arange(count)) % len(self._rows)
        self._rows[places] = np.column_stack(columns)
        self._count += count
        self._next_ns = open_ns + count * MINUTE

    def add(self, bar: Bar) -> None:
        """The bar of the minute that follows."""
        row = self._rows[self._count % len(self._rows)]
        row[:] = bar.open, bar.high, bar.low, bar.close, bar.volume
        self._count += 1
        self._next_ns = bar.open_ns + MINUTE

    def last(self, count: int) -> tuple[Bar, ...]:
        """The newest `count` bars, or as many as there are, oldest first."""
        import numpy as np

        kept = max(0, min(count, self._count, len(self._rows)))
        places = (self._count - kept + np.arange(kept)) % len(self._rows)
        begin_ns = self._next_ns - kept * MINUTE
        return tuple(
            Bar(
                symbol=self._symbol, open_ns=begin_ns + k * MINUTE, span_ns=MINUTE,
                open=o, high=high, low=low, close=c, volume=v,
            )
            for k, (o, high, low, c, v) in enumerate(self._rows[places].tolist())
        )  # fmt: skip
