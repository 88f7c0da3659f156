"""Filters: where they are known from, and that what is rounded is what a venue takes."""

from __future__ import annotations

import gzip
import json
from decimal import ROUND_CEILING, Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.errors import DataError
from engine.core.types import InstrumentKind
from engine.market.instruments import (
    check_order,
    from_ccxt,
    least_entry,
    packaged,
    round_price,
    round_qty,
    unsellable,
)
from tests.execution_help import D
from tests.recorded import recorded


def test_packaged_rows_say_their_date_and_source() -> None:
    spot = packaged("BTC/USDT")
    assert (spot.price_tick, spot.lot_step, spot.min_notional) == (
        D("0.01"),
        D("0.00001"),
        D(5),
    )
    assert (spot.maker_fee, spot.taker_fee) == (D("0.001"), D("0.001"))
    assert "2025-08" in spot.source
    assert not spot.can_short
    swap = packaged("BTC/USDT:USDT")
    assert swap.kind is InstrumentKind.SWAP
    assert (swap.base, swap.quote) == ("BTC", "USDT")
    assert (swap.maker_fee, swap.taker_fee) == (D("0.0002"), D("0.0005"))


def test_unknown_symbol_is_derived_from_its_price() -> None:
    derived = packaged("WIF/USDT", price=2.3456)
    assert derived.source == "derived"
    assert derived.price_tick == D("0.0001")
    assert D("2.3456") * derived.lot_step <= D("0.1")
    assert packaged("XYZ/USDT", price=61_000.0).price_tick == 1
    with pytest.raises(DataError, match="no filters"):
        packaged("WIF/USDT")
    with pytest.raises(DataError):
        packaged("WIF/USDT", price=float("nan"))
    with pytest.raises(DataError, match="is no symbol"):
        packaged("WIFUSDT", price=1.0)


def test_a_tick_made_for_another_price_level_is_not_used() -> None:
    """LTC's packaged tick of 0.1 is from 2021; at a price of 5 it would be 2 % of it."""
    assert packaged("LTC/USDT", price=200.0).price_tick == D("0.1")
    assert packaged("LTC/USDT", price=5.0).source == "derived"


def test_packaged_rows_equal_the_recorded_exchange_info() -> None:
    path = recorded("fixtures/gocryptotrader/binance_http.json.gz")
    routes = json.loads(gzip.decompress(path.read_bytes()))["routes"]
    compared = 0
    for route, suffix in (("/api/v3/exchangeInfo", ""), ("/fapi/v1/exchangeInfo", ":USDT")):
        for answer in routes[route]["GET"]:
            data = answer["data"]
            for row in (json.loads(data) if isinstance(data, str) else data)["symbols"]:
                symbol = f"{row['baseAsset']}/{row['quoteAsset']}{suffix}"
                try:
                    known = packaged(symbol)
                except DataError:
                    continue
                filters = {entry["filterType"]: entry for entry in row["filters"]}
                assert known.price_tick == D(filters["PRICE_FILTER"]["tickSize"]), symbol
                assert known.lot_step == D(filters["LOT_SIZE"]["stepSize"]), symbol
                least = filters.get("NOTIONAL") or filters["MIN_NOTIONAL"]
                assert known.min_notional == D(least.get("minNotional", least.get("notional")))
                compared += 1
    assert compared >= 20


def ccxt_market(**changes: Any) -> dict[str, Any]:
    market = {
        "symbol": "BTC/USDT:USDT",
        "base": "BTC",
        "quote": "USDT",
        "swap": True,
        "contractSize": 1.0,
        "maker": 0.0002,
        "taker": 0.0005,
        "precision": {"amount": 0.001, "price": 0.1},
        "limits": {"amount": {"min": 0.001, "max": 1000.0}, "cost": {"min": 100.0}},
        "info": {
            "filters": [
                {"filterType": "PERCENT_PRICE", "multiplierUp": "1.05", "multiplierDown": "0.95"}
            ]
        },
    }
    return {**market, **changes}


def test_ccxt_market_with_tick_sizes() -> None:
    instrument = from_ccxt(ccxt_market(), "binance")
    assert instrument.price_tick == D("0.1")
    assert instrument.lot_step == D("0.001")
    assert instrument.taker_fee == D("0.0005")
    assert (instrument.price_up, instrument.price_down) == (D("1.05"), D("0.95"))
    assert instrument.source == "venue"


def test_ccxt_market_with_decimal_places_and_gaps() -> None:
    market = ccxt_market(
        swap=False,
        symbol="BTC/USDT",
        precision={"amount": 5, "price": 2},
        limits={"amount": {"min": None, "max": None}, "cost": {"min": None}},
        maker=None,
        taker=None,
        contractSize=None,
        info={},
    )
    instrument = from_ccxt(market, "elsewhere", precision_mode=2)
    assert (instrument.price_tick, instrument.lot_step) == (D("0.01"), D("0.00001"))
    assert instrument.min_qty == D("0.00001")
    assert instrument.taker_fee == D("0.001")
    assert instrument.price_up is None


def test_ccxt_market_without_a_step_is_refused() -> None:
    with pytest.raises(DataError, match="no fixed price step"):
        from_ccxt(ccxt_market(precision={"amount": 0.001, "price": None}), "binance")
    with pytest.raises(DataError, match="no fixed"):
        from_ccxt(ccxt_market(precision={"amount": 3, "price": 5}), "okx", precision_mode=3)


def test_real_ccxt_binance_structure() -> None:
    """The mapping holds for the library's own parser of the recorded answer."""
    import ccxt

    path = recorded("fixtures/gocryptotrader/binance_http.json.gz")
    routes = json.loads(gzip.decompress(path.read_bytes()))["routes"]
    answer = routes["/fapi/v1/exchangeInfo"]["GET"][0]["data"]
    rows = (json.loads(answer) if isinstance(answer, str) else answer)["symbols"]
    exchange = ccxt.binance()
    row = next(row for row in rows if row["symbol"] == "BTCUSDT")
    instrument = from_ccxt(exchange.parse_market(row), "binance", exchange.precisionMode)
    table = packaged("BTC/USDT:USDT")
    assert instrument.price_tick == table.price_tick
    assert instrument.lot_step == table.lot_step
    assert instrument.min_notional == table.min_notional
    assert instrument.kind is InstrumentKind.SWAP


@pytest.mark.parametrize(
    ("quantity", "price", "why"),
    [
        ("0.001", "60000", ""),
        ("0.0010001", "60000", "multiple of the lot"),
        ("0.00000", "60000", "not positive"),
        ("NaN", "60000", "not positive"),
        ("9001", "60000", "above the maximum"),
        ("0.000001", "60000", "multiple of the lot"),
        ("0.001", "60000.001", "multiple of the tick"),
        ("0.001", "300000.01", "above 5 times"),
        ("0.001", "11999.99", "below 0.2 times"),
        ("0.00008", "60000", "notional"),
    ],
)
def test_check_order_says_why(quantity: str, price: str, why: str) -> None:
    answer = check_order(packaged("BTC/USDT"), D(quantity), D(price), D(60_000))
    assert (answer == "") == (why == "")
    assert why in answer


def test_rounding_never_crosses_the_grid() -> None:
    instrument = packaged("BTC/USDT")
    third = Decimal(1) / 3
    assert round_qty(instrument, third) == D("0.33333")
    assert round_price(instrument, third, up=True) == D("0.34")
    assert round_price(instrument, third, up=False) == D("0.33")
    almost = D("0.00000" + "9" * 40)
    assert round_qty(instrument, almost) == 0


def test_dust_is_what_nobody_can_sell() -> None:
    instrument = packaged("BTC/USDT")
    assert "worth 4.80 USDT" in unsellable(instrument, D("0.00008"), D(60_000))
    assert "least order of 0.00001 BTC" in unsellable(instrument, D("0.000009"), D(60_000))
    assert unsellable(instrument, D("0.00009"), D(60_000)) == ""


def test_a_perpetual_takes_what_only_reduces_at_any_notional() -> None:
    instrument = packaged("BTC/USDT:USDT")
    least = instrument.min_qty
    cheap = instrument.min_notional / least / 2
    assert "below the minimum" in check_order(instrument, least, None, cheap)
    assert check_order(instrument, least, None, cheap, reduces=True) == ""
    assert unsellable(instrument, least, cheap) == ""
    assert unsellable(instrument, least / 2, cheap)


@given(
    price=st.decimals("0.001", "90000", places=3),
    away=st.decimals("0.0001", "0.6", places=4),
    worse=st.decimals("0", "0.019", places=4),
)
def test_the_least_entry_can_be_sold_again_at_its_stop(
    price: Decimal, away: Decimal, worse: Decimal
) -> None:
    """Also two hundredths below it; what is bought at the venue's own minimum could not."""
    instrument = packaged("NEW/USDT", price=float(price))
    stop = price * (1 - away)
    lots = least_entry(instrument, price, stop) / price / instrument.lot_step
    quantity = lots.to_integral_value(ROUND_CEILING) * instrument.lot_step
    assert unsellable(instrument, quantity, stop * (1 - worse)) == ""


def test_minimum_quantity_is_a_limit_of_its_own() -> None:
    """On venues whose smallest order is several lots."""
    market = ccxt_market(limits={"amount": {"min": 0.005}, "cost": {"min": None}})
    instrument = from_ccxt(market, "binance")
    assert "below the minimum" in check_order(instrument, D("0.004"), None, D(60_000))
    assert check_order(instrument, D("0.005"), None, D(60_000)) == ""
    assert unsellable(instrument, D("0.004"), D(60_000))
