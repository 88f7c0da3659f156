"""The cost model: the laws it promises hold, and real quotes and books come before models."""

from __future__ import annotations

import math

import pytest

from engine.core.parameters import Parameters
from engine.core.types import Book, Quote, Side
from engine.market.costs import DEPTH_MINUTES, IMPACT, CostModel, walk_book
from engine.market.instruments import packaged

SPOT = packaged("BTC/USDT")


def model(**settings: float) -> CostModel:
    parameters = Parameters()
    for name, value in settings.items():
        parameters.set(name.replace("__", "."), value, "test")
    return CostModel(parameters)


def quote(bid: float, ask: float) -> Quote:
    return Quote(symbol="BTC/USDT", time_ns=0, bid=bid, ask=ask, bid_size=1.0, ask_size=1.0)


def test_round_trip_on_spot_pays_the_fee_twice() -> None:
    costs = model().round_trip_bps(SPOT, 1_000.0, quote(99_995.0, 100_005.0), None, 3.0, 1e6)
    assert costs.fees_bps == pytest.approx(20.0)
    assert costs.spread_bps == pytest.approx(1.0)
    assert costs.total_bps == costs.fees_bps + costs.spread_bps + costs.slippage_bps


def test_slippage_follows_the_square_root_of_size() -> None:
    costs = model()
    small = costs.round_trip_bps(SPOT, 1_000.0, None, None, 3.0, 1e6).slippage_bps
    large = costs.round_trip_bps(SPOT, 4_000.0, None, None, 3.0, 1e6).slippage_bps
    assert large == pytest.approx(2 * small)
    # A day's whole volume moves the price by Y daily volatilities: 3 % each way.
    day = costs.round_trip_bps(SPOT, 1e6 * 1440, None, None, 3.0, 1e6).slippage_bps
    assert day == pytest.approx(2 * 300.0)
    double = model(cost__impact_coefficient=2.0)
    assert double.round_trip_bps(SPOT, 1_000.0, None, None, 3.0, 1e6).slippage_bps == (
        pytest.approx(2 * small)
    )


def test_a_book_is_walked_instead() -> None:
    book = Book(
        symbol="BTC/USDT",
        time_ns=0,
        bids=((100.0, 1.0), (99.0, 10.0)),
        asks=((101.0, 1.0), (102.0, 10.0)),
    )
    costs = model().round_trip_bps(SPOT, 202.0, quote(100.0, 101.0), book, 3.0, 1e9)
    buy = ((101 + 102) / 2) / 101 - 1
    sell = 1 - (100 + 99 * 1.02) / 2.02 / 100
    assert costs.slippage_bps == pytest.approx((buy + sell) * 10_000, rel=1e-6)
    deep = model().round_trip_bps(SPOT, 10_000.0, quote(100.0, 101.0), book, 3.0, 1e4)
    assert deep.slippage_bps > costs.slippage_bps


def test_unknown_volatility_and_volume_use_the_declared_priors() -> None:
    costs = model()
    unknown = costs.round_trip_bps(SPOT, 1_000.0, None, None, math.nan, 0.0)
    assert unknown == costs.round_trip_bps(SPOT, 1_000.0, None, None, 4.0, 20_000.0)
    assert unknown.slippage_bps > 0
    wilder = model(cost__prior_daily_vol_pct=8.0, cost__prior_minute_volume_quote=1_000.0)
    assert wilder.round_trip_bps(SPOT, 1_000.0, None, None, math.nan, 0.0).total_bps > (
        unknown.total_bps
    )


def test_maker_entry_saves_spread_and_impact_on_one_side() -> None:
    swap = packaged("BTC/USDT:USDT")
    taker = model().round_trip_bps(swap, 1_000.0, None, None, 3.0, 1e6)
    maker = model().round_trip_bps(swap, 1_000.0, None, None, 3.0, 1e6, maker_entry=True)
    assert taker.fees_bps == pytest.approx(10.0)
    assert maker.fees_bps == pytest.approx(7.0)
    assert maker.slippage_bps == pytest.approx(taker.slippage_bps / 2)


def test_modelled_quote_is_outside_the_price_and_on_the_grid() -> None:
    costs = model()
    for price in (100_000.0, 60_123.45, 0.01, 1.0):
        made = costs.modelled_quote(SPOT, price, 3.0, 7)
        assert made.modelled
        assert made.time_ns == 7
        assert 0 < made.bid <= price <= made.ask
        assert made.bid < made.ask
        assert round(made.bid * 100) == pytest.approx(made.bid * 100, abs=1e-6)
    wide = costs.modelled_quote(SPOT, 100_000.0, 12.0, 0).spread_bps
    assert wide > costs.modelled_quote(SPOT, 100_000.0, 3.0, 0).spread_bps * 3
    none = model(cost__spread_vol_share=0.0).modelled_quote(SPOT, 100_000.0, 3.0, 0)
    assert none.ask - none.bid == pytest.approx(0.01, abs=0.011)


def test_walking_the_modelled_book_costs_what_the_law_says() -> None:
    costs = model(cost__depth_minutes=30.0)
    flat = Quote(
        symbol="BTC/USDT", time_ns=0, bid=99_999.99, ask=100_000.0, bid_size=0.0, ask_size=0.0
    )
    per_minute = 20.0
    book = costs.modelled_book(SPOT, flat, 3.0, per_minute)
    deepest = per_minute * Parameters().get(DEPTH_MINUTES) * 30
    assert sum(size for _price, size in book.asks) == pytest.approx(deepest)
    for share in (0.2, 0.5, 1.0):
        walk = walk_book(book, Side.BUY, deepest * share)
        law = Parameters().get(IMPACT) * 0.03 * math.sqrt(deepest * share / (per_minute * 1440))
        # The levels round the law up to their own price, never down.
        assert law <= walk.average / 100_000.0 - 1 <= law * 1.25
    sold = walk_book(book, Side.SELL, deepest)
    assert sold.average < 99_999.99
    prices = [price for price, _size in book.bids]
    assert prices == sorted(prices, reverse=True)


def test_walk_stops_at_depth_and_limit() -> None:
    book = Book(symbol="BTC/USDT", time_ns=0, bids=(), asks=((101.0, 1.0), (102.0, 2.0)))
    assert walk_book(book, Side.BUY, 10.0).quantity == 3.0
    assert walk_book(book, Side.BUY, 10.0, limit=101.5).quantity == 1.0
    assert walk_book(book, Side.SELL, 1.0).quantity == 0.0
