"""The simulated market: a seeded feed with ticks, quotes, depth and bars that agree.

It stands in where there is no network and serves as a market without an edge: what makes
money here was luck. Every event is drawn from the seed, so the same seed plays the same
market and a run can be taken up again at any event.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from engine.core.clock import MINUTE, monotonic_ns
from engine.core.errors import CommandRefused, FeedError
from engine.core.types import (
    Bar,
    Book,
    FeedKind,
    FeedStatus,
    History,
    Instrument,
    Link,
    MarketEvent,
    Quote,
    SimMark,
    Tick,
)
from engine.market import simshock
from engine.market.bars import accumulate, closed_bar
from engine.market.pacing import Pacer, checked_speed
from engine.market.simmodel import SLOTS, Asset, Minutes, PriceModel, asset
from engine.market.simpast import PastBars
from engine.market.simtape import SLOT_NS, Rounding, Timing
from engine.market.symbols import common_quote

if TYPE_CHECKING:
    from engine.market.simmodel import Floats

# A median tick's worth in units of quote, and the ordinary half spread in parts of the price.
_TICK_WORTH = 25_000.0
_HALF_SPREAD = 0.00006


class SimFeed:
    """A simulated market of correlated symbols, played at `speed` times real time.

    It begins with one `History` per symbol (`warmup_bars` decision bars of 15 minutes, as
    1m bars) and goes on from the minute of `clock_start_ns`. `edge` plants momentum
    (positive) or reversion (negative) of that many standard deviations into each decision
    bar; it may be changed while the feed runs. `shocks` are (position, kind, symbol): what
    was asked for in an earlier run, so that `resume_at` finds the same market.
    Raises `FeedError` for symbols or settings that make no market.
    """

    kind = FeedKind.SIM
    venue = "simulated"
    manual_time = True

    def __init__(
        self,
        symbols: Sequence[str],
        seed: int,
        clock_start_ns: int,
        speed: float = 60.0,
        edge: float = 0.0,
        warmup_bars: int = 600,
        resume_at: int = 0,
        shocks: Sequence[tuple[int, str, str]] = (),
        monotonic: Callable[[], int] = monotonic_ns,
    ) -> None:
        self.symbols = tuple(symbols)
        self.quote = common_quote(self.symbols)
        self._seed = seed
        self._begin_ns = clock_start_ns - clock_start_ns % MINUTE
        self._pacer = Pacer(checked_speed(speed), monotonic)
        self._edge = _checked_edge(edge)
        self._warmup_minutes = warmup_bars * 15
        if warmup_bars < 0 or resume_at < 0:
            raise FeedError(
                "warm-up bars and the position to resume at can't be negative",
                "leave them out for the defaults",
            )
        self._resume_at = resume_at
        self._script = deque(sorted(shocks))
        self.shocks: list[tuple[int, str, str]] = []
        self._instruments: dict[str, Instrument] = {}
        self._past: dict[str, PastBars] = {}
        self._position = 0
        self._model: PriceModel | None = None
        self._events: Iterator[tuple[int, MarketEvent]] = iter(())
        self._next: tuple[int, MarketEvent] | None = None
        self._active: dict[int, list[simshock.Shock]] = {}
        self._marks: deque[SimMark] = deque()
        self._last_ns = self._begin_ns
        self._stopped = False

    @property
    def instruments(self) -> Mapping[str, Instrument]:
        return self._instruments

    @property
    def edge(self) -> float:
        """The planted edge; set it to 0 to take it out of the market that is yet to come."""
        return self._edge

    @edge.setter
    def edge(self, value: float) -> None:
        self._edge = _checked_edge(value)
        if self._model is not None:
            self._model.edge = self._edge

    def start(self, wake: Callable[[], None]) -> None:
        """Draw the warm-up and, when resuming, play silently up to the position asked for."""
        from engine.market.instruments import packaged

        bases = [symbol.split("/")[0] for symbol in self.symbols]
        self._assets = list(dict.fromkeys(bases))
        self._column = [self._assets.index(base) for base in bases]
        drawn = {base: asset(base, self._seed) for base in self._assets}
        for symbol, base in zip(self.symbols, bases, strict=True):
            self._instruments[symbol] = packaged(symbol, venue="binance", price=drawn[base].price)
        self._round = [Rounding(self._instruments[symbol]) for symbol in self.symbols]
        self._events = self._play([drawn[base] for base in self._assets])
        self._next = next(self._events)
        while self._position < self._resume_at:
            self._take()
        self._pacer.begin(self._next[0])
        wake()

    def poll(self, limit: int) -> Sequence[MarketEvent]:
        out: list[MarketEvent] = []
        due = self._pacer.due_ns()
        while self._next is not None and len(out) < limit and self._next[0] <= due:
            out.append(self._take())
            if type(out[-1]) is History:
                break  # one at a time: together they are the most that a start ever holds
        return out

    def wait_s(self) -> float:
        return math.inf if self._next is None else self._pacer.wait_s(self._next[0])

    @property
    def ended(self) -> bool:
        return self._stopped

    @property
    def position(self) -> int:
        return self._position

    @property
    def progress(self) -> float:
        return math.nan

    @property
    def speed(self) -> float:
        return self._pacer.speed

    def set_speed(self, speed: float) -> None:
        if self._pacer.speed == 0:
            self._pacer.skip_to(self._last_ns)
        self._pacer.set_speed(speed)

    def shock(self, kind: str, symbol: str) -> None:
        """Begin `news_up`, `news_down` or `flash_crash` at the next tick of the symbol.

        Symbols of the same base asset move together. Raises `CommandRefused` when there is no
        such shock or symbol, or the feed does not run.
        """
        if symbol not in self.symbols:
            raise CommandRefused(
                "unknown_symbol",
                f"{symbol!r} is not in this market",
                f"it has {', '.join(self.symbols)}",
            )
        if self._next is None or self._model is None:
            raise CommandRefused("not_running", "the simulated market does not run")
        number = len(self.shocks)
        shock = simshock.draw(kind, symbol, self._next[0], self._seed, number)
        self.shocks.append((self._position, kind, symbol))
        column = self._column[self.symbols.index(symbol)]
        self._active.setdefault(column, []).append(shock)
        self._model.excite(column, shock.excitement)
        self._marks.append(
            SimMark(time_ns=self._next[0], symbol=symbol, kind=kind, detail=shock.detail)
        )

    def history(self, symbol: str, count: int) -> History:
        """The last `count` closed 1m bars before the current position (at most the warm-up's).

        For a kernel that resumes and needs its indicators warm without playing the past.
        """
        past = self._past.get(symbol)
        return History(symbol=symbol, bars=past.last(count) if past is not None else ())

    def stop(self) -> None:
        self._events = iter(())
        self._next = None
        self._stopped = True

    def _take(self) -> MarketEvent:
        """Deliver the next event and draw the one after it; scripted shocks come in between."""
        assert self._next is not None  # callers look first
        while self._script and self._script[0][0] <= self._position:
            _, kind, symbol = self._script.popleft()
            self.shock(kind, symbol)
        self._last_ns, event = self._next
        self._position += 1
        if type(event) is Bar:
            self._past[event.symbol].add(event)
        self._next = (
            (self._last_ns, self._marks.popleft()) if self._marks else next(self._events, None)
        )
        return event

    def _play(self, assets: list[Asset]) -> Iterator[tuple[int, MarketEvent]]:
        """Every event of the market with its time, in order, without end."""
        warmup = self._warmup_minutes
        begin = self._begin_ns
        first_minute = begin // MINUTE - warmup
        self._model = PriceModel(assets, self._seed, first_minute, self._edge)
        self._warm_up(warmup)
        for symbol in self.symbols:
            if warmup:
                yield begin, self.history(symbol, warmup)
        reason = f"simulated market, seed {self._seed}" + (
            f", planted edge {self._edge:+g} sd" if self._edge else ""
        )
        yield (
            begin,
            FeedStatus(link=Link.UP, time_ns=begin, venue=self.venue, reason=reason),
        )
        timing = Timing(self._seed, len(self.symbols))
        minute_ns = begin
        while True:
            yield from self._minute(minute_ns, next(self._model.advance(1)), timing)
            minute_ns += MINUTE

    def _minute(
        self, minute_ns: int, drawn: Minutes, timing: Timing
    ) -> Iterator[tuple[int, MarketEvent]]:
        """One minute: a tick and a quote per slot and symbol, then every symbol's bar."""
        stagger = timing.stagger_ns
        offsets, depth = timing.minute()
        prices = drawn.prices[0].tolist()
        sizes = drawn.sizes[0].tolist()
        buys = drawn.buys[0].tolist()
        stress = drawn.stress[0].tolist()
        building: list[list[float]] = [[] for _ in self.symbols]
        for slot in range(SLOTS):
            base_ns = minute_ns + slot * SLOT_NS + offsets[slot]
            for i, symbol in enumerate(self.symbols):
                column = self._column[i]
                time_ns = base_ns + i * stagger
                raw = prices[slot][column]
                strain = stress[column]
                if column in self._active:
                    raw, strain = self._shocked(column, raw, strain, time_ns)
                rounding = self._round[i]
                price = rounding.price(raw)
                size = rounding.size(sizes[slot][column] * _TICK_WORTH / raw)
                accumulate(building[i], price, size)
                yield (
                    time_ns,
                    Tick(
                        symbol=symbol,
                        time_ns=time_ns,
                        price=price,
                        size=size,
                        buyer_maker=not buys[slot][column],
                    ),
                )
                half = max(rounding.tick, raw * _HALF_SPREAD * strain)
                bid, ask = rounding.below(price - half), rounding.above(price + half)
                bid_size, ask_size = (
                    rounding.size(2 * _TICK_WORTH * share / raw) for share in depth[slot][i]
                )
                yield (
                    time_ns,
                    Quote(
                        symbol=symbol,
                        time_ns=time_ns,
                        bid=bid,
                        ask=ask,
                        bid_size=bid_size,
                        ask_size=ask_size,
                    ),
                )
                # Depth that is passed over on the way to where a run is taken up counts as an
                # event like any other, but nobody will look at its levels.
                seen = self._position >= self._resume_at
                yield (
                    time_ns,
                    Book(
                        symbol=symbol,
                        time_ns=time_ns,
                        bids=rounding.ladder(bid, -half, bid_size) if seen else (),
                        asks=rounding.ladder(ask, half, ask_size) if seen else (),
                    ),
                )
        for symbol, bar in zip(self.symbols, building, strict=True):
            yield minute_ns + MINUTE, closed_bar(symbol, minute_ns, MINUTE, bar)

    def _shocked(self, column: int, raw: float, strain: float, time_ns: int) -> tuple[float, float]:
        """Price and spread factor under the shocks of one asset; what is over becomes level."""
        shift = 0.0
        for shock in self._active[column]:
            if time_ns >= shock.end_ns:
                shift += shock.lasting
                continue
            shift += shock.shift(time_ns)
            strain *= shock.strain(time_ns)
        return raw * math.exp(shift), strain

    def _warm_up(self, minutes: int) -> None:
        """The minutes before the first: bars of every symbol, of ticks that nobody saw."""
        assert self._model is not None  # made just before
        self._past = {symbol: PastBars(symbol, max(minutes, 1)) for symbol in self.symbols}
        open_ns = self._begin_ns - minutes * MINUTE
        for part in self._model.advance(minutes) if minutes else ():
            for i, symbol in enumerate(self.symbols):
                self._past[symbol].take(open_ns, *self._bars_of(i, part))
            open_ns += len(part.stress) * MINUTE

    def _bars_of(self, index: int, part: Minutes) -> tuple[Floats, ...]:
        """Open, high, low, close and volume of each minute for one symbol."""
        column = self._column[index]
        raw = part.prices[:, :, column]
        prices = self._round[index].prices(raw)
        volume = (part.sizes[:, :, column] * _TICK_WORTH / raw).sum(axis=1)
        return prices[:, 0], prices.max(axis=1), prices.min(axis=1), prices[:, -1], volume


def _checked_edge(edge: float) -> float:
    if not -1 <= edge <= 1:
        raise FeedError(f"an edge of {edge} sd is no market", "give one between -1 and 1")
    return edge
