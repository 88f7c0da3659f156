"""The returns book: what each symbol's decision-bar closes say about how they move together.

Correlation, value at risk and factor exposure must be worked out of the same prices, those
on which the engine decides; kept on one time grid, so that two symbols' returns stand side by
side only where both closed the same bar.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from engine.core.clock import DAY

Floats = npt.NDArray[np.float64]

STEPS_PER_DAY = 4
"""How often a day a one-day return is taken: overlapping, so that a day's end at 00:00 UTC is
not the only moment at which losses are looked at. More would repeat the same days."""


GRAM_CELLS = 200_000
"""Multiplications in one block of a product: below what makes the linear-algebra library
start threads, whose waiting for a busy core stalls the kernel for a hundred times the work."""


def gram(left: Floats, right: Floats) -> Floats:
    """`left.T @ right` of tall matrices (n, a) and (n, b), in blocks on this thread alone."""
    block = max(1, GRAM_CELLS // max(1, left.shape[1] * right.shape[1]))
    total = np.zeros((left.shape[1], right.shape[1]))
    for start in range(0, len(left), block):
        total += left[start : start + block].T @ right[start : start + block]
    return total


def weighted(rows: Floats, weights: Floats) -> Floats:
    """`rows @ weights`, (n,), on this thread alone."""
    return np.asarray(np.einsum("ij,j->i", rows, weights))


class Sample(NamedTuple):
    """Log returns of some symbols, rows in time order, only moments that all of them know.

    `short` names the symbols that were left out and how many returns each has.
    """

    symbols: tuple[str, ...]
    rows: Floats
    short: dict[str, int]


class ReturnsBook:
    """Log closes per symbol in a ring of decision bars. Owned by the kernel thread.

    `span_ns` is the length of a decision bar; what is older than `days` is forgotten.
    `added` counts the closes taken in, `last_ns` is the newest bar's close.
    """

    def __init__(self, span_ns: int, days: int) -> None:
        self.span_ns = span_ns
        self.bars_per_day = max(1, DAY // span_ns)
        self.day_steps = math.gcd(self.bars_per_day, STEPS_PER_DAY)
        self.capacity = days * self.bars_per_day + 1
        self.added = 0
        self._rows: dict[str, int] = {}
        self._logs = np.full((0, self.capacity), np.nan)
        self._head = -1

    @property
    def symbols(self) -> tuple[str, ...]:
        """Every symbol that ever closed a bar, in the order of their first one."""
        return tuple(self._rows)

    @property
    def last_ns(self) -> int:
        return self._head * self.span_ns if self._head >= 0 else 0

    def add(self, symbol: str, close_ns: int, close: float) -> None:
        """One decision bar's close. A bar older than the book is ignored; a price that is
        none leaves a hole, so that no return is made across it."""
        slot = close_ns // self.span_ns
        if self._head < 0:
            self._head = slot
        if slot > self._head:
            self._advance(slot)
        elif self._head - slot >= self.capacity:
            return
        row = self._rows.get(symbol)
        if row is None:
            row = self._rows[symbol] = len(self._rows)
            empty = np.full((1, self.capacity), np.nan)
            self._logs = np.concatenate((self._logs, empty))
        valid = close > 0.0 and math.isfinite(close)
        self._logs[row, slot % self.capacity] = math.log(close) if valid else math.nan
        self.added += 1

    def _advance(self, slot: int) -> None:
        gone = min(slot - self._head, self.capacity)
        if gone == 1:  # nearly always, and a hundredth of the work
            self._logs[:, slot % self.capacity] = np.nan
        else:
            cleared = np.arange(slot - gone + 1, slot + 1) % self.capacity
            self._logs[:, cleared] = np.nan
        self._head = slot

    def logs(self, symbols: Sequence[str], count: int, step: int = 1) -> Floats:
        """Log closes of the last `count` moments, `step` bars apart, the newest bar the last.

        Shape (count, symbols), NaN where there is none. Raises `KeyError` for a symbol that
        the book doesn't know.
        """
        count = min(count, (self.capacity - 1) // step + 1)
        newest = self._head % self.capacity
        first = newest - (count - 1) * step
        # Slices of the ring, before and after its seam: picking moment by moment costs ten times.
        before = max(0, -(first // step)) if first < 0 else 0
        moments = self._logs[:, first + before * step : newest + 1 : step]
        if before:
            older = self._logs[:, first % self.capacity :: step][:, :before]
            moments = np.concatenate((older, moments), axis=1)
        rows = [self._rows[symbol] for symbol in symbols]
        return np.ascontiguousarray(moments[rows].T)

    def returns(self, days: float, least: int, symbols: Iterable[str] | None = None) -> Sample:
        """Bar returns of the last `days`, of the symbols that have at least `least` in common.

        A symbol with fewer is left out and named; where those that have enough don't have
        them at the same time, the one with the fewest goes until the others do.
        """
        return self._sample(symbols, int(days * self.bars_per_day) + 1, 1, 1, least)

    def day_returns(self, days: float, least: int, symbols: Iterable[str] | None = None) -> Sample:
        """One-day returns, overlapping, `day_steps` a day. `least` counts returns, not days."""
        count = int(days * self.day_steps) + 1
        step = self.bars_per_day // self.day_steps
        return self._sample(symbols, count, self.day_steps, step, least)

    def _sample(
        self, symbols: Iterable[str] | None, count: int, lag: int, step: int, least: int
    ) -> Sample:
        wanted = [name for name in (symbols or self._rows) if name in self._rows]
        short = {name: 0 for name in symbols or () if name not in self._rows}
        if not wanted:
            return Sample((), np.empty((0, 0)), short)
        logs = self.logs(wanted, count, step)
        moves = logs[lag:] - logs[:-lag]
        known = np.isfinite(moves)
        if not short and len(moves) >= least and known.all():
            return Sample(tuple(wanted), moves, short)
        counts = dict(zip(wanted, known.sum(axis=0).tolist(), strict=True))
        short |= {name: counts[name] for name in wanted if counts[name] < least}
        kept = [name for name in wanted if name not in short]
        while kept:
            columns = [wanted.index(name) for name in kept]
            together = known[:, columns].all(axis=1)
            if int(together.sum()) >= least:
                rows = np.ascontiguousarray(moves[together][:, columns])
                return Sample(tuple(kept), rows, short)
            fewest = min(kept, key=lambda name: counts[name])
            short[fewest] = int(together.sum())
            kept.remove(fewest)
        return Sample((), np.empty((0, 0)), short)
