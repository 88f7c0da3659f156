"""One symbol as the kernel follows it: its market, its decision bars, its indicators.

Events go in one at a time; what comes out is at most one closed decision bar, after which
the feature row and the regime are those of that bar.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import msgspec

from engine.analysis.indicators import IndicatorSpec, IndicatorState
from engine.analysis.regime import RegimeDetector, RegimeSpec, RegimeState
from engine.core.parameters import Parameters
from engine.core.types import Bar, Book, Decision, Direction, Instrument, Link, Quote, Tick
from engine.market.bars import Resampler
from engine.market.costs import CostModel
from engine.market.delta import VolumeDelta
from engine.market.quality import TickGuard
from engine.strategies.coordination import Coordinated

if TYPE_CHECKING:
    from engine.analysis.indicators import Floats

REMEMBERED = 5_000
"""Decision bars after which no indicator knows any more what was before, to the last bit."""

BOOK_KEEPS_NS = 15_000_000_000
"""A book older than this no longer tells the depth; fills model it instead."""


class SymbolDesk:
    """Market, bars, indicators and regime of one symbol. Owned by the kernel thread.

    `instruments` is the feed's own mapping. `closed` is told of every decision bar, also of
    those from before the feed began.
    `awaits` names who is asked before its entry goes on.
    `pending` holds the decision bar that closed and was not yet decided on; `row` and
    `previous` are the feature rows of the last two decision bars.
    """

    def __init__(
        self,
        symbol: str,
        instruments: Mapping[str, Instrument],
        span_ns: int,
        params: Parameters,
        costs: CostModel,
        closed: Callable[[Bar], None],
    ) -> None:
        self.symbol = symbol
        self._instruments = instruments
        self.span_ns = span_ns
        self._params = params
        self._costs = costs
        self._closed = closed
        self._params_version = params.version
        self.guard = TickGuard(params, symbol, instruments[symbol])
        self.resampler = Resampler(self.symbol, span_ns)
        spec = IndicatorSpec.from_parameters(params, self.symbol, span_ns=span_ns)
        self.indicators = IndicatorState(spec)
        self.detector = RegimeDetector(RegimeSpec.from_parameters(params, self.symbol))
        self.regime: RegimeState | None = None
        self.row: Floats | None = None
        self.previous: Floats | None = None
        self.pending: Bar | None = None
        self.last_bar: Bar | None = None
        self.base_bar: Bar | None = None
        self.quote: Quote | None = None
        self.book: Book | None = None
        self.last = math.nan
        self.last_event_ns = 0
        self.base_span_ns = 0
        self.last_tick_ns = 0
        self.ticks_seen = False
        self.link = Link.STARTING
        self.link_reason = ""
        self.said: Coordinated | None = None
        self.decision: Decision | None = None
        self.forming: Bar | None = None
        self.awaits = ""
        self.buy_volume_ratio = math.nan
        """Share of the last decision bar's volume that buyers took; NaN where nobody tells."""
        self.delta = VolumeDelta()
        self._bought = self._sold = 0.0
        self._whole = self._sides = False

    @property
    def instrument(self) -> Instrument:
        """Filters and fees as the feed has them now: a venue's replace the packaged ones."""
        return self._instruments[self.symbol]

    def take_price(self, price: float, time_ns: int) -> None:
        """The last traded price, and the decision bar that forms from it."""
        self.last = price
        self.last_event_ns = time_ns
        forming = self.forming
        start = time_ns - time_ns % self.span_ns
        if forming is None or forming.open_ns != start:
            self.forming = Bar(
                symbol=self.symbol, open_ns=start, span_ns=self.span_ns, open=price, high=price,
                low=price, close=price, volume=0.0, final=False,
            )  # fmt: skip
        elif price != forming.close:
            self.forming = Bar(
                symbol=self.symbol, open_ns=start, span_ns=self.span_ns, open=forming.open,
                high=max(forming.high, price), low=min(forming.low, price), close=price,
                volume=forming.volume, final=False,
            )  # fmt: skip

    def take_trade(self, tick: Tick) -> None:
        """Who took: a feed on which nobody ever sold to a resting buyer tells no sides."""
        self.delta.add(tick)
        if tick.buyer_maker:
            self._sold += tick.size
            self._sides = True
        else:
            self._bought += tick.size

    def _sides_of_the_bar(self) -> None:
        traded = self._bought + self._sold
        known = self._whole and self._sides and traded > 0.0
        self.buy_volume_ratio = self._bought / traded if known else math.nan
        self._bought = self._sold = 0.0
        self._whole = True

    def take_bar(self, bar: Bar) -> Bar | None:
        """A final base bar; returns the decision bar that it closed, if any."""
        self.base_bar = bar
        self.base_span_ns = bar.span_ns
        self.last = bar.close
        self.last_event_ns = max(self.last_event_ns, bar.open_ns + bar.span_ns)
        decision = self.resampler.add(bar)
        if decision is not None:
            self._close(decision)
            self._sides_of_the_bar()
            self.pending = decision
        return decision

    def warm(self, bars: tuple[Bar, ...]) -> None:
        """Bars from before the feed began: indicators learn them, nobody decides on them."""
        closed = [bar for bar in map(self.resampler.add, bars) if bar is not None]
        for bar in closed[:-REMEMBERED]:
            self._closed(bar)
        for bar in closed[-REMEMBERED:]:
            self._close(bar)
        if bars:
            self.base_bar = bars[-1]
            self.base_span_ns = bars[-1].span_ns
            self.last = bars[-1].close
            self.guard = TickGuard(self._params, self.symbol, self.instrument, seed=self.last)

    def _close(self, bar: Bar) -> None:
        self.last_bar = bar
        self._closed(bar)
        self.previous = self.row
        self.row = self.indicators.update(
            bar.open, bar.high, bar.low, bar.close, bar.volume, bar.open_ns
        )
        self.regime = self.detector.update(self.indicators)

    def refresh_parameters(self) -> None:
        """Rebuild what was made from parameters when one of them moved."""
        if self._params_version == self._params.version:
            return
        self._params_version = self._params.version
        spec = IndicatorSpec.from_parameters(self._params, self.symbol, span_ns=self.span_ns)
        rebuilt = self.indicators.rebuilt(spec)
        if rebuilt is not self.indicators:
            self.indicators = rebuilt
            if rebuilt.bars_seen:
                self.row = rebuilt.row()
                self.previous = rebuilt.row(1) if rebuilt.bars_seen > 1 else None
        self.detector.spec = RegimeSpec.from_parameters(self._params, self.symbol)

    def feature(self, name: str) -> float:
        """One value of the last decision bar, NaN before there is one."""
        return self.indicators.value(name) if self.row is not None else math.nan

    @property
    def daily_vol_pct(self) -> float:
        return self.feature("daily_volatility_pct")

    @property
    def label(self) -> str:
        return str(self.regime.label) if self.regime is not None else ""

    @property
    def vol_level(self) -> str:
        return str(self.regime.vol_level) if self.regime is not None else ""

    @property
    def ready(self) -> bool:
        return self.row is not None and self.indicators.ready and self.regime is not None

    def best_quote(self, now_ns: int) -> Quote:
        """The venue's top of book, or one modelled from the last price where it has none."""
        quote = self.quote
        if quote is not None and (not self.base_bar or quote.time_ns >= self.base_bar.open_ns):
            return quote
        return self._costs.modelled_quote(self.instrument, self.last, self.daily_vol_pct, now_ns)

    def fresh_book(self, now_ns: int) -> Book | None:
        book = self.book
        return book if book is not None and now_ns - book.time_ns <= BOOK_KEEPS_NS else None

    def exit_price(self, direction: Direction) -> float:
        """What a position of this direction could be closed at: the bid, the ask, or the last."""
        quote = self.quote
        if quote is None or quote.time_ns + self.base_span_ns < self.last_event_ns:
            return self.last
        return quote.bid if direction is Direction.LONG else quote.ask

    def indicators_json(self) -> str:
        """The known values of the last feature row, for the trade's own record."""
        if self.row is None:
            return "{}"
        named = zip(self.indicators.spec.features, self.row.tolist(), strict=True)
        known = {name: round(value, 8) for name, value in named if math.isfinite(value)}
        return msgspec.json.encode(known).decode()

    def volume_per_minute(self) -> float:
        """Base volume a minute over the last base bar; 0 where unknown."""
        bar = self.base_bar
        return bar.volume / (bar.span_ns / 60_000_000_000) if bar is not None else 0.0
