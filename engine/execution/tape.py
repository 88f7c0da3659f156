"""What the market last said of each symbol, as far as the costs of trading need it.

Last price, quote, book, and two running averages: the volatility per day and the volume
per minute. They are learned from bars where there are bars, and from ticks otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from engine.core.clock import MINUTE
from engine.core.parameters import Parameters, declare
from engine.core.types import Bar, Book, History, MarketEvent, Quote, Tick

MINUTES_PER_DAY = 1440

WARM_MINUTES = 30.0
"""Minutes of market below which an average says too little, and the prior is used."""

HALF_LIFE = declare(
    "cost.half_life_min",
    240.0,
    low=15.0,
    high=10_080.0,
    step=15.0,
    unit="min",
    scopes="GY",
    risk=0,
    doc="Half-life of the averages of volatility and volume that costs are modelled from.",
)


@dataclass(slots=True)
class SymbolTape:
    """One symbol. `price` is the last traded or closed one; NaN before the first."""

    price: float = math.nan
    price_ns: int = 0
    quote: Quote | None = None
    book: Book | None = None
    tick: Tick | None = None
    live_ns: int = -1
    minutes: float = 0.0
    _variance: float = 0.0
    _volume: float = 0.0
    _weight: float = 0.0
    _close: float = math.nan
    _close_ns: int = 0
    _minute: int = -1
    _minute_volume: float = 0.0
    _bars: bool = False

    @property
    def daily_vol_pct(self) -> float:
        """Volatility of a day in percent points; NaN until half an hour was seen."""
        if self.minutes < WARM_MINUTES:
            return math.nan
        return math.sqrt(self._variance * MINUTES_PER_DAY) * 100

    @property
    def volume_per_minute(self) -> float:
        """Average volume of a minute in base units; NaN until half an hour was seen."""
        return self._volume if self.minutes >= WARM_MINUTES else math.nan

    def learn(
        self, close: float, close_ns: int, volume: float, minutes: float, life: float
    ) -> None:
        """Take one closed bar (or minute of ticks) into the averages.

        The weights are those of an exponential average, normalised, so that the first bars
        count in full. A return over a gap counts for the minutes that it spans: a hole in
        the data does not look like a crash.
        """
        if self._close > 0 and close > 0 and close_ns > self._close_ns:
            keep = 0.5 ** (minutes / life)
            self._weight = 1 - keep + keep * self._weight
            share = (1 - keep) / self._weight
            spanned = max((close_ns - self._close_ns) / MINUTE, minutes)
            self._variance += share * (
                math.log(close / self._close) ** 2 / spanned - self._variance
            )
            self._volume += share * (volume / minutes - self._volume)
            self.minutes += minutes
        self._close, self._close_ns = close, close_ns

    def learn_all(self, bars: Sequence[Bar], life: float) -> None:
        """As `learn` for each of these bars in turn, to the last bit."""
        close, close_ns, seen = self._close, self._close_ns, self.minutes
        weight, variance, volume = self._weight, self._variance, self._volume
        span_ns, minutes, keep = 0, 0.0, 0.0
        log = math.log
        for bar in bars:
            if bar.span_ns != span_ns:
                span_ns = bar.span_ns
                minutes = span_ns / MINUTE
                keep = 0.5 ** (minutes / life)
            price, at_ns = bar.close, bar.open_ns + span_ns
            if close > 0 and price > 0 and at_ns > close_ns:
                weight = 1 - keep + keep * weight
                share = (1 - keep) / weight
                spanned = (at_ns - close_ns) / MINUTE
                if spanned < minutes:
                    spanned = minutes
                variance += share * (log(price / close) ** 2 / spanned - variance)
                volume += share * (bar.volume / minutes - volume)
                seen += minutes
            close, close_ns = price, at_ns
        self._close, self._close_ns, self.minutes = close, close_ns, seen
        self._weight, self._variance, self._volume = weight, variance, volume


class Tape:
    """The tapes of all symbols, fed with every market event."""

    def __init__(self, parameters: Parameters) -> None:
        self._parameters = parameters
        self._symbols: dict[str, SymbolTape] = {}
        self._lives: dict[str, float] = {}
        self._version = parameters.version

    def of(self, symbol: str) -> SymbolTape:
        tape = self._symbols.get(symbol)
        if tape is None:
            tape = self._symbols[symbol] = SymbolTape()
        return tape

    def observe(self, event: MarketEvent) -> None:
        """Take an event; kinds that say nothing of prices are ignored."""
        if isinstance(event, Bar):
            self._on_bar(event)
        elif isinstance(event, Tick):
            self._on_tick(event)
        elif isinstance(event, Quote):
            tape = self.of(event.symbol)
            tape.quote = event
            tape.live_ns = event.time_ns
        elif isinstance(event, Book):
            tape = self.of(event.symbol)
            tape.book = event
            tape.live_ns = event.time_ns
        elif isinstance(event, History):
            self._on_history(event)

    def _on_tick(self, tick: Tick) -> None:
        tape = self.of(tick.symbol)
        minute = tick.time_ns // MINUTE
        if minute != tape._minute:
            if tape._minute >= 0 and not tape._bars:
                life = self._life(tick.symbol)
                end = (tape._minute + 1) * MINUTE
                tape.learn(tape.price, end, tape._minute_volume, 1.0, life)
            tape._minute, tape._minute_volume = minute, 0.0
        tape._minute_volume += tick.size
        tape.price, tape.price_ns, tape.tick = tick.price, tick.time_ns, tick
        tape.live_ns = tick.time_ns

    def _on_bar(self, bar: Bar) -> None:
        if bar.final:
            # From now on minutes come as bars; those of ticks would count them twice.
            self._learn_from(bar)._bars = True

    def _on_history(self, history: History) -> None:
        """Bar by bar as `_learn_from` would, on a hundred thousand of them in a start."""
        if not history.bars:
            return
        tape = self.of(history.symbol)
        tape.learn_all(history.bars, self._life(history.symbol))
        last = history.bars[-1]
        if last.close_ns >= tape.price_ns:
            tape.price, tape.price_ns = last.close, last.close_ns

    def _learn_from(self, bar: Bar) -> SymbolTape:
        symbol, span_ns = bar.symbol, bar.span_ns
        tape = self._symbols.get(symbol) or self.of(symbol)
        close, close_ns = bar.close, bar.open_ns + span_ns
        tape.learn(close, close_ns, bar.volume, span_ns / MINUTE, self._life(symbol))
        if close_ns >= tape.price_ns:
            tape.price, tape.price_ns = close, close_ns
        return tape

    def _life(self, symbol: str) -> float:
        """The half-life in force; a bar may not cost a look through the scopes."""
        if self._version != self._parameters.version:
            self._version = self._parameters.version
            self._lives.clear()
        life = self._lives.get(symbol)
        if life is None:
            life = self._lives[symbol] = float(self._parameters.get(HALF_LIFE, symbol=symbol))
        return life
