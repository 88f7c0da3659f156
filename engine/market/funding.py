"""Funding rates and mark prices of perpetuals: recorded, simulated, or said to be absent.

A perpetual's cost of holding is paid at fixed hours at a rate that the venue publishes.
Recordings stamp a payment some milliseconds late, so every stamp is snapped to its hour.
Where no rate is known none is made up: `None` comes back, and `note` says it in words.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from engine.core.clock import HOUR, MINUTE, SECOND, iso
from engine.core.errors import DataError
from engine.core.ids import source
from engine.market.recordname import symbol_of
from engine.market.symbols import parse_symbol

if TYPE_CHECKING:
    import pandas as pd

INTERVAL_NS = 8 * HOUR
"""Binance's usual schedule: 00:00, 08:00 and 16:00 UTC."""

JITTER_NS = 30 * SECOND
"""How far a recorded stamp may lie from its hour; recordings are milliseconds late."""

MARK_AGE_NS = MINUTE
"""How old a recorded mark may be and still be the mark."""

_MOST_RATE = 0.05
"""A recorded rate above 5 % of the notional is another unit or a broken row: Binance caps the
rate of its widest contracts at 3 %."""

_SIM_SCALE = 0.00005
"""Standard deviation of a simulated rate: half of the 1 bp that the venue's formula rests at.
The mean is zero, so that simulated funding favours neither side."""

_LEVELS_UP = 5
"""Folders above a recording in which funding that belongs to it is looked for."""


def next_boundary(after_ns: int) -> int:
    """The first funding hour later than `after_ns`."""
    return after_ns - after_ns % INTERVAL_NS + INTERVAL_NS


def last_boundary(now_ns: int) -> int:
    """The last funding hour that has come."""
    return now_ns - now_ns % INTERVAL_NS


def snap(time_ns: int) -> int:
    """The funding hour nearest to a stamp."""
    return (time_ns + INTERVAL_NS // 2) // INTERVAL_NS * INTERVAL_NS


class Rates(Protocol):
    """Where funding rates come from; `note` says it for a person."""

    @property
    def note(self) -> str: ...

    def rate(self, symbol: str, boundary_ns: int) -> float | None:
        """The rate paid at a funding hour, as a fraction of notional; None where unknown.

        Positive: longs pay shorts.
        """
        ...


class NoRates:
    """No source: every rate is absent, and says why."""

    def __init__(self, note: str) -> None:
        self.note = note

    def rate(self, symbol: str, boundary_ns: int) -> float | None:
        del symbol, boundary_ns
        return None


class SimulatedRates:
    """Small rates around zero, the same for the same seed, symbol and hour, in any order."""

    note = "simulated funding, mean zero"

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def rate(self, symbol: str, boundary_ns: int) -> float | None:
        return source(self._seed, "funding", symbol, boundary_ns).gauss(0.0, _SIM_SCALE)


class RecordedRates:
    """Rates by symbol and funding hour, out of files."""

    def __init__(self, rates: Mapping[str, Mapping[int, float]], note: str) -> None:
        self._rates = rates
        self.note = note

    @classmethod
    def load(cls, path: Path, symbols: Iterable[str]) -> RecordedRates:
        """Read `timestamp, funding_rate` files of these symbols; others in a folder are left.

        Raises `DataError` for what can't be read, for stamps that belong to no funding hour,
        and where two rows of one hour differ.
        """
        found: dict[str, dict[int, float]] = {}
        for symbol, file in _files(path, symbols).items():
            found[symbol] = _rates(file)
        return cls(found, f"recorded funding, {path.name}: {len(found)} symbols")

    @property
    def symbols(self) -> tuple[str, ...]:
        return tuple(self._rates)

    def rate(self, symbol: str, boundary_ns: int) -> float | None:
        return self._rates.get(symbol, {}).get(boundary_ns)


class Marks:
    """Recorded mark prices by symbol: what the venue valued a contract at."""

    def __init__(self, points: Mapping[str, tuple[list[int], list[float]]], note: str) -> None:
        self._points = points
        self.note = note

    @classmethod
    def none(cls) -> Marks:
        return cls({}, "no recorded marks: the perpetual's last price stands in")

    @classmethod
    def load(cls, path: Path, symbols: Iterable[str]) -> Marks:
        """Read mark-price candles; only their opens, which are known when they are stamped."""
        points: dict[str, tuple[list[int], list[float]]] = {}
        for symbol, file in _files(path, symbols).items():
            frame, times = _frame(file, "open")
            prices = [float(price) for price in frame["open"]]
            if any(not 0.0 < price < float("inf") for price in prices):
                raise DataError(f"{file}: a mark price is no price", "download it again")
            points[symbol] = (times, prices)
        return cls(points, f"recorded marks, {path.name}: {len(points)} symbols")

    def at(self, symbol: str, time_ns: int) -> float | None:
        """The newest mark that was known then, None where it is older than a minute."""
        times, prices = self._points.get(symbol, ([], []))
        k = bisect_right(times, time_ns) - 1
        return prices[k] if k >= 0 and time_ns - times[k] <= MARK_AGE_NS else None


def beside(recording: Path, kind: str) -> Path | None:
    """The folder of `kind` (`funding`, `mark_price`) that belongs to a recording, if any.

    Looked for in the folders above it; a subfolder that is named like one of the
    recording's own folders is of the same source and wins.
    """
    recording = recording.expanduser().absolute()
    names = {part.name for part in (recording, *recording.parents)}
    for folder in list(recording.parents)[:_LEVELS_UP]:
        place = folder / kind
        if place.is_dir():
            same = [p for p in sorted(place.iterdir()) if p.is_dir() and p.name in names]
            return same[0] if same else place
    return None


def _files(path: Path, symbols: Iterable[str]) -> dict[str, Path]:
    """One file a symbol: the path itself, or what a folder and all below it hold of them."""
    wanted = list(symbols)
    path = path.expanduser()
    if not path.exists():
        raise DataError(f"{path} does not exist", "give a file or a folder of parquet files")
    if path.is_file():
        named = parse_symbol(path.stem, True) or symbol_of(path)
        if len(wanted) == 1 or named in wanted:
            return {named if named in wanted else wanted[0]: path}
        raise DataError(f"{path.name} says no symbol of this run", "name it like BTCUSDT.parquet")
    found: dict[str, Path] = {}
    for file in sorted(path.rglob("*.parquet")):
        symbol = parse_symbol(file.stem, True)
        if symbol in wanted:
            found.setdefault(symbol, file)
    return found


def _rates(file: Path) -> dict[int, float]:
    frame, times = _frame(file, "funding_rate")
    rates: dict[int, float] = {}
    for row, (time_ns, value) in enumerate(zip(times, frame["funding_rate"], strict=True)):
        rate, boundary = float(value), snap(time_ns)
        if abs(time_ns - boundary) > JITTER_NS:
            raise DataError(
                f"{file}, row {row + 1}: {iso(time_ns)} is no funding hour",
                "funding is paid at 00:00, 08:00 and 16:00 UTC",
            )
        if not abs(rate) <= _MOST_RATE:
            raise DataError(f"{file}, row {row + 1}: {rate!r} is no funding rate", "a fraction")
        if rates.setdefault(boundary, rate) != rate:
            raise DataError(
                f"{file}, row {row + 1}: {iso(boundary)} has two rates", "keep one of them"
            )
    return rates


def _frame(file: Path, column: str) -> tuple[pd.DataFrame, list[int]]:
    """A parquet file with `timestamp` (milliseconds UTC) and `column`, in order of time."""
    import pandas as pd

    try:
        frame = pd.read_parquet(file)
    except (ValueError, OSError) as error:
        reason = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
        raise DataError(
            f"{file}: can't be read as parquet ({reason})", "download it again"
        ) from None
    missing = [name for name in ("timestamp", column) if name not in frame.columns]
    if missing:
        raise DataError(f"{file}: there is no column {missing[0]}", f"timestamp and {column}")
    frame = frame.sort_values("timestamp", kind="stable")
    return frame, [int(stamp) * 1_000_000 for stamp in frame["timestamp"]]
