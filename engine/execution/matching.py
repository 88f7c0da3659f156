"""What an order finds in the market: levels to take, and how they are known.

The best source that is fresh comes first: a real book, a quote with depth modelled behind
it, a last tick with both modelled around it. What was taken from one source is remembered,
so that two orders at one moment don't fill from the same depth.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from engine.core.clock import MILLISECOND
from engine.core.parameters import Parameters, declare
from engine.core.types import ZERO, Book, Instrument, Order, Quote, Side
from engine.execution.tape import Tape
from engine.market.costs import BPS, CostModel
from engine.market.instruments import round_price, round_qty

BOOK_AGE = declare(
    "paper.book_max_age_ms",
    1_000.0,
    low=50.0,
    high=10_000.0,
    step=50.0,
    unit="ms",
    scopes="GY",
    risk=1,
    doc="Oldest book that a fill may walk.",
    learnable=False,
)
QUOTE_AGE = declare(
    "paper.quote_max_age_ms",
    2_000.0,
    low=50.0,
    high=30_000.0,
    step=50.0,
    unit="ms",
    scopes="GY",
    risk=1,
    doc="Oldest quote or tick that a fill may start from.",
    learnable=False,
)


@dataclass(frozen=True, slots=True)
class Found:
    """The market that an order meets.

    `source` names what it was built from and goes into a fill's assumptions; `origin` is
    the very event, by whose identity taken depth is remembered. `best` is the first price
    that an order of that side meets.
    """

    book: Book
    source: str
    origin: object
    best: float
    spread_bps: float
    daily_vol_pct: float = float("nan")
    volume_per_minute: float = float("nan")
    mid: float = float("nan")
    """The middle of the market that was met; NaN where the order waited and met none."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What an order got: lots, average price rounded against it, levels it went through."""

    quantity: Decimal
    price: Decimal
    levels: int


NOTHING = Taken(ZERO, ZERO, 0)


class Matcher:
    """Finds markets for orders and walks them. Knows no order's state."""

    def __init__(
        self,
        parameters: Parameters,
        costs: CostModel,
        tape: Tape,
        instruments: Mapping[str, Instrument],
    ) -> None:
        self._parameters = parameters
        self._costs = costs
        self._tape = tape
        self._instruments = instruments
        self._used: dict[tuple[str, Side], tuple[object, Decimal]] = {}

    def market(self, symbol: str, side: Side, now: int) -> Found | None:
        """The best source of prices that is fresh at `now`; None when nothing is."""
        tape = self._tape.of(symbol)
        book = tape.book
        oldest = now - self._parameters.get(BOOK_AGE, symbol=symbol) * MILLISECOND
        if book is not None and book.asks and book.bids and book.time_ns >= oldest:
            bid, ask = book.bids[0][0], book.asks[0][0]
            best = ask if side is Side.BUY else bid
            spread = (ask - bid) / (ask + bid) * 2 * BPS
            return Found(book, "book", book, best, spread, mid=(ask + bid) / 2)
        oldest = now - self._parameters.get(QUOTE_AGE, symbol=symbol) * MILLISECOND
        if tape.quote is not None and tape.quote.time_ns >= oldest:
            return self.behind(tape.quote, side, "quote", tape.quote)
        if tape.tick is not None and tape.tick.time_ns >= oldest:
            return self.around(symbol, side, tape.tick.price, now, "tick", tape.tick)
        return None

    def around(
        self, symbol: str, side: Side, price: float, now: int, source: str, origin: object
    ) -> Found:
        """A market modelled around a price: quote, and depth behind it."""
        vol = self._tape.of(symbol).daily_vol_pct
        quote = self._costs.modelled_quote(self._instruments[symbol], price, vol, now)
        return self.behind(quote, side, source, origin)

    def behind(
        self,
        quote: Quote,
        side: Side,
        source: str,
        origin: object,
        daily_vol_pct: float | None = None,
        volume_per_minute: float | None = None,
    ) -> Found:
        """A market modelled behind a quote, by measured volatility and volume unless given."""
        tape = self._tape.of(quote.symbol)
        vol = tape.daily_vol_pct if daily_vol_pct is None else daily_vol_pct
        volume = tape.volume_per_minute if volume_per_minute is None else volume_per_minute
        book = self._costs.modelled_book(self._instruments[quote.symbol], quote, vol, volume)
        best = quote.ask if side is Side.BUY else quote.bid
        spread = quote.spread_bps
        return Found(book, source, origin, best, spread, vol, volume, quote.mid)

    def walk(self, order: Order, found: Found, limit: Decimal | None) -> Taken:
        """Take what is left of the order, up to its limit, from what nobody took before."""
        buy = order.side is Side.BUY
        used = self._used.get((order.symbol, order.side))
        before = used[1] if used is not None and used[0] is found.origin else ZERO
        left, skip = order.quantity - order.filled, before
        taken, paid, levels = ZERO, ZERO, 0
        for price, size in found.book.asks if buy else found.book.bids:
            at = Decimal(repr(price))
            if left <= 0 or (limit is not None and (at > limit if buy else at < limit)):
                break
            there = self.lots(order.symbol, Decimal(repr(size)))
            gone = min(skip, there)
            skip -= gone
            got = min(left, there - gone)
            if got <= 0:
                continue
            left -= got
            taken += got
            paid += got * at
            levels += 1
        if not taken:
            return NOTHING
        self._used[order.symbol, order.side] = (found.origin, before + taken)
        average = round_price(self._instruments[order.symbol], paid / taken, up=buy)
        return Taken(taken, average, levels)

    def all_of(self, order: Order, found: Found) -> Taken:
        """As `walk`, but all of the order: beyond the depth the square-root law sets a price.

        For orders that no later event can complete. The law's average for the whole order
        is used, and never a better one than the deepest level's.
        """
        left = order.quantity - order.filled
        walked = self.walk(order, found, None)
        if walked.quantity == left:
            return walked
        instrument = self._instruments[order.symbol]
        buy = order.side is Side.BUY
        costs, symbol = self._costs, order.symbol
        per_minute = costs.minute_volume(symbol, found.volume_per_minute * found.best)
        worth = float(left * instrument.contract_size) * found.best
        vol = costs.volatility(symbol, found.daily_vol_pct)
        share = costs.impact_bps(symbol, worth, vol, per_minute) / BPS
        law = found.best * (1 + share if buy else max(1 - share, 0.0))
        side = found.book.asks if buy else found.book.bids
        far = (max if buy else min)(law, side[-1][0] if side else found.best)
        price = round_price(instrument, Decimal(repr(far)), up=buy)
        return Taken(left, max(price, instrument.price_tick), len(side))

    def lots(self, symbol: str, base: Decimal) -> Decimal:
        """Base units as whole lots of the instrument; the most it allows for an infinity."""
        instrument = self._instruments[symbol]
        if not base.is_finite():
            return instrument.max_qty
        return round_qty(instrument, base / instrument.contract_size)
