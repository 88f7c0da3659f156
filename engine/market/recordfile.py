"""Opening a recording: parquet, CSV, gzip and zip become one table with named columns.

Exchanges' archives come without a header for years and with one from some month on, so what
the columns mean is told from their number and their content where the file does not say it.
"""

from __future__ import annotations

import gzip
import io
import re
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.core.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import pyarrow as pa

_BARS = ("time", "open", "high", "low", "close", "volume")
_KLINES = (*_BARS, "close_time", "quote_volume", "count", "taker_base", "taker_quote", "ignore")
_TRADES = ("id", "price", "size", "quote_size", "time", "buyer_maker", "best_match")
_AGGREGATED = ("id", "price", "size", "first_id", "last_id", "time", "buyer_maker", "best_match")
_PLAIN_TRADES = ("time", "price", "size", "side")

_ALIASES = {
    "time": (
        "timestamp",
        "open_time",
        "opentime",
        "time",
        "date",
        "datetime",
        "transact_time",
        "trade_time",
        "ts",
        "t",
        "unix",
    ),
    "open": ("open", "o"),
    "high": ("high", "h"),
    "low": ("low", "l"),
    "close": ("close", "c"),
    "volume": ("volume", "vol", "v", "base_volume"),
    "price": ("price", "p"),
    "size": ("size", "qty", "quantity", "amount", "q"),
    "side": ("side", "taker_side"),
    "buyer_maker": ("is_buyer_maker", "isbuyermaker", "buyer_maker"),
    "id": ("id", "trade_id", "tradeid", "agg_trade_id", "aggtradeid"),
    "symbol": ("symbol", "pair", "ticker", "market", "instrument"),
}
_MEANS = {alias: name for name, aliases in _ALIASES.items() for alias in aliases}
_COMPRESSION_ERRORS = (OSError, EOFError, zlib.error, zipfile.BadZipFile)
# What pandas and pyarrow raise for a damaged file; ArrowInvalid and ParserError are ValueErrors.
_READ_ERRORS = (ValueError, OSError, KeyError, TypeError, NotImplementedError, EOFError, zlib.error)


@dataclass(frozen=True, slots=True)
class Sheet:
    """A table as it was read: canonical column names, and how to say where a row is.

    `spelled` is how the file itself names a column.
    """

    path: Path
    frame: pd.DataFrame
    first_row: int
    unit: str
    spelled: dict[str, str]

    def error(self, message: str, hint: str, row: int | None = None, column: str = "") -> DataError:
        """A `DataError` that names file, row (counted from 0 in the table) and column."""
        where = str(self.path)
        if row is not None:
            where += f", {self.unit} {int(self.frame.index[row]) + self.first_row}"
        if column:
            where += f", column {self.spelled.get(column, column)}"
        return DataError(f"{where}: {message}", hint)


def open_sheet(path: Path) -> Sheet:
    """Read a recording without judging its values. Raises `DataError`."""
    if path.stat().st_size == 0:
        raise DataError(f"{path}: the file is empty", "download it again")
    if path.name.lower().endswith((".parquet", ".pq")):
        return _parquet(path)
    return _csv(path, _text(path))


def plain_columns(path: Path) -> dict[str, np.ndarray[Any, Any]] | None:
    """The known columns of a file by their canonical names, read without pandas.

    None unless each holds a number in every row, times in whole ones, and no name means two.
    """
    table = _arrow(path) if path.stat().st_size else None
    if table is None or any(str(name).startswith("__index_") for name in table.column_names):
        return None
    import numpy as np

    found: dict[str, np.ndarray[Any, Any]] = {}
    for column in table.column_names:
        means = _meaning(column)
        if not means:
            continue
        chunks = table.column(column).chunks
        kinds = ("int64",) if means == "time" else ("double", "int64")
        if means in found or not chunks:
            return None
        if any(str(chunk.type) not in kinds or chunk.null_count for chunk in chunks):
            return None
        whole = np.concatenate([_numbers(chunk) for chunk in chunks])
        found[means] = whole if means == "time" else whole.astype(np.float64)
    return found


def _arrow(path: Path) -> pa.Table | None:
    """A parquet file, or a CSV that has a header and commas."""
    try:
        if path.name.lower().endswith((".parquet", ".pq")):
            import pyarrow.parquet as pq

            return pq.ParquetFile(path).read()
        raw = _text(path).removeprefix(b"\xef\xbb\xbf").rstrip()
        if not raw[:1].isalpha() or b"," not in raw.partition(b"\n")[0]:
            return None
        import pyarrow as pa
        from pyarrow import csv

        rows = csv.ParseOptions(ignore_empty_lines=False)
        return csv.read_csv(pa.BufferReader(raw), parse_options=rows)
    except _READ_ERRORS:
        return None


def _numbers(chunk: pa.Array) -> np.ndarray[Any, Any]:
    """A chunk without nulls as an array, without the detour over pandas that arrow takes."""
    import numpy as np

    kind = np.int64 if str(chunk.type) == "int64" else np.float64
    return np.frombuffer(chunk.buffers()[1], kind, len(chunk), chunk.offset * 8)


def _meaning(column: object) -> str | None:
    return _MEANS.get(re.sub(r"[ \-]+", "_", str(column).strip().lower()))


def _parquet(path: Path) -> Sheet:
    import pandas as pd

    try:
        frame = pd.read_parquet(path)
    except _READ_ERRORS as error:
        raise DataError(
            f"{path}: can't be read as parquet ({_first_line(error)})", "download it again"
        ) from None
    if frame.index.name or not isinstance(frame.index, pd.RangeIndex):
        frame = frame.rename_axis(str(frame.index.name or "timestamp")).reset_index()
    return _named(path, frame, 1, "row")


def _text(path: Path) -> bytes:
    """The bytes of a CSV, out of gzip or of a zip that holds exactly one."""
    try:
        if path.name.lower().endswith(".zip"):
            with zipfile.ZipFile(path) as archive:
                names = [n for n in archive.namelist() if n.lower().endswith(".csv")]
                if len(names) != 1:
                    raise DataError(
                        f"{path}: the archive holds {len(names)} CSV files",
                        "unpack it and name the folder",
                    )
                return archive.read(names[0])
        raw = path.read_bytes()
        return gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw
    except _COMPRESSION_ERRORS as error:
        raise DataError(
            f"{path}: can't be unpacked ({_first_line(error)})", "download it again"
        ) from None


def _csv(path: Path, raw: bytes) -> Sheet:
    import pandas as pd

    raw = raw.removeprefix(b"\xef\xbb\xbf").rstrip()
    if not raw:
        raise DataError(f"{path}: the file is empty", "download it again")
    head = raw[:4096].split(b"\n", 1)[0].decode("utf-8", "replace").strip()
    separator = max(",;\t", key=head.count)
    cells = [cell.strip().strip('"') for cell in head.split(separator)]
    headed = not re.fullmatch(r"[-+]?\d.*", cells[0])
    names = None if headed else list(_headerless(path, cells))
    try:
        frame = pd.read_csv(
            io.BytesIO(raw),
            sep=separator,
            header=0 if headed else None,
            names=names,
            skip_blank_lines=False,
            on_bad_lines="error",
            index_col=False,
            low_memory=False,
        )
    except _READ_ERRORS as error:
        raise DataError(
            f"{path}: can't be read as CSV ({_first_line(error)})",
            "every line needs the same columns, separated by commas",
        ) from None
    return _named(path, frame, 2 if headed else 1, "line")


def _headerless(path: Path, cells: list[str]) -> tuple[str, ...]:
    """What the columns of a file without a header are, from their number and content."""
    count = len(cells)
    flag = cells[-1].lower() in ("true", "false")
    if count == 12:
        return _KLINES
    if count == 8 and flag:
        return _AGGREGATED
    if count == 7 and flag:
        aggregated = "aggtrades" in path.name.lower() or _is_time(cells[5])
        return _AGGREGATED[:7] if aggregated else _TRADES
    if count == 6:
        return _TRADES[:6] if flag else _BARS
    if count == 4:
        return _PLAIN_TRADES
    raise DataError(
        f"{path}, line 1: {count} columns and no header",
        "add a header: timestamp,open,high,low,close,volume or time,price,size,side",
    )


def _is_time(cell: str) -> bool:
    return cell.isdigit() and len(cell) in (13, 16)


def _named(path: Path, frame: pd.DataFrame, first_row: int, unit: str) -> Sheet:
    """Give the columns their canonical names, the first that means a thing wins."""
    if not len(frame):
        raise DataError(f"{path}: there is no row in it", "download it again")
    spelled: dict[str, str] = {}
    for column in frame.columns:
        means = _meaning(column)
        if means and means not in spelled:
            spelled[means] = column
    frame = frame[list(spelled.values())]
    frame.columns = list(spelled)
    return Sheet(path, frame, first_row, unit, {k: str(v) for k, v in spelled.items()})


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:160]
