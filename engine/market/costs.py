"""What trading costs: fees, spread and slippage, by one model for everybody.

Expected value, paper fills and backtests ask the same model, so that a trade that looks
worth its costs is filled at those costs.

Sources. Slippage without a book follows the square-root law of market impact: an order of
Q against a day's volume V moves the price by Y·σ·√(Q/V), σ being the daily volatility and
Y of order one (Tóth et al. 2011, "Anomalous price impact and the critical nature of
liquidity in financial markets", Phys. Rev. X 1, 021006; Bouchaud, Bonart, Donier and Gould
2018, "Trades, Quotes and Prices", chapter 12). A spread that nobody quoted is taken as a
share of the volatility of a minute, never below one tick: spreads grow in proportion to
the volatility per trade (Wyart, Bouchaud, Kockelkoren, Potters and Vettorazzo 2008,
"Relation between bid-ask spread, impact and volatility in order-driven markets",
Quantitative Finance 8). Both are models; a real quote or book always comes first.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from engine.core.parameters import Parameters, declare
from engine.core.types import Book, Instrument, Quote, Side

BPS = 10_000.0
MINUTES_PER_DAY = 1440

LEVELS = 20
"""Levels of a modelled book on each side: enough for a smooth walk, few enough to be cheap."""

IMPACT = declare(
    "cost.impact_coefficient",
    1.0,
    low=0.1,
    high=3.0,
    step=0.1,
    unit="ratio",
    scopes="GY",
    risk=-1,
    doc="Y of the square-root law: slippage in daily volatilities for a day's whole volume.",
)
SPREAD_SHARE = declare(
    "cost.spread_vol_share",
    0.10,
    low=0.0,
    high=1.0,
    step=0.05,
    unit="ratio",
    scopes="GY",
    risk=-1,
    doc="Modelled spread as a share of one minute's volatility, where no quote is known.",
)
DEPTH_MINUTES = declare(
    "cost.depth_minutes",
    1.0,
    low=0.1,
    high=30.0,
    step=0.1,
    unit="min",
    scopes="GY",
    risk=1,
    doc="Depth of a modelled book on one side, in minutes of average volume.",
)
PRIOR_VOL = declare(
    "cost.prior_daily_vol_pct",
    4.0,
    low=0.5,
    high=20.0,
    step=0.5,
    unit="%",
    scopes="GY",
    risk=-1,
    doc="Daily volatility assumed until enough bars were seen to measure it.",
)
PRIOR_VOLUME = declare(
    "cost.prior_minute_volume_quote",
    20_000.0,
    low=100.0,
    high=10_000_000.0,
    step=100.0,
    unit="quote",
    scopes="GY",
    risk=1,
    doc="Volume of a minute, in the quote currency, assumed until one was measured.",
)


@dataclass(frozen=True, slots=True)
class Costs:
    """Costs of a round trip in basis points of its notional; slippage and spread both ways."""

    fees_bps: float
    spread_bps: float
    slippage_bps: float

    @property
    def total_bps(self) -> float:
        return self.fees_bps + self.spread_bps + self.slippage_bps


@dataclass(frozen=True, slots=True)
class Walk:
    """What a market order finds: the quantity there was, its worst and average price."""

    quantity: float
    worst: float
    average: float
    levels: int


class CostModel:
    """The one cost model. Cheap to construct; reads its parameters at every call."""

    def __init__(self, parameters: Parameters) -> None:
        self._parameters = parameters

    def round_trip_bps(
        self,
        instrument: Instrument,
        notional: float,
        quote: Quote | None,
        book: Book | None,
        daily_vol_pct: float,
        bar_volume_quote: float,
        *,
        bar_minutes: float = 1.0,
        maker_entry: bool = False,
    ) -> Costs:
        """What entering and leaving with market orders of `notional` costs.

        `bar_volume_quote` is the average volume of a bar of `bar_minutes`, in the quote
        currency. A volatility or volume that is unknown (NaN or not positive) is replaced
        by its declared prior. With `maker_entry` the entry pays the maker's fee and
        neither half spread nor slippage.
        """
        vol = self.volatility(instrument.symbol, daily_vol_pct)
        per_minute = self.minute_volume(instrument.symbol, bar_volume_quote / bar_minutes)
        spread = quote.spread_bps if quote is not None else self.spread_bps(instrument, 0.0, vol)
        impact = self._round_trip_impact(instrument, notional, book, vol, per_minute)
        entry_fee = instrument.maker_fee if maker_entry else instrument.taker_fee
        sides = 0.5 if maker_entry else 1.0
        return Costs(
            fees_bps=float(entry_fee + instrument.taker_fee) * BPS,
            spread_bps=spread * sides,
            slippage_bps=impact * sides,
        )

    def volatility(self, symbol: str, daily_vol_pct: float) -> float:
        """The volatility to calculate with: the measured one, else the declared prior."""
        if daily_vol_pct > 0 and math.isfinite(daily_vol_pct):
            return daily_vol_pct
        return float(self._parameters.get(PRIOR_VOL, symbol=symbol))

    def minute_volume(self, symbol: str, volume_quote: float) -> float:
        """The quote volume of a minute to calculate with: measured, else the prior."""
        if volume_quote > 0 and math.isfinite(volume_quote):
            return volume_quote
        return float(self._parameters.get(PRIOR_VOLUME, symbol=symbol))

    def spread_bps(self, instrument: Instrument, price: float, daily_vol_pct: float) -> float:
        """The modelled spread. Without a price (0) the tick does not bound it from below."""
        share = self._parameters.get(SPREAD_SHARE, symbol=instrument.symbol)
        modelled: float = share * daily_vol_pct * 100 / math.sqrt(MINUTES_PER_DAY)
        tick_bps = float(instrument.price_tick) / price * BPS if price > 0 else 0.0
        return max(modelled, tick_bps)

    def impact_bps(
        self, symbol: str, notional: float, daily_vol_pct: float, minute_volume_quote: float
    ) -> float:
        """Average slippage of one market order by the square-root law."""
        participation = notional / (minute_volume_quote * MINUTES_PER_DAY)
        y: float = self._parameters.get(IMPACT, symbol=symbol)
        return y * daily_vol_pct * 100 * math.sqrt(max(participation, 0.0))

    def modelled_quote(
        self, instrument: Instrument, price: float, daily_vol_pct: float, time_ns: int
    ) -> Quote:
        """A quote around a last price: half the modelled spread to each side, on the grid.

        Rounding is outwards, so that it never makes a fill better. Sizes are unknown and 0.
        """
        vol = self.volatility(instrument.symbol, daily_vol_pct)
        half = price * self.spread_bps(instrument, price, vol) / BPS / 2
        tick = float(instrument.price_tick)
        bid = max(_grid(price - half, tick, -1), tick)
        ask = _grid(price + half, tick, +1)
        if ask <= bid:
            ask = _grid(bid + tick, tick, +1)
        return Quote(
            symbol=instrument.symbol,
            time_ns=time_ns,
            bid=bid,
            ask=ask,
            bid_size=0.0,
            ask_size=0.0,
            modelled=True,
        )

    def modelled_book(
        self,
        instrument: Instrument,
        quote: Quote,
        daily_vol_pct: float,
        volume_per_minute: float,
    ) -> Book:
        """Depth behind a quote, such that walking it costs what the square-root law says.

        `volume_per_minute` is in base units. An average impact of Y·σ·√(Q/V) means that
        the price of the last unit is 1.5 times as far away, so a level at distance d holds
        everything up to V·(d / 1.5·Y·σ)². The book ends at `cost.depth_minutes` of volume.
        """
        symbol = instrument.symbol
        vol = self.volatility(symbol, daily_vol_pct)
        mid = quote.mid
        per_minute = self.minute_volume(symbol, volume_per_minute * mid) / mid
        deepest = per_minute * self._parameters.get(DEPTH_MINUTES, symbol=symbol)
        share = deepest / (per_minute * MINUTES_PER_DAY)
        reach = 1.5 * self._parameters.get(IMPACT, symbol=symbol) * vol / 100 * math.sqrt(share)
        tick = float(instrument.price_tick)
        return Book(
            symbol=symbol,
            time_ns=quote.time_ns,
            bids=_side(quote.bid, quote.bid_size, deepest, -reach, tick),
            asks=_side(quote.ask, quote.ask_size, deepest, reach, tick),
            modelled=True,
        )

    def _round_trip_impact(
        self,
        instrument: Instrument,
        notional: float,
        book: Book | None,
        vol: float,
        per_minute: float,
    ) -> float:
        """Slippage both ways: by walking the book, and by the law for what it lacks."""
        law = self.impact_bps(instrument.symbol, notional, vol, per_minute)
        if book is None or not book.asks or not book.bids:
            return 2 * law
        contract = float(instrument.contract_size)
        total = 0.0
        for side, best in ((Side.BUY, book.asks[0][0]), (Side.SELL, book.bids[0][0])):
            quantity = notional / (best * contract)
            walk = walk_book(book, side, quantity)
            walked = abs(walk.average / best - 1) * BPS
            missing = 1 - walk.quantity / quantity if quantity > 0 else 0.0
            total += walked * (1 - missing) + max(law, walked) * missing
        return total


def walk_book(book: Book, side: Side, quantity: float, limit: float | None = None) -> Walk:
    """Take `quantity` from the side of the book that a market order meets.

    Stops at `limit` where one is given. With nothing to take, all figures are 0.
    """
    left, got, paid, worst, count = quantity, 0.0, 0.0, 0.0, 0
    for price, size in book.asks if side is Side.BUY else book.bids:
        beyond = limit is not None and (price > limit if side is Side.BUY else price < limit)
        if left <= 0 or beyond:
            break
        taken = min(left, size)
        left -= taken
        got += taken
        paid += taken * price
        worst = price
        count += 1
    return Walk(got, worst, paid / got if got > 0 else 0.0, count)


def _side(
    best: float, best_size: float, deepest: float, reach: float, tick: float
) -> tuple[tuple[float, float], ...]:
    """Levels of one side: sizes grow with the distance, and their sum with its square.

    A real best size stays where it is; the modelled depth lies behind it.
    """
    levels: list[tuple[float, float]] = [(best, best_size)] if best_size > 0 else []
    away = 1 if reach > 0 else -1
    for step in range(1, LEVELS + 1):
        size = deepest * (2 * step - 1) / (LEVELS * LEVELS)
        price = max(_grid(best * (1 + reach * step / LEVELS), tick, away), tick)
        if levels and levels[-1][0] == price:
            levels[-1] = (price, levels[-1][1] + size)
        else:
            levels.append((price, size))
    return tuple(levels)


def _grid(price: float, tick: float, away: int) -> float:
    """`price` on the tick grid, upwards or downwards, as the shortest float of its text."""
    ticks = price / tick
    near = round(ticks)
    whole = (
        near if abs(ticks - near) < 1e-6 else math.ceil(ticks) if away > 0 else math.floor(ticks)
    )
    digits = max(0, -math.floor(math.log10(tick) + 1e-9)) + 2
    return round(whole * tick, digits)
