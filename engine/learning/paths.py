"""The prices that followed an opportunity, small enough to keep for every one of them.

A day of minutes is 1,440 bars; as whole ticks, each row relative to the close before it, they
compress to a few kilobytes and come back exactly as they were traded.
"""

from __future__ import annotations

import base64
import zlib
from dataclasses import dataclass

import numpy as np

from engine.core.errors import QuarterdeckError
from engine.core.learning import Path
from engine.position import step

Row = tuple[int, float, float, float, float, float, float, float]
"""Open time (ns), open, high, low, close, and what its close brought: ATR, how much the sources
want a long (negative: a short), regime code; ATR NaN where it closed no decision bar."""


@dataclass(slots=True)
class Bars:
    """Rows as arrays: `prices` with the columns of `step.walk`, `times` their opens."""

    prices: step.Floats
    times: step.Ints
    span_ns: int

    @classmethod
    def none(cls) -> Bars:
        return bars_of([], 0)

    def __len__(self) -> int:
        return len(self.times)

    def until(self, end_ns: int) -> Bars:
        """Those that opened before this time."""
        count = int(np.searchsorted(self.times, end_ns))
        return Bars(self.prices[:count], self.times[:count], self.span_ns)


class Trail:
    """Rows of one symbol while somebody follows it; `first` is the number of the oldest kept.

    They stand in arrays that grow by doubling, so that taking a stretch of them copies memory
    and builds nothing. What was handed out stays as it was: rows are kept once written, but for
    what the close of the newest brings.
    """

    def __init__(self) -> None:
        self.span_ns = 0
        self.first = 0
        self._count = 0
        self._table = np.empty((1_024, step.BAR_SIZE))
        self._times = np.empty(1_024, dtype=np.int64)

    def __len__(self) -> int:
        return self._count

    @property
    def end(self) -> int:
        return self.first + self._count

    def append(self, row: Row) -> None:
        """A bar closed."""
        at = self._count
        if at == len(self._times):
            self._table = np.concatenate([self._table, np.empty_like(self._table)])
            self._times = np.concatenate([self._times, np.empty_like(self._times)])
        self._times[at] = row[0]
        self._table[at] = row[1:]
        self._count = at + 1

    def brought(self, atr: float, support: float, regime: float) -> None:
        """What the close of the newest row brought."""
        self._table[self._count - 1, 4:] = (atr, support, regime)

    def since(self, number: int, sign: int) -> Bars:
        """The rows from this number on, for a long (+1) or a short (−1)."""
        rows = slice(number - self.first, self._count)
        return _seen(self._table[rows].copy(), self._times[rows].copy(), self.span_ns, sign)

    def forget(self, before: int) -> None:
        """Drop rows that nobody follows any more."""
        gone = before - self.first
        if gone > 0:
            left = self._count - gone
            self._table[:left] = self._table[gone : self._count].copy()
            self._times[:left] = self._times[gone : self._count].copy()
            self._count, self.first = left, before


def _seen(table: step.Floats, times: step.Ints, span_ns: int, sign: int) -> Bars:
    """The score as support for this direction in [0, 1]."""
    table[:, step.BAR_SCORE] = np.maximum(0.0, sign * table[:, step.BAR_SCORE])
    return Bars(table, times, span_ns)


def bars_of(rows: list[Row], span_ns: int, sign: int = 1) -> Bars:
    """Rows as arrays, the score as support for this direction in [0, 1]."""
    table = np.array([row[1:] for row in rows], dtype=np.float64).reshape(-1, step.BAR_SIZE)
    return _seen(table, np.array([row[0] for row in rows], dtype=np.int64), span_ns, sign)


def packed(bars: Bars, opened_ns: int, tick: float) -> Path:
    """Bars as text. `tick` is the instrument's price step, of which every price is a multiple;
    where one is not, it is kept to a thousandth of it."""
    prices = bars.prices[:, :4]
    unit = tick if np.allclose(np.rint(prices / tick) * tick, prices, rtol=1e-12) else tick / 1000
    whole = np.rint(prices / unit).astype(np.int64)
    before = np.concatenate([whole[:1, 3:4] * 0, whole[:-1, 3:4]])
    steps = (whole - before).astype("<i8")
    offsets = np.diff(bars.times, prepend=opened_ns) // 1_000_000
    body = b"".join(
        (
            steps.T.tobytes(),
            offsets.astype("<i8").tobytes(),
            bars.prices[:, 4:].astype("<f8").T.tobytes(),
        )
    )
    return Path(
        opened_ns=opened_ns,
        span_ns=bars.span_ns,
        count=len(bars),
        unit=unit,
        prices=base64.b64encode(zlib.compress(body, 1)).decode("ascii"),
    )


def unpacked(path: Path) -> Bars:
    """The bars of a path; raises `QuarterdeckError` for a text that no path was packed into."""
    n = path.count
    try:
        body = zlib.decompress(base64.b64decode(path.prices, validate=True))
        steps = np.frombuffer(body, "<i8", n * 4).reshape(4, n).T.copy()
        offsets = np.frombuffer(body, "<i8", n, n * 32)
        rest = np.frombuffer(body, "<f8", n * 3, n * 40).reshape(3, n).T
    except (ValueError, zlib.error) as error:
        raise QuarterdeckError("a stored price path can't be read", str(error)) from None
    whole = np.empty_like(steps)
    closes = np.cumsum(steps[:, 3])
    before = np.concatenate([closes[:1] * 0, closes[:-1]])
    whole[:] = steps + before[:, None]
    whole[:, 3] = closes
    prices = np.concatenate([whole * path.unit, rest], axis=1)
    times = path.opened_ns + np.cumsum(offsets) * 1_000_000
    return Bars(np.ascontiguousarray(prices), times.astype(np.int64), path.span_ns)
