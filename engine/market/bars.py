"""Candles: built from ticks, folded into longer ones, and kept true.

A candle counts as closed only when its successor has begun, because a forming one looks the
same and says something else. All windows are aligned to UTC.
"""

from __future__ import annotations

from engine.core.errors import DataError
from engine.core.types import Bar


def accumulate(bar: list[float], price: float, size: float) -> None:
    """Add a tick to [open, high, low, close, volume]; an empty list is a bar's beginning."""
    if not bar:
        bar.extend((price, price, price, price, size))
        return
    if price > bar[1]:
        bar[1] = price
    if price < bar[2]:
        bar[2] = price
    bar[3] = price
    bar[4] += size


def closed_bar(symbol: str, open_ns: int, span_ns: int, bar: list[float]) -> Bar:
    """The final candle of an accumulated [open, high, low, close, volume]."""
    return Bar(
        symbol=symbol,
        open_ns=open_ns,
        span_ns=span_ns,
        open=bar[0],
        high=bar[1],
        low=bar[2],
        close=bar[3],
        volume=bar[4],
    )


class BarBuilder:
    """Ticks to candles of one symbol.

    A tick that is late but still belongs to the window that forms is counted; open and close
    then follow the ticks' own times. One that is later than its window is refused (`late`
    counts them), since that candle was delivered. Windows without a tick make no candle.
    """

    def __init__(self, symbol: str, span_ns: int) -> None:
        if span_ns <= 0:
            raise DataError(f"a candle can't span {span_ns} ns", "give a timeframe such as 1m")
        self.symbol = symbol
        self.span_ns = span_ns
        self.late = 0
        self._bar: list[float] = []
        self._open_ns = -1
        self._first_ns = 0
        self._last_ns = 0

    def add(self, time_ns: int, price: float, size: float) -> Bar | None:
        """Count a tick; the candle it closed, if it is the first one of a later window."""
        window = time_ns - time_ns % self.span_ns
        if window < self._open_ns:
            self.late += 1
            return None
        closed = None
        if window > self._open_ns:
            closed = self._close()
            self._open_ns = window
            self._first_ns = self._last_ns = time_ns
        elif time_ns < self._last_ns:
            self._add_late(time_ns, price, size)
            return None
        accumulate(self._bar, price, size)
        self._last_ns = time_ns
        return closed

    def advance(self, time_ns: int) -> Bar | None:
        """Close the window that ended by `time_ns`: its successor begins without a tick."""
        if self._bar and time_ns >= self._open_ns + self.span_ns:
            closed = self._close()
            self._open_ns = time_ns - time_ns % self.span_ns
            return closed
        return None

    @property
    def forming(self) -> Bar | None:
        """The candle so far, marked as not final; None before a window's first tick."""
        if not self._bar:
            return None
        o, h, low, c, v = self._bar
        return Bar(
            symbol=self.symbol,
            open_ns=self._open_ns,
            span_ns=self.span_ns,
            open=o,
            high=h,
            low=low,
            close=c,
            volume=v,
            final=False,
        )

    def _add_late(self, time_ns: int, price: float, size: float) -> None:
        bar = self._bar
        if time_ns < self._first_ns:
            self._first_ns = time_ns
            bar[0] = price
        bar[1] = max(bar[1], price)
        bar[2] = min(bar[2], price)
        bar[4] += size

    def _close(self) -> Bar | None:
        if not self._bar:
            return None
        closed = closed_bar(self.symbol, self._open_ns, self.span_ns, self._bar)
        self._bar = []
        return closed


class Resampler:
    """Base bars of one symbol to decision bars.

    A decision bar closes with the base bar that completes its window; when that one is
    missing, with the first bar of a later window. Bars must come in order: an earlier one
    than the last is ignored (the candle store told it as a correction).
    Raises `DataError` when the base bars span more than a decision bar or don't divide it.
    """

    def __init__(self, symbol: str, to_span_ns: int) -> None:
        if to_span_ns <= 0:
            raise DataError(f"a candle can't span {to_span_ns} ns", "give a timeframe such as 15m")
        self.symbol = symbol
        self.span_ns = to_span_ns
        self._base_ns = 0
        self._bar: list[float] = []
        self._open_ns = -1
        self._end_ns = 0

    def add(self, bar: Bar) -> Bar | None:
        """Count a closed base bar; the decision bar it closed, or None."""
        if bar.span_ns != self._base_ns:
            self._check(bar.span_ns)
        open_ns = bar.open_ns
        if open_ns < self._end_ns or not bar.final:
            return None
        self._end_ns = open_ns + bar.span_ns
        if bar.span_ns == self.span_ns:
            return bar
        window = open_ns - open_ns % self.span_ns
        closed = None
        if window != self._open_ns and self._bar:
            closed = closed_bar(self.symbol, self._open_ns, self.span_ns, self._bar)
            self._bar = []
        self._open_ns = window
        own = self._bar
        if own:
            if bar.high > own[1]:
                own[1] = bar.high
            if bar.low < own[2]:
                own[2] = bar.low
            own[3] = bar.close
            own[4] += bar.volume
        else:
            self._bar = [bar.open, bar.high, bar.low, bar.close, bar.volume]
        if closed is None and self._end_ns == window + self.span_ns:
            closed = closed_bar(self.symbol, window, self.span_ns, self._bar)
            self._bar = []
        return closed

    def _check(self, base_ns: int) -> None:
        if base_ns > self.span_ns or self.span_ns % base_ns:
            raise DataError(
                f"{self.symbol}: bars of {_minutes(base_ns)} can't make decision bars of "
                f"{_minutes(self.span_ns)}",
                f"set the decision timeframe to a multiple of {_minutes(base_ns)}",
            )
        self._base_ns = base_ns


def _minutes(span_ns: int) -> str:
    """A span in a person's words."""
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)):
        if span_ns % (size * 1_000_000_000) == 0:
            return f"{span_ns // (size * 1_000_000_000)}{unit}"
    return f"{span_ns} ns"
