"""Replay: a recording played as if it happened now, at any speed.

The kernel can't tell it from a live feed except by its name: same events, same order of
knowledge (a bar at its close), nothing from beyond the cursor.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from engine.core.clock import monotonic_ns, parse_iso
from engine.core.errors import CommandRefused, DataError
from engine.core.types import FeedKind, History, Instrument, MarketEvent
from engine.market.pacing import NEVER, Pacer, checked_speed
from engine.market.symbols import common_quote

if TYPE_CHECKING:
    from engine.market.timeline import Timeline

# Silence longer than this many of the longest bars is skipped rather than waited for.
_PATIENCE = 3


class ReplayFeed:
    """Plays OHLCV or trade recordings of one or several symbols over their common window.

    `spec` is a file, a folder or a comma list; `start` and `end` are ISO dates or times UTC
    (`end` exclusive) or nanoseconds; `speed` is a multiple of real time, 0 as fast as it
    goes; `resume_at` is the position to go on from. `symbols`, `quote` and `instruments` are
    complete once `start` has returned, which reads and checks the files and raises
    `DataError`. It may be called in a thread of its own.
    """

    kind = FeedKind.REPLAY
    venue = "recorded"
    manual_time = True

    def __init__(
        self,
        spec: str | Path,
        symbols: Sequence[str] | None = None,
        start: str | int | None = None,
        end: str | int | None = None,
        speed: float = 0.0,
        resume_at: int = 0,
        monotonic: Callable[[], int] = monotonic_ns,
    ) -> None:
        self.symbols: tuple[str, ...] = tuple(symbols or ())
        self.quote = ""
        self._spec = spec
        self._asked = list(symbols) if symbols else None
        self._start_ns = _moment(start, "from")
        self._end_ns = _moment(end, "to")
        begin, end_before = self._start_ns, self._end_ns
        if begin is not None and end_before is not None and begin >= end_before:
            raise DataError(f"from {start} to {end} is no stretch of time", "swap the two dates")
        if resume_at < 0:
            raise DataError("a position can't be negative", "resume at the journal's cursor")
        self._pacer = Pacer(checked_speed(speed), monotonic)
        self._resume_at = resume_at
        self._instruments: dict[str, Instrument] = {}
        self._line: Timeline | None = None
        self._row = self._notice = self._position = 0
        self._length = 0
        self._last_ns = 0
        self._stopped = False

    @property
    def span_ns(self) -> int:
        """The longest span of its bars: no decision bar can be shorter. Known after `start`."""
        return self._line.longest_span_ns if self._line is not None else 0

    @property
    def instruments(self) -> Mapping[str, Instrument]:
        return self._instruments

    def start(self, wake: Callable[[], None]) -> None:
        from engine.market.instruments import packaged
        from engine.market.recordings import load
        from engine.market.timeline import Timeline

        series = load(self._spec, self._asked, self._start_ns, self._end_ns)
        self.symbols = tuple(s.symbol for s in series)
        self.quote = common_quote(self.symbols)
        for s in series:
            self._instruments[s.symbol] = packaged(
                s.symbol, venue="binance", price=float(s.values[0, 0])
            )
        line = Timeline(series, self.venue)
        if self._resume_at > line.length:
            raise DataError(
                f"the journal's cursor {self._resume_at} is beyond the recording's {line.length}",
                "resume with the recording that the journal was made from",
            )
        self._line = line
        self._length = line.length
        self._position = self._resume_at
        self._row, self._notice = line.locate(self._position)
        if not self.ended:
            self._last_ns = line.time_at(self._row, self._notice)
            self._pacer.begin(self._last_ns)
        wake()

    def poll(self, limit: int) -> Sequence[MarketEvent]:
        line = self._line
        if line is None or self._position >= self._length:
            return ()
        due_ns = self._pacer.due_ns()
        if due_ns != NEVER:
            due_ns = self._skip_silence(line, due_ns)
        events = line.take(self._row, self._notice, limit, due_ns)
        if events:
            self._position += len(events)
            self._row, self._notice = line.locate(self._position)
            if self._row:
                self._last_ns = int(line.times[self._row - 1])
        return events

    def wait_s(self) -> float:
        if self._line is None or self._position >= self._length:
            return math.inf
        return self._pacer.wait_s(self._line.time_at(self._row, self._notice))

    @property
    def ended(self) -> bool:
        return self._stopped or (self._line is not None and self._position >= self._length)

    @property
    def position(self) -> int:
        return self._position

    @property
    def progress(self) -> float:
        return self._position / self._length if self._length else 0.0

    @property
    def speed(self) -> float:
        return self._pacer.speed

    def set_speed(self, speed: float) -> None:
        if self._pacer.speed == 0:
            self._pacer.skip_to(self._last_ns)
        self._pacer.set_speed(speed)

    def shock(self, kind: str, symbol: str) -> None:
        """Always refused: what was recorded can't be made to happen otherwise."""
        raise CommandRefused(
            "not_simulated",
            f"a recording can't have a {kind}",
            "start the simulated market for shocks",
        )

    def history(self, symbol: str, count: int) -> History:
        """The last `count` closed bars before the current position.

        For a kernel that resumes and needs its indicators warm without playing the past.
        """
        if self._line is None or symbol not in self.symbols:
            return History(symbol=symbol, bars=())
        return self._line.history(symbol, self._row, count)

    def stop(self) -> None:
        self._line = None
        self._stopped = True

    def _skip_silence(self, line: Timeline, due_ns: int) -> int:
        """Nobody waits for a closed market: go to shortly before the next event."""
        next_ns = line.time_at(self._row, self._notice)
        near_ns = next_ns - line.longest_span_ns
        if near_ns <= due_ns or next_ns - self._last_ns <= _PATIENCE * line.longest_span_ns:
            return due_ns
        self._pacer.skip_to(near_ns)
        return near_ns


def _moment(given: str | int | None, word: str) -> int | None:
    if given is None or isinstance(given, int):
        return given
    try:
        return parse_iso(given)
    except ValueError:
        raise DataError(
            f"{given!r} is no date to play {word}", "write 2025-05-04 or 2025-05-04T12:00"
        ) from None
