"""One file's rows, checked: numbers that are numbers, times that go forward, bars that can be.

Every check names the first row that fails and what to do. Identical rows that repeat are the
one thing that is repaired, and they are counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from engine.core.clock import DAY, HOUR, iso
from engine.market.recordfile import Sheet, open_sheet, plain_columns
from engine.market.recordname import is_perpetual
from engine.market.symbols import parse_symbol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]

_BAR_COLUMNS = ("open", "high", "low", "close", "volume")
# Magnitudes of a time since 1973 in seconds, milliseconds, microseconds, nanoseconds.
_UNITS = (("seconds", 1e8), ("milliseconds", 1e11), ("microseconds", 1e14), ("nanoseconds", 1e17))
_LATEST = 9.2e18
# Vendors round open, high, low and close apart from each other.
_ROUNDING = 1e-9
# A day is an hour shorter where the clock is put forward.
_SHORT_DAY = DAY - HOUR


@dataclass(frozen=True, slots=True)
class Table:
    """The checked rows of one symbol in one file; columns as in `recordings.Series`.

    `span_ns` is 0 for trades and for a single bar, which tells no timeframe.
    """

    path: Path
    trades: bool
    span_ns: int
    time_ns: Ints
    values: Floats
    ids: tuple[str, ...] = ()
    duplicates: int = 0


def read_tables(path: Path, symbol: str) -> dict[str, Table]:
    """The tables of a file by symbol; `symbol` is what its name says, possibly nothing.

    A symbol column in the file wins over the name. Raises `DataError`.
    """
    flawless = _flawless(path) if symbol else None
    if flawless is not None:
        return {symbol: flawless}
    sheet = open_sheet(path)
    if "symbol" in sheet.frame.columns:
        tables: dict[str, Table] = {}
        perpetual = is_perpetual(path)
        names = sheet.frame["symbol"]
        for name in names.drop_duplicates().tolist():
            spelled = parse_symbol(str(name), perpetual)
            if not spelled:
                row = int((names == name).to_numpy().argmax())
                raise sheet.error(f"{name!r} is no symbol", "write BTC/USDT", row, "symbol")
            part = sheet.frame[names == name]
            tables[spelled] = _table(Sheet(path, part, sheet.first_row, sheet.unit, sheet.spelled))
        return tables
    if not symbol:
        raise sheet.error(
            "neither the name nor a column says the symbol", "name the file like BTCUSDT-1m.csv"
        )
    return {symbol: _table(sheet)}


def _flawless(path: Path) -> Table | None:
    """Bars of a file with nothing to repair and nothing to say, without pandas, whose import
    takes longer than reading a year; None where the long way has to look."""
    import numpy as np

    found = plain_columns(path)
    if found is None or set(found) != {"time", *_BAR_COLUMNS}:
        return None
    times, values = found["time"], np.column_stack([found[name] for name in _BAR_COLUMNS])
    if len(times) < 2 or not np.isfinite(values).all():
        return None
    first, last = float(times[0]), float(times[-1])
    units = [unit for unit, (_, low) in enumerate(_UNITS) if low <= first]
    steps = np.diff(times)
    if not units or not last < _ends(units[-1]) or steps.min() <= 0:
        return None
    time_ns = times * 1_000 ** (3 - units[-1])
    span_ns = int(np.median(steps)) * 1_000 ** (3 - units[-1])
    least = min(span_ns, _SHORT_DAY) if span_ns >= DAY else span_ns
    opens, highs, lows, closes, volumes = values.T
    slack = highs * _ROUNDING
    fine = (
        values[:, :4].min() > 0
        and volumes.min() >= 0
        and (highs >= lows).all()
        and (np.maximum(opens, closes) <= highs + slack).all()
        and (np.minimum(opens, closes) >= lows - slack).all()
        and np.diff(time_ns).min() >= least
    )
    return Table(path, False, span_ns, time_ns, values) if fine else None


def _ends(unit: int) -> float:
    """The magnitude at which the next unit of time begins."""
    return _UNITS[unit + 1][1] if unit + 1 < len(_UNITS) else _LATEST


def _table(sheet: Sheet) -> Table:
    columns = sheet.frame.columns
    trades = "price" in columns and "close" not in columns
    needed = ("time", "price", "size") if trades else ("time", *_BAR_COLUMNS)
    lacking = [name for name in needed if name not in columns]
    if lacking:
        raise sheet.error(
            f"no column {' and '.join(lacking)}",
            "bars need timestamp, open, high, low, close, volume; trades need time, price, size",
        )
    time_ns = _times(sheet)
    return _trades(sheet, time_ns) if trades else _bars(sheet, time_ns)


def _bars(sheet: Sheet, time_ns: Ints) -> Table:
    import numpy as np

    values = np.column_stack([_numbers(sheet, name) for name in _BAR_COLUMNS])
    for i, name in enumerate(_BAR_COLUMNS[:4]):
        _refuse(sheet, values[:, i] <= 0, "a price is not above 0", name)
    _refuse(sheet, values[:, 4] < 0, "a volume is below 0", "volume")
    opens, highs, lows, closes = values[:, :4].T
    _refuse(sheet, highs < lows, "high is below low", "high")
    slack = highs * _ROUNDING
    _refuse(sheet, np.maximum(opens, closes) > highs + slack, "high is not the highest", "high")
    _refuse(sheet, np.minimum(opens, closes) < lows - slack, "low is not the lowest", "low")
    _refuse_backwards(sheet, time_ns)
    same = np.flatnonzero(np.diff(time_ns) == 0) + 1
    conflict = same[(values[same] != values[same - 1]).any(axis=1)]
    if conflict.size:
        row = int(conflict[0])
        raise sheet.error(
            f"a second, different bar of {iso(int(time_ns[row]))}",
            "keep one of the two",
            row,
            "time",
        )
    if same.size:
        time_ns, values = np.delete(time_ns, same), np.delete(values, same, axis=0)
    span_ns = _span(sheet, time_ns) if len(time_ns) > 1 else 0
    return Table(sheet.path, False, span_ns, time_ns, values, (), int(same.size))


def _span(sheet: Sheet, time_ns: Ints) -> int:
    """The timeframe: the median distance of bars. None may be closer than that."""
    import numpy as np

    steps = np.diff(time_ns)
    span_ns = int(np.median(steps))
    least = min(span_ns, _SHORT_DAY) if span_ns >= DAY else span_ns
    close = np.flatnonzero(steps < least)
    if close.size:
        moment = iso(int(time_ns[close[0] + 1]))
        raise sheet.error(
            f"the bar of {moment} comes before the one before it is over",
            "a file holds bars of one timeframe; split it",
        )
    return span_ns


def _trades(sheet: Sheet, time_ns: Ints) -> Table:
    import numpy as np

    price, size = _numbers(sheet, "price"), _numbers(sheet, "size")
    _refuse(sheet, price <= 0, "a price is not above 0", "price")
    _refuse(sheet, size <= 0, "a size is not above 0", "size")
    _refuse_backwards(sheet, time_ns)
    values = np.column_stack([price, size, _seller_aggressed(sheet)])
    ids: tuple[str, ...] = ()
    dropped = 0
    if "id" in sheet.frame.columns:
        names = sheet.frame["id"].astype(str)
        again = names.duplicated().to_numpy()
        if again.any():
            _refuse_changed(sheet, names.to_numpy(), again, time_ns, values)
            time_ns, values = time_ns[~again], values[~again]
            dropped = int(again.sum())
        ids = tuple(names[~again].tolist())
    return Table(sheet.path, True, 0, time_ns, values, ids, dropped)


def _refuse_changed(
    sheet: Sheet,
    names: NDArray[np.object_],
    again: NDArray[np.bool_],
    time_ns: Ints,
    values: Floats,
) -> None:
    """A trade id that comes twice must tell the same trade."""
    first: dict[str, int] = {}
    for row, name in enumerate(names.tolist()):
        before = first.setdefault(name, row)
        if again[row] and (
            time_ns[row] != time_ns[before] or (values[row] != values[before]).any()
        ):
            raise sheet.error(
                f"trade {name} comes twice and differs", "keep one of the two", row, "id"
            )


def _seller_aggressed(sheet: Sheet) -> Floats:
    """1 where the seller crossed the spread; 0 for buyers and where nobody says."""
    import numpy as np

    if "buyer_maker" in sheet.frame.columns:
        told = sheet.frame["buyer_maker"].astype(str).str.lower()
        return told.isin(("true", "1", "1.0")).to_numpy().astype(np.float64)
    if "side" in sheet.frame.columns:
        told = sheet.frame["side"].astype(str).str.lower()
        return told.isin(("sell", "s", "ask")).to_numpy().astype(np.float64)
    return np.zeros(len(sheet.frame))


def _numbers(sheet: Sheet, name: str) -> Floats:
    """A column as finite float64, or the first row that is none."""
    import numpy as np
    import pandas as pd

    column = sheet.frame[name]
    numbers = pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64)
    bad = np.flatnonzero(~np.isfinite(numbers))
    if bad.size:
        row = int(bad[0])
        cell = column.iloc[row]
        what = "the value is missing" if pd.isna(cell) else f"{str(cell)[:40]!r} is no number"
        raise sheet.error(what, "every cell needs a finite number", row, name)
    return numbers


def _times(sheet: Sheet) -> Ints:
    """The time column in nanoseconds: numbers of any unit by magnitude, dates, or ISO text."""
    import numpy as np
    import pandas as pd

    column = sheet.frame["time"]
    if not pd.api.types.is_numeric_dtype(column):
        numeric = pd.to_numeric(column, errors="coerce")
        if pd.api.types.is_datetime64_any_dtype(column) or numeric.isna().all():
            return _dates(sheet)
    if pd.api.types.is_integer_dtype(column):
        whole = column.to_numpy(dtype=np.int64)
        return whole * _unit_ns(sheet, whole.astype(np.float64))
    numbers = _numbers(sheet, "time")
    scale = _unit_ns(sheet, numbers)
    if scale == 1:
        return numbers.astype(np.int64)
    # A float carries microseconds of today and no more.
    return np.rint(numbers * (scale / 1_000)).astype(np.int64) * 1_000


def _unit_ns(sheet: Sheet, times: Floats) -> int:
    """Nanoseconds in the file's unit of time; all of its rows must be in one unit."""
    import numpy as np

    bad = np.flatnonzero((times < _UNITS[0][1]) | (times > _LATEST))
    if bad.size:
        row = int(bad[0])
        raise sheet.error(
            f"{times[row]:g} is no time since 1973", "give seconds or milliseconds UTC", row, "time"
        )
    units = np.searchsorted([low for _, low in _UNITS], times, "right") - 1
    other = np.flatnonzero(units != units[0])
    if other.size:
        row = int(other[0])
        first, second = _UNITS[int(units[0])][0], _UNITS[int(units[row])][0]
        raise sheet.error(
            f"the times change from {first} to {second}", "give one unit in a file", row, "time"
        )
    return int(1_000 ** (3 - int(units[0])))


def _dates(sheet: Sheet) -> Ints:
    import numpy as np
    import pandas as pd

    column = sheet.frame["time"]
    moments = pd.to_datetime(column, errors="coerce", utc=True, format="ISO8601")
    bad = np.flatnonzero(moments.isna().to_numpy())
    if bad.size:
        row = int(bad[0])
        raise sheet.error(
            f"{str(column.iloc[row])[:40]!r} is no time", "write 2025-05-04T12:00:00Z", row, "time"
        )
    whole: Ints = np.asarray(moments.dt.as_unit("ns").astype("int64"), dtype=np.int64)
    return whole


def _refuse(sheet: Sheet, bad: NDArray[np.bool_], message: str, column: str) -> None:
    if bad.any():
        raise sheet.error(message, "correct or remove that row", int(bad.argmax()), column)


def _refuse_backwards(sheet: Sheet, time_ns: Ints) -> None:
    import numpy as np

    back = np.flatnonzero(np.diff(time_ns) < 0)
    if back.size:
        row = int(back[0]) + 1
        raise sheet.error(
            f"time runs backwards to {iso(int(time_ns[row]))}", "sort the file by time", row, "time"
        )
