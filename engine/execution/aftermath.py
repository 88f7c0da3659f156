"""What the tape does after a fill: the price later, and what the same order would pay again.

Paper's assumptions can be held against the market only while the market goes on, so every
fill is watched for five minutes on the events that follow it. What a feed is too coarse to
tell is said to be unknown and never guessed. docs/honesty.md defines each term.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from engine.core.clock import MINUTE, SECOND
from engine.core.honesty import Aftermath, Later
from engine.core.types import Bar, Book, Fill, Instrument, MarketEvent, Quote, Side, Tick
from engine.execution.tape import SymbolTape, Tape
from engine.market.costs import BPS, CostModel, walk_book
from engine.portfolio.bridge import assumed, met

HORIZONS: tuple[tuple[str, int], ...] = (
    ("1s", SECOND), ("5s", 5 * SECOND), ("1m", MINUTE), ("5m", 5 * MINUTE),
)  # fmt: skip
LONGEST_NS = HORIZONS[-1][1]

THERE_NS = SECOND
"""For this long after a fill its price counts as still there."""

FINER_NS = 5 * SECOND
"""A fill from quotes or depth is held against the next of these, and after this long also
against a trade."""

GRACE_NS = 2 * MINUTE
"""How long past its last horizon a fill is waited with on a feed that brings nothing."""

OLD_NS = 5 * SECOND
"""A price older than this tells its age."""

LIVE_SOURCES = ("book", "quote", "tick")
NEVER, UNKNOWN = -1, -2
THROUGH = ("through", "bar_through")
STOPPED = "the engine was not running"


@dataclass(slots=True)
class _Watch:
    """One fill that is watched. `sign` is +1 for a buy."""

    fill: Fill
    sign: int
    price: float
    source: str
    mid: float
    limit: float
    later: list[Later] = field(default_factory=list)
    again: float = math.nan
    again_how: str = ""
    available: bool | None = None
    available_how: str = ""
    through_ns: int = UNKNOWN

    @property
    def time_ns(self) -> int:
        return self.fill.time_ns

    def result(self, ended: bool) -> Aftermath:
        return Aftermath(
            fill=self.fill.id,
            symbol=self.fill.symbol,
            side=self.fill.side,
            time_ns=self.fill.time_ns,
            mid=self.mid,
            later=tuple(self.later),
            again=self.again,
            again_how=self.again_how,
            available=self.available,
            available_how=self.available_how,
            limit=self.limit,
            through_ns=self.through_ns,
            ended=ended,
        )


class Aftermaths:
    """Watches fills on the market events that follow. Owned by the kernel thread.

    `take` is given each event before the broker's tape has seen it, so that the tape still
    holds what was known before.
    """

    def __init__(self, costs: CostModel, tape: Tape, instruments: Mapping[str, Instrument]) -> None:
        self._costs = costs
        self._tape = tape
        self._instruments = instruments
        self._open: dict[str, list[_Watch]] = {}
        self._bars: dict[str, Bar] = {}

    def add(self, fill: Fill) -> None:
        """Begin to watch a fill."""
        told = assumed(fill)
        sign = 1 if fill.side is Side.BUY else -1
        price = float(fill.price)
        mid, best = map(float, met(fill))
        source = str(told.get("source", ""))
        resting = source == "resting"
        limit = price if resting else _told(2 * mid - best)
        watch = _Watch(fill, sign, price, source, mid, limit)
        if resting:
            watch.available_how = "the order waited at this price"
            if told.get("rule") in THROUGH:
                watch.through_ns = 0
                watch.again, watch.again_how = price, "traded through"
        elif source == "liquidation":
            watch.limit = math.nan
            watch.again_how = watch.available_how = "the venue took the position over"
        self._open.setdefault(fill.symbol, []).append(watch)
        bar = self._bars.get(fill.symbol)
        if bar is not None and bar.open_ns <= fill.time_ns < bar.close_ns:
            self._own_bar(watch, bar)

    def resume(self, fill: Fill, so_far: Aftermath | None, now_ns: int) -> Aftermath | None:
        """Go on with a fill of before a restart; the result, where its time has run out.

        What fell into the time in which the engine did not run is not known.
        """
        self.add(fill)
        watch = self._open[fill.symbol][-1]
        if so_far is not None:
            watch.later = list(so_far.later)
            watch.again, watch.again_how = so_far.again, so_far.again_how
            watch.available, watch.available_how = so_far.available, so_far.available_how
            watch.through_ns = so_far.through_ns
        for name, after in HORIZONS[len(watch.later) :]:
            if fill.time_ns + after >= now_ns:
                break
            watch.later.append(Later(after=name, price=math.nan, how=STOPPED))
        if now_ns > fill.time_ns:
            watch.again_how = watch.again_how or STOPPED
            watch.available_how = watch.available_how or STOPPED
        if len(watch.later) < len(HORIZONS):
            return None
        self._open[fill.symbol].remove(watch)
        return watch.result(ended=True)

    def take(self, event: MarketEvent) -> list[Aftermath]:
        """One event; returns what came of the fills whose last horizon it passed."""
        if isinstance(event, Bar):
            self._bars[event.symbol] = event
        elif not isinstance(event, (Tick, Quote, Book)):
            return []
        watched = self._open.get(event.symbol)
        if not watched:
            return []
        for watch in watched:
            if isinstance(event, Bar):
                self._on_bar(watch, event)
            else:
                self._on_event(watch, event)
        return self._ended(watched)

    def on_time(self, now_ns: int) -> list[Aftermath]:
        """End what a silent feed would leave open for ever."""
        ended: list[Aftermath] = []
        for watched in self._open.values():
            if not watched:
                continue
            for watch in watched:
                if now_ns > watch.time_ns + LONGEST_NS + GRACE_NS:
                    self._settle(watch, now_ns, None)
            ended += self._ended(watched)
        return ended

    def standing(self) -> list[Aftermath]:
        """Every watch as far as it came, for a journal that is being closed."""
        return [watch.result(ended=False) for one in self._open.values() for watch in one]

    # -- events ------------------------------------------------------------------------

    def _on_event(self, watch: _Watch, event: Tick | Quote | Book) -> None:
        now = event.time_ns
        self._settle(watch, now, None)
        if now > watch.time_ns + LONGEST_NS:
            return
        offered = _offered(event, watch.sign)
        if watch.available is not True and not watch.available_how:
            self._look_available(watch, offered, now, type(event).__name__.lower())
        if not watch.again_how:
            self._look_again(watch, event, now)
        if watch.through_ns < 0 and offered * watch.sign < watch.limit * watch.sign:
            self._went_through(watch, now)

    def _on_bar(self, watch: _Watch, bar: Bar) -> None:
        if bar.close_ns <= watch.time_ns:
            return
        if bar.open_ns <= watch.time_ns:
            self._own_bar(watch, bar)
            return
        self._settle(watch, bar.close_ns, bar)
        if not watch.again_how:
            self._model_again(watch, bar.open, bar.open_ns, "the next bar's open")
        if not watch.available_how:
            watch.available_how = "bars do not tell"
        beyond = bar.low < watch.limit if watch.sign > 0 else bar.high > watch.limit
        if watch.through_ns < 0 and beyond and bar.open_ns <= watch.time_ns + LONGEST_NS:
            self._went_through(watch, bar.close_ns)

    def _own_bar(self, watch: _Watch, bar: Bar) -> None:
        """The bar in which the fill was made: only its close is known to come after."""
        if watch.source in (*LIVE_SOURCES, "liquidation"):
            return
        if not watch.again_how:
            self._model_again(watch, bar.close, bar.close_ns, "the close of its bar")
        if not watch.available_how:
            good = (watch.price - bar.close) * watch.sign >= 0
            watch.available = True if good else None
            watch.available_how = "its bar closed there or better" if good else "bars do not tell"
        if watch.through_ns == UNKNOWN and watch.source == "bar_open":
            beyond = bar.low < watch.limit if watch.sign > 0 else bar.high > watch.limit
            if beyond:
                self._went_through(watch, bar.close_ns)

    def _went_through(self, watch: _Watch, now_ns: int) -> None:
        watch.through_ns = max(0, now_ns - watch.time_ns)
        if watch.source == "resting" and not watch.again_how:
            watch.again, watch.again_how = watch.price, "traded through"

    def _look_available(self, watch: _Watch, offered: float, now: int, kind: str) -> None:
        if (watch.price - offered) * watch.sign >= 0 and now <= watch.time_ns + THERE_NS:
            watch.available, watch.available_how = True, f"a {kind} within a second"
        elif now <= watch.time_ns + THERE_NS:
            watch.available = False
        elif watch.available is False:
            watch.available_how = "gone within a second"
        else:
            watch.available_how = "nothing came within a second"

    def _look_again(self, watch: _Watch, event: Tick | Quote | Book, now: int) -> None:
        if watch.source == "resting":
            return
        waited = now - watch.time_ns
        if isinstance(event, Book):
            if event.bids and event.asks:
                self._walk_again(watch, event, "book", now)
        elif isinstance(event, Quote):
            self._walk_again(watch, self._behind(watch, event), "quote", now)
        elif watch.source not in ("book", "quote") or waited > FINER_NS:
            self._model_again(watch, event.price, now, "tick")

    def _model_again(self, watch: _Watch, price: float, at_ns: int, how: str) -> None:
        if watch.source == "resting":
            return
        symbol = watch.fill.symbol
        vol = self._tape.of(symbol).daily_vol_pct
        quote = self._costs.modelled_quote(self._instruments[symbol], price, vol, at_ns)
        self._walk_again(watch, self._behind(watch, quote), how, at_ns)

    def _behind(self, watch: _Watch, quote: Quote) -> Book:
        symbol = watch.fill.symbol
        tape = self._tape.of(symbol)
        instrument = self._instruments[symbol]
        return self._costs.modelled_book(
            instrument, quote, tape.daily_vol_pct, tape.volume_per_minute
        )

    def _walk_again(self, watch: _Watch, book: Book, how: str, at_ns: int) -> None:
        """The same size through this book; what it lacks costs what the law says, or more."""
        fill = watch.fill
        instrument = self._instruments[fill.symbol]
        wanted = float(fill.quantity * instrument.contract_size)
        walked = walk_book(book, fill.side, wanted)
        side = book.asks if watch.sign > 0 else book.bids
        paid = walked.average * walked.quantity
        missing = wanted - walked.quantity
        if missing > 0:
            paid += missing * self._beyond(fill.symbol, side, wanted, watch.sign)
        watch.again = _told(paid / wanted)
        watch.again_how = how

    def _beyond(
        self, symbol: str, side: tuple[tuple[float, float], ...], wanted: float, sign: int
    ) -> float:
        tape, costs = self._tape.of(symbol), self._costs
        best, deepest = side[0][0], side[-1][0]
        volume = costs.minute_volume(symbol, tape.volume_per_minute * best)
        vol = costs.volatility(symbol, tape.daily_vol_pct)
        law = best * (1 + sign * costs.impact_bps(symbol, wanted * best, vol, volume) / BPS)
        return max(law * sign, deepest * sign) * sign

    # -- horizons ----------------------------------------------------------------------

    def _settle(self, watch: _Watch, now_ns: int, bar: Bar | None) -> None:
        """Fill in the horizons that lie before `now_ns`; `bar` is one that ends there."""
        for name, after in HORIZONS[len(watch.later) :]:
            due = watch.time_ns + after
            if due >= now_ns:
                return
            price, how = self._at(watch, due, bar)
            watch.later.append(Later(after=name, price=price, how=how))

    def _at(self, watch: _Watch, due: int, bar: Bar | None) -> tuple[float, str]:
        """The last price that was known at a moment, and what it was."""
        at_ns, price, how = _last(self._tape.of(watch.fill.symbol))
        if bar is not None and bar.open_ns <= due:
            at_ns, price, how = bar.open_ns, bar.open, "bar"
        if not math.isfinite(price) or not price > 0:
            return math.nan, "no price came"
        if how == "bar" and not watch.time_ns < at_ns <= due:
            return math.nan, "the bars are too long to tell"
        age = due - at_ns
        return price, how if age < OLD_NS else f"{how} {age // SECOND} s old"

    def _ended(self, watched: list[_Watch]) -> list[Aftermath]:
        done = [watch for watch in watched if len(watch.later) == len(HORIZONS)]
        for watch in done:
            watched.remove(watch)
            self._close(watch)
        return [watch.result(ended=True) for watch in done]

    def _close(self, watch: _Watch) -> None:
        """Say of what never came that it did not."""
        if watch.through_ns == UNKNOWN and math.isfinite(watch.limit):
            watch.through_ns = NEVER
        if watch.source == "resting" and not watch.again_how:
            self._instead(watch)
        if not watch.again_how:
            watch.again_how = "no market came within five minutes"
        if not watch.available_how:
            watch.available_how = "nothing came within a second"

    def _instead(self, watch: _Watch) -> None:
        """A waiting order that nobody traded through would have been bought into later."""
        last = watch.later[-1].price
        if not math.isfinite(last):
            watch.again_how = watch.later[-1].how
            return
        watch.source = ""
        self._model_again(watch, last, watch.time_ns + LONGEST_NS, "missed, bought 5 minutes later")


def _told(price: float) -> float:
    """A computed price without the noise of its last bits."""
    return float(f"{price:.12g}")


def _offered(event: Tick | Quote | Book, sign: int) -> float:
    """The price at which an order of that side would have met this event."""
    if isinstance(event, Tick):
        return event.price
    if isinstance(event, Quote):
        return event.ask if sign > 0 else event.bid
    side = event.asks if sign > 0 else event.bids
    return side[0][0] if side else math.inf * sign


def _last(tape: SymbolTape) -> tuple[int, float, str]:
    """When, what and from where the newest price is; a quote counts before a trade."""
    known: list[tuple[int, float, str]] = [(tape.price_ns, tape.price, "bar")]
    if tape.tick is not None and tape.tick.time_ns >= tape.price_ns:
        known.append((tape.tick.time_ns, tape.tick.price, "tick"))
    finer: list[tuple[int, float, str]] = []
    if tape.quote is not None:
        finer.append((tape.quote.time_ns, tape.quote.mid, "quote"))
    book = tape.book
    if book is not None and book.bids and book.asks:
        finer.append((book.time_ns, (book.bids[0][0] + book.asks[0][0]) / 2, "book"))
    newest = max(known, key=_time)
    best = max(finer, key=_time, default=None)
    return best if best is not None and best[0] >= newest[0] - 2 * SECOND else newest


def _time(known: tuple[int, float, str]) -> int:
    return known[0]
