"""Recordings: OHLCV and trades from files, checked row by row before anybody trades on them.

A recording that is wrong in one row makes a backtest that is wrong in all of them, so what
can't be true is refused with file, row and column instead of being repaired. pandas is
imported on first use; everything here may run in a thread.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from engine.core.clock import iso
from engine.core.errors import DataError
from engine.market import recordname
from engine.market.recordtable import Table, read_tables
from engine.market.symbols import choose

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Series:
    """One symbol's recording: closed bars (`span_ns` > 0) or trades (`span_ns` 0).

    `time_ns` is a bar's opening or a trade's time, ascending. `values` has the columns open,
    high, low, close, volume of bars, or price, size and 1 for a seller's aggression (else 0)
    of trades; `ids` are trade ids, empty without. `duplicates` counts identical rows dropped,
    `missing` the bars that the spacing says should be there.
    """

    symbol: str
    span_ns: int
    time_ns: Ints
    values: Floats
    ids: tuple[str, ...] = ()
    duplicates: int = 0
    missing: int = 0

    @property
    def first_ns(self) -> int:
        return int(self.time_ns[0])

    @property
    def end_ns(self) -> int:
        return int(self.time_ns[-1]) + self.span_ns

    def cut(self, start_ns: int, end_ns: int) -> Series:
        """The part that lies wholly within [start_ns, end_ns)."""
        import numpy as np

        first = int(np.searchsorted(self.time_ns, start_ns, "left"))
        last = int(np.searchsorted(self.time_ns, end_ns - max(self.span_ns, 1), "right"))
        time_ns = self.time_ns[first:last]
        return Series(
            self.symbol,
            self.span_ns,
            time_ns,
            self.values[first:last],
            self.ids[first:last],
            self.duplicates,
            int(gaps(time_ns, self.span_ns)[1].sum()) if self.span_ns else 0,
        )


def load(
    spec: str | Path,
    symbols: Sequence[str] | None = None,
    start_ns: int | None = None,
    end_ns: int | None = None,
) -> list[Series]:
    """The series of a file, a folder or a comma list, cut to their common window.

    `symbols` chooses and orders them; without it they come by name. Raises `DataError`.
    """
    files = recordname.files_of(spec)
    named = {path: recordname.symbol_of(path) for path in files}
    if symbols is not None:
        files = _files_for(symbols, named)
    tables: dict[str, list[Table]] = {}
    for path in files:
        for symbol, table in read_tables(path, named[path]).items():
            tables.setdefault(symbol, []).append(table)
    order = choose(symbols, tables) if symbols is not None else sorted(tables)
    return _common_window([_series(symbol, tables[symbol]) for symbol in order], start_ns, end_ns)


def gaps(time_ns: Ints, span_ns: int) -> tuple[Ints, Ints]:
    """Indices of the bars after which bars are missing, and how many are."""
    import numpy as np

    steps = np.diff(time_ns)
    after = np.flatnonzero(steps > span_ns)
    return after.astype(np.int64), (steps[after] // span_ns - 1).astype(np.int64)


def _files_for(symbols: Sequence[str], named: dict[Path, str]) -> list[Path]:
    """The files that the names promise for these symbols; all where a name tells too little."""
    try:
        wanted = set(choose(symbols, filter(None, named.values())))
    except DataError:
        # A symbol that no name tells may stand in a file's column.
        return list(named)
    return [path for path, symbol in named.items() if symbol in wanted or not symbol]


def _series(symbol: str, tables: list[Table]) -> Series:
    """Join the files of one symbol in time; overlapping rows must agree."""
    import numpy as np

    kinds = {table.trades for table in tables}
    spans = {table.span_ns for table in tables if table.span_ns}
    if len(kinds) > 1 or len(spans) > 1:
        told = ", ".join(sorted({f"{t.path.parent.name}/{t.path.name}" for t in tables})[:4])
        raise DataError(
            f"{symbol} comes in several timeframes or kinds: {told}",
            "name one file, or the folder of one timeframe",
        )
    tables = sorted(tables, key=lambda t: int(t.time_ns[0]))
    time_ns = np.concatenate([t.time_ns for t in tables])
    values = np.concatenate([t.values for t in tables])
    ids = tuple(i for t in tables for i in t.ids)
    duplicates = sum(t.duplicates for t in tables)
    if kinds == {True}:
        back = np.flatnonzero(np.diff(time_ns) < 0)
        if back.size:
            raise DataError(
                f"the trades of {symbol} overlap at {iso(int(time_ns[back[0]]))}",
                "name files that follow each other",
            )
        return Series(symbol, 0, time_ns, values, ids, duplicates)
    if not spans:
        raise DataError(
            f"{tables[0].path}: one bar tells no timeframe", "give a recording of two bars or more"
        )
    span_ns = spans.pop()
    order = np.argsort(time_ns, kind="stable")
    time_ns, values = time_ns[order], values[order]
    same = np.flatnonzero(np.diff(time_ns) == 0)
    conflict = same[(values[same] != values[same + 1]).any(axis=1)]
    if conflict.size:
        raise DataError(
            f"{symbol}: two files differ about the bar of {iso(int(time_ns[conflict[0]]))}",
            "name one of them",
        )
    keep = np.ones(len(time_ns), dtype=bool)
    keep[same + 1] = False
    time_ns, values = time_ns[keep], values[keep]
    missing = int(gaps(time_ns, span_ns)[1].sum())
    return Series(symbol, span_ns, time_ns, values, (), duplicates + len(same), missing)


def _common_window(series: list[Series], start_ns: int | None, end_ns: int | None) -> list[Series]:
    """Cut all series to where every one of them has data, and to the dates asked for."""
    first = max(s.first_ns for s in series)
    last = min(s.end_ns for s in series)
    told = "; ".join(f"{s.symbol} from {iso(s.first_ns)} to {iso(s.end_ns)}" for s in series[:6])
    if first >= last:
        raise DataError("the recordings have no time in common", told)
    begin = first if start_ns is None else max(first, start_ns)
    end = last + 1 if end_ns is None else min(last + 1, end_ns)
    cut = [s.cut(begin, end) for s in series]
    empty = [s.symbol for s in cut if not len(s.time_ns)]
    if empty:
        raise DataError(f"nothing of {', '.join(empty)} lies between these dates", told)
    return cut
