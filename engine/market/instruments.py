"""Instruments: by which filters a venue rounds and refuses, and where they are known from.

A size that is right to a float is refused by a venue or leaves a rest that nobody can sell,
so every rounding of a price or a quantity is done here and in `Decimal`.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from decimal import Context, Decimal, DivisionByZero, InvalidOperation
from functools import cache
from pathlib import Path
from typing import Any

from engine.core.errors import DataError
from engine.core.types import Instrument, InstrumentKind

ONE = Decimal(1)

_WIDE = Context(prec=80, traps=[InvalidOperation, DivisionByZero])
"""Exact for any price or quantity that an average can produce; a quotient rounded to 28
digits could land on the grid from below and round up."""

_TABLE = Path(__file__).with_name("instruments.toml")

_COARSE_TICK = Decimal("0.001")
"""A packaged tick above this share of the price was made for another price level: venues
move ticks when prices move, and a tick of 10 bps would decide the spread by itself."""

_DERIVED_DIGITS = 5
"""Significant digits of a derived tick: Binance quotes BTC, ETH and SOL with five to seven."""

_DERIVED_LOT_NOTIONAL = Decimal("0.1")
"""A derived lot is worth at most this much: small against the venue's minimum of 5."""

_WORSE_THAN_STOP = Decimal("1.02")
"""A stop is left at a worse price than its own: two hundredths worse and it still can be."""

_DERIVED_MIN_NOTIONAL = Decimal(5)
_DERIVED_MAX_QTY = Decimal(1_000_000_000)


def packaged(symbol: str, venue: str = "binance", price: float | None = None) -> Instrument:
    """The instrument from the packaged, dated table, or one derived from its price.

    For replay and simulation, which have no venue to ask. `price` is any price of the
    symbol; without a row in the table and without a price, raises `DataError`.
    """
    table = _load()
    kind = InstrumentKind.SWAP if ":" in symbol else InstrumentKind.SPOT
    fees = table["fees"][kind.value]
    row = table.get(venue, {}).get(kind.value, {}).get(symbol)
    if row is not None and (price is None or Decimal(row[0]) <= _COARSE_TICK * _number(price)):
        tick, lot, low, high, least = (Decimal(text) for text in row[:5])
        up: Decimal | None = Decimal(row[5])
        down: Decimal | None = Decimal(row[6])
        source = f"packaged {table['date']} ({row[7]})"
    else:
        if price is None or not price > 0 or price == float("inf"):
            raise DataError(
                f"no filters are known for {symbol} on {venue}",
                "give a price to derive them from, or trade a symbol of the packaged table",
            )
        tick, lot = _derived_steps(_number(price))
        low, high, least = lot, _DERIVED_MAX_QTY, _DERIVED_MIN_NOTIONAL
        up = down = None
        source = "derived"
    base, quote = _assets(symbol)
    return Instrument(
        symbol=symbol,
        venue=venue,
        base=base,
        quote=quote,
        kind=kind,
        price_tick=tick,
        lot_step=lot,
        min_qty=low,
        max_qty=high,
        min_notional=least,
        maker_fee=Decimal(fees["maker"]),
        taker_fee=Decimal(fees["taker"]),
        price_up=up,
        price_down=down,
        source=source,
    )


def from_ccxt(market: Mapping[str, Any], venue: str, precision_mode: int = 4) -> Instrument:
    """An instrument from ccxt's market structure, as `load_markets` gives it.

    `precision_mode` is the exchange's `precisionMode`: 2 decimal places, 3 significant
    digits, 4 tick size (Binance's and most). Significant digits have no fixed tick, so the
    finest one at the market's last or minimum price is not guessed and `DataError` is
    raised. Limits that ccxt leaves open become no limit (0, or a large maximum).
    """
    symbol = str(market["symbol"])
    precision, limits = market["precision"], market.get("limits") or {}
    tick = _step(precision.get("price"), precision_mode, symbol, "price")
    lot = _step(precision.get("amount"), precision_mode, symbol, "amount")
    amount = limits.get("amount") or {}
    cost = limits.get("cost") or {}
    kind = InstrumentKind.SWAP if market.get("swap") else InstrumentKind.SPOT
    fees = _load()["fees"][kind.value]
    up, down = _percent_price(market.get("info") or {})
    return Instrument(
        symbol=symbol,
        venue=venue,
        base=str(market["base"]),
        quote=str(market["quote"]),
        kind=kind,
        price_tick=tick,
        lot_step=lot,
        min_qty=max(_number(amount.get("min") or 0), lot),
        max_qty=_number(amount.get("max") or _DERIVED_MAX_QTY),
        min_notional=_number(cost.get("min") or 0),
        maker_fee=_number(_given(market.get("maker"), fees["maker"])),
        taker_fee=_number(_given(market.get("taker"), fees["taker"])),
        contract_size=_number(market.get("contractSize") or 1),
        price_up=up,
        price_down=down,
        source="venue",
    )


def round_price(instrument: Instrument, price: Decimal, *, up: bool) -> Decimal:
    """The next price on the tick grid at or above (`up`) or at or below `price`."""
    rest = _WIDE.remainder(price, instrument.price_tick)
    below = _WIDE.subtract(price, rest)
    rounded = _WIDE.add(below, instrument.price_tick) if up and rest else below
    return rounded.quantize(instrument.price_tick, context=_WIDE)


def round_qty(instrument: Instrument, quantity: Decimal) -> Decimal:
    """The largest quantity on the lot grid that is not above `quantity`; never more."""
    whole = _WIDE.subtract(quantity, _WIDE.remainder(quantity, instrument.lot_step))
    return whole.quantize(instrument.lot_step, context=_WIDE)


def notional(instrument: Instrument, quantity: Decimal, price: Decimal) -> Decimal:
    """What a quantity is worth at a price, in the quote currency."""
    return quantity * price * instrument.contract_size


def check_order(
    instrument: Instrument,
    quantity: Decimal,
    price: Decimal | None,
    reference_price: Decimal,
    *,
    reduces: bool = False,
) -> str:
    """Why the venue would refuse this order, or an empty string.

    `price` is the limit, None for a market order, whose notional the venue takes at its
    own average price (`reference_price`). A perpetual's order that only `reduces` may be worth
    less than the least notional (Binance USDⓈ-M, error -4164); a sale on a spot market may not.
    """
    if not quantity.is_finite() or quantity <= 0:
        return f"quantity {quantity} is not positive"
    if not reference_price.is_finite() or reference_price <= 0:
        return f"reference price {reference_price} is not positive"
    if quantity % instrument.lot_step:
        return f"quantity {quantity} is not a multiple of the lot {instrument.lot_step}"
    if quantity < instrument.min_qty:
        return f"quantity {quantity} is below the minimum {instrument.min_qty}"
    if quantity > instrument.max_qty:
        return f"quantity {quantity} is above the maximum {instrument.max_qty}"
    if price is not None:
        why = _check_price(instrument, price, reference_price)
        if why:
            return why
    worth = notional(instrument, quantity, reference_price if price is None else price)
    exempt = reduces and instrument.kind is InstrumentKind.SWAP
    if worth < instrument.min_notional and not exempt:
        return f"notional {worth:f} is below the minimum {instrument.min_notional}"
    return ""


def unsellable(instrument: Instrument, quantity: Decimal, price: Decimal) -> str:
    """Why no market order can close this quantity at this price, or an empty string.

    Such a rest is DUST: it is held and marked, because an order for it would be refused each
    time. A better price, or more of it, makes it sellable again. Without a price only the size
    is judged.
    """
    base, quote = instrument.base, instrument.quote
    sellable = min(round_qty(instrument, quantity), instrument.max_qty)
    if sellable <= 0 or sellable < instrument.min_qty:
        least = max(instrument.min_qty, instrument.lot_step)
        return f"{quantity:f} {base} is below the venue's least order of {least:f} {base}"
    if instrument.kind is InstrumentKind.SWAP or not price.is_finite():
        return ""
    worth = notional(instrument, sellable, price)
    if worth < instrument.min_notional:
        return (
            f"{quantity:f} {base} is worth {worth:.2f} {quote}, below the venue's least order "
            f"of {instrument.min_notional:f} {quote}"
        )
    return ""


def least_entry(instrument: Instrument, price: Decimal, stop: Decimal) -> Decimal:
    """The least notional of an entry at `price` that can be sold again at its stop, in quote.

    A position bought at the venue's very minimum is worth less than that at its stop and could
    never be left.
    """
    least = max(instrument.min_notional, notional(instrument, instrument.min_qty, price))
    if instrument.kind is InstrumentKind.SWAP or not 0 < stop < price:
        return least
    return least * price / stop * _WORSE_THAN_STOP


def _check_price(instrument: Instrument, price: Decimal, reference: Decimal) -> str:
    if not price.is_finite() or price <= 0:
        return f"price {price} is not positive"
    if price % instrument.price_tick:
        return f"price {price} is not a multiple of the tick {instrument.price_tick}"
    if instrument.price_up is not None and price > reference * instrument.price_up:
        return f"price {price} is above {instrument.price_up} times the average price"
    if instrument.price_down is not None and price < reference * instrument.price_down:
        return f"price {price} is below {instrument.price_down} times the average price"
    return ""


def _derived_steps(price: Decimal) -> tuple[Decimal, Decimal]:
    """Tick and lot from the price's magnitude, both powers of ten."""
    tick = ONE.scaleb(price.adjusted() - _DERIVED_DIGITS + 1)
    lot = ONE.scaleb((_DERIVED_LOT_NOTIONAL / price).adjusted())
    return tick, min(lot, ONE)


def _step(value: Any, mode: int, symbol: str, what: str) -> Decimal:
    if value is None or mode == 3:
        raise DataError(f"{symbol}: the venue gives no fixed {what} step", "it can't be traded")
    if mode == 2:
        return ONE.scaleb(-int(value))
    step = _number(value)
    if step <= 0:
        raise DataError(f"{symbol}: the venue gives the {what} step {value}", "it can't be traded")
    return step


def _percent_price(info: Mapping[str, Any]) -> tuple[Decimal | None, Decimal | None]:
    """Binance's percent-price bounds out of the raw filters; None where there are none.

    Where they differ by side the tighter one is taken, so that it holds for both.
    """
    for entry in info.get("filters") or ():
        if entry.get("filterType") == "PERCENT_PRICE":
            return _number(entry["multiplierUp"]), _number(entry["multiplierDown"])
        if entry.get("filterType") == "PERCENT_PRICE_BY_SIDE":
            ups = _number(entry["bidMultiplierUp"]), _number(entry["askMultiplierUp"])
            downs = _number(entry["bidMultiplierDown"]), _number(entry["askMultiplierDown"])
            return min(ups), max(downs)
    return None, None


def _assets(symbol: str) -> tuple[str, str]:
    base, slash, rest = symbol.partition("/")
    if not slash or not base or not rest:
        raise DataError(
            f"{symbol!r} is no symbol", "write BTC/USDT, or BTC/USDT:USDT for a perpetual"
        )
    return base, rest.partition(":")[0]


def _given(value: Any, otherwise: Any) -> Any:
    return otherwise if value is None else value


def _number(value: Any) -> Decimal:
    """A Decimal by way of the shortest text, so that 0.1 is a tenth."""
    return value if isinstance(value, Decimal) else Decimal(str(value))


@cache
def _load() -> Mapping[str, Any]:
    with _TABLE.open("rb") as file:
        return tomllib.load(file)
