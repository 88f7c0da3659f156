"""Several recordings as one stream of events in the order of their time.

Everything is kept in arrays and becomes event objects in chunks, because a recorded bar may
cost the feed no more than a microsecond. An event's number follows from its place alone, so
that a replay can go on at any of them without playing what was before.
"""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from engine.core.clock import MINUTE, SECOND
from engine.core.types import Bar, FeedStatus, History, Link, MarketEvent, Tick
from engine.market.recordings import Series, gaps

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]

CHUNK = 4_096
"""Rows that become event objects at once."""

_BAR, _TICK = 0, 1


class Timeline:
    """The merged events of some series: rows (bars, ticks) and notices (feed states).

    At the same time bars come before ticks, and symbols in the order of `series`. `length`
    counts all events. A trade recording also yields the 1m bars built from it.
    """

    def __init__(self, series: Sequence[Series], venue: str) -> None:
        self.symbols = tuple(s.symbol for s in series)
        self._ids = [s.ids for s in series]
        parts = [part for i, s in enumerate(series) for part in _parts(i, s)]
        self._kind = np.concatenate([p[0] for p in parts])
        self._symbol = np.concatenate([p[1] for p in parts])
        self._span = np.concatenate([p[2] for p in parts])
        self._start = np.concatenate([p[3] for p in parts])
        self._values = np.concatenate([p[4] for p in parts])
        # A trade's place in its series finds its id again after the rows were merged.
        self._place = np.concatenate([np.arange(len(p[0])) for p in parts])
        times = self._start + self._span
        self._order = np.lexsort((self._symbol, self._kind, times))
        self.times: Ints = times[self._order]
        self._only_bars = not (self._kind == _TICK).any()
        self.rows = len(self.times)
        self._notices = _notices(series, self.times, venue)
        self.length = self.rows + len(self._notices)
        self._ready: list[MarketEvent] = []
        self._ready_from = 0
        self.longest_span_ns = max(int(self._span.max()), MINUTE)

    @property
    def missing(self) -> int:
        """How many times a symbol falls silent: gaps between its bars."""
        return sum(1 for _, notice in self._notices if notice.link is Link.STALE)

    def locate(self, position: int) -> tuple[int, int]:
        """The (row, notice) cursor of the event numbered `position`."""
        passed = bisect.bisect_left(
            range(len(self._notices)), position, key=lambda j: self._notices[j][0] + j
        )
        return position - passed, passed

    def time_at(self, row: int, notice: int) -> int:
        """Time of the event at a cursor, which must be before the end."""
        due = self._notices[notice]
        return due[1].time_ns if due[0] == row else int(self.times[row])

    def take(self, row: int, notice: int, limit: int, due_ns: int) -> list[MarketEvent]:
        """Up to `limit` events from a cursor on that are due by `due_ns`."""
        out: list[MarketEvent] = []
        due_row = int(np.searchsorted(self.times, due_ns, "right"))
        while len(out) < limit and notice < len(self._notices):
            at, status = self._notices[notice]
            if at == row:
                if status.time_ns > due_ns:
                    break
                out.append(status)
                notice += 1
                continue
            stop = min(at, due_row, row + limit - len(out))
            if stop <= row:
                break
            self._collect(out, row, stop)
            row = stop
        return out

    def history(self, symbol: str, row: int, count: int) -> History:
        """The last `count` bars of a symbol before a row."""
        index = self.symbols.index(symbol)
        before = self._order[:row]
        own = before[(self._symbol[before] == index) & (self._kind[before] == _BAR)]
        chosen = own[max(0, len(own) - count) :]
        return History(symbol=symbol, bars=tuple(self._bars(chosen)))

    def _collect(self, out: list[MarketEvent], row: int, stop: int) -> None:
        while row < stop:
            begin = row - self._ready_from
            if not 0 <= begin < len(self._ready):
                self._ready_from, begin = row, 0
                self._ready = self._build(self._order[row : row + CHUNK])
            piece = self._ready[begin : begin + stop - row]
            out += piece
            row += len(piece)

    def _build(self, rows: Ints) -> list[MarketEvent]:
        if self._only_bars:
            return list(self._bars(rows))
        kinds = self._kind[rows]
        bars = iter(self._bars(rows[kinds == _BAR]))
        ticks = iter(self._ticks(rows[kinds == _TICK]))
        return [next(bars) if kind == _BAR else next(ticks) for kind in kinds.tolist()]

    def _bars(self, rows: Ints) -> list[Bar]:
        symbols = self.symbols
        columns = self._values[rows].T.tolist()
        return [
            Bar(
                symbol=symbols[i],
                open_ns=start,
                span_ns=span,
                open=o,
                high=h,
                low=low,
                close=c,
                volume=v,
            )
            for i, start, span, o, h, low, c, v in zip(
                self._symbol[rows].tolist(),
                self._start[rows].tolist(),
                self._span[rows].tolist(),
                *columns,
                strict=True,
            )
        ]

    def _ticks(self, rows: Ints) -> list[Tick]:
        symbols, ids = self.symbols, self._ids
        price, size, sold = self._values[rows, :3].T.tolist()
        return [
            Tick(
                symbol=symbols[i],
                time_ns=time_ns,
                price=p,
                size=s,
                buyer_maker=seller == 1.0,
                trade_id=ids[i][place] if ids[i] else "",
            )
            for i, time_ns, place, p, s, seller in zip(
                self._symbol[rows].tolist(),
                self._start[rows].tolist(),
                self._place[rows].tolist(),
                price,
                size,
                sold,
                strict=True,
            )
        ]


def minute_bars(time_ns: Ints, price: Floats, size: Floats) -> tuple[Ints, Floats]:
    """1m bars of trades: openings and (open, high, low, close, volume) rows.

    The last minute is left out because no trade says that it is over; the first one too,
    unless its first trade comes within its first second, because its beginning was not
    recorded. Minutes without a trade have no bar.
    """
    minute = time_ns // MINUTE
    starts = np.flatnonzero(np.diff(minute, prepend=minute[0] - 1))
    rows = np.column_stack(
        [
            price[starts],
            np.maximum.reduceat(price, starts),
            np.minimum.reduceat(price, starts),
            price[np.append(starts[1:], len(price)) - 1],
            np.add.reduceat(size, starts),
        ]
    )
    first = 0 if int(time_ns[0]) % MINUTE < SECOND else 1
    opens: Ints = minute[starts] * MINUTE
    return opens[first:-1], rows[first:-1]


def _parts(index: int, series: Series) -> list[tuple[Ints, Ints, Ints, Ints, Floats]]:
    """(kind, symbol, span, start, values) columns of a series; trades add their 1m bars."""
    if series.span_ns:
        return [_part(_BAR, index, series.span_ns, series.time_ns, series.values)]
    opens, rows = minute_bars(series.time_ns, series.values[:, 0], series.values[:, 1])
    padded = np.zeros((len(series.time_ns), 5))
    padded[:, :3] = series.values
    return [
        _part(_TICK, index, 0, series.time_ns, padded),
        _part(_BAR, index, MINUTE, opens, rows),
    ]


def _part(
    kind: int, index: int, span_ns: int, start: Ints, values: Floats
) -> tuple[Ints, Ints, Ints, Ints, Floats]:
    count = len(start)
    full = (np.full(count, n, dtype=np.int64) for n in (kind, index, span_ns))
    return (*full, start, values)  # type: ignore[return-value]  # three columns, then two


def _notices(series: Sequence[Series], times: Ints, venue: str) -> list[tuple[int, FeedStatus]]:
    """The states that the stream tells, each with the row it comes before.

    It begins with UP and ends with ENDED. A symbol is STALE from when a bar failed to come
    until the next one does; no bar is invented in between.
    """

    def status(link: Link, time_ns: int, symbol: str = "", reason: str = "") -> FeedStatus:
        return FeedStatus(link=link, time_ns=time_ns, venue=venue, symbol=symbol, reason=reason)

    found: list[tuple[int, int, FeedStatus]] = []
    dropped = missed = 0
    for s in series:
        dropped += s.duplicates
        if not s.span_ns:
            continue
        after, counts = gaps(s.time_ns, s.span_ns)
        for i, count in zip(after.tolist(), counts.tolist(), strict=True):
            if count < 1:
                continue
            missed += count
            silent = int(s.time_ns[i]) + 2 * s.span_ns
            back = int(s.time_ns[i + 1]) + s.span_ns
            told = f"{count} bar{'s' if count > 1 else ''} missing in the recording"
            row = int(np.searchsorted(times, silent, "right"))
            found.append((row, silent, status(Link.STALE, silent, s.symbol, told)))
            row = int(np.searchsorted(times, back, "left"))
            found.append((row, back, status(Link.UP, back, s.symbol, "bars go on")))
    found.sort(key=lambda item: item[:2])
    begin = min(s.first_ns for s in series)
    counted = f"{len(times)} recorded events of {len(series)} symbols"
    if missed or dropped:
        counted += f", {missed} bars missing, {dropped} duplicates dropped"
    first = (0, status(Link.UP, begin, reason=counted))
    last = (len(times), status(Link.ENDED, int(times[-1]), reason="the recording is over"))
    return [first, *((row, notice) for row, _, notice in found), last]
