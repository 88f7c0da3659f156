"""The paper broker: no fill that a market would not have given."""

from __future__ import annotations

import json
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from engine.core.clock import MILLISECOND, MINUTE
from engine.core.errors import InvariantBroken
from engine.core.types import Bar, Book, Fill, Liquidity, Order, OrderState, Purpose, Side
from engine.execution.broker import FillEvent
from engine.execution.matching import Found, Matcher
from engine.execution.paper import FillContext
from tests.execution_help import START_NS, SYMBOL, D, Market

BIDS = ((60_000.0, 0.5), (59_999.0, 1.0), (59_990.0, 2.0))
ASKS = ((60_001.0, 0.5), (60_002.0, 1.0), (60_010.0, 2.0))


def fills(events: Sequence[object]) -> list[Fill]:
    return [event.fill for event in events if isinstance(event, FillEvent)]


def warmed(latency_ms: float = 50.0) -> Market:
    """A market of 40 quiet minutes, so that volatility and volume are measured."""
    market = Market(latency_ms)
    for step in range(40):
        price = 60_000.0 + (30.0 if step % 2 else 0.0)
        market.bar(price, price + 5, price - 5, price)
    return market


def test_latency_is_waited_for() -> None:
    market = Market()
    market.quote(60_000, 60_001)
    market.broker.submit(market.order("0.01"))
    assert market.broker.next_due_ns() == START_NS + 50 * MILLISECOND
    assert market.quote(60_000, 60_001, after_ms=49) == []
    made = fills(market.quote(60_100, 60_101, after_ms=1))
    assert [fill.price for fill in made] == [D(60_101)]
    assert made[0].time_ns == START_NS + 50 * MILLISECOND


def test_time_alone_activates_while_the_market_is_fresh() -> None:
    market = Market()
    market.quote(60_000, 60_001)
    market.broker.submit(market.order("0.01"))
    market.clock.advance(50 * MILLISECOND)
    assert len(fills(market.broker.on_time(market.clock.now_ns()))) == 1
    stale = Market(latency_ms=3_000.0)
    stale.quote(60_000, 60_001)
    stale.broker.submit(stale.order("0.01"))
    stale.clock.advance(3_000 * MILLISECOND)
    assert stale.broker.on_time(stale.clock.now_ns()) == []
    assert stale.broker.next_due_ns() is None
    assert len(fills(stale.quote(60_000, 60_001, after_ms=1))) == 1


def test_a_market_order_walks_the_real_book() -> None:
    market = Market(latency_ms=0)
    market.book(BIDS, ASKS)
    bought = fills(market.broker.submit(market.order("1.2")))[0]
    exact = (D("0.5") * 60_001 + D("0.7") * 60_002) / D("1.2")
    assert bought.price >= exact
    assert bought.price - exact < D("0.01")
    assert bought.liquidity is Liquidity.TAKER
    assert bought.fee >= bought.price * bought.quantity * D("0.001")
    told = json.loads(bought.assumptions)
    assert (told["source"], told["modelled"], told["levels"]) == ("book", False, 2)
    assert told["slippage_bps"] > 0
    sold = fills(market.broker.submit(market.order("1.2", Side.SELL, Purpose.EXIT)))[0]
    assert sold.price <= (D("0.5") * 60_000 + D("0.7") * 59_999) / D("1.2")


def test_an_entry_beyond_the_depth_is_cut_and_depth_is_taken_once() -> None:
    market = Market(latency_ms=0)
    market.book(BIDS, ASKS)
    events = market.broker.submit(market.order("5"))
    assert fills(events)[0].quantity == D("3.5")
    last = events[-1].order
    assert (last.state, last.filled) == (OrderState.CANCELLED, D("3.5"))
    nothing = market.broker.submit(market.order("0.1"))
    assert fills(nothing) == []
    again = market.book(BIDS, ASKS, after_ms=10)
    assert again == []
    assert len(fills(market.broker.submit(market.order("0.1")))) == 1


def test_an_exit_beyond_the_depth_goes_on_until_it_is_done() -> None:
    market = Market(latency_ms=0)
    market.book(BIDS, ASKS)
    events = market.broker.submit(market.order("5", Side.SELL, Purpose.EXIT))
    assert events[-1].order.state is OrderState.PARTIAL
    assert market.tick(60_000.0, after_ms=10) == []
    more = market.book(BIDS, ASKS, after_ms=10)
    assert fills(more)[0].quantity == D("1.5")
    assert more[-1].order.state is OrderState.FILLED


def test_a_stale_book_gives_way_to_the_quote_and_that_to_the_tick() -> None:
    market = Market(latency_ms=0)
    market.book(((50_000.0, 9.0),), ((50_001.0, 9.0),))
    market.quote(60_000, 60_001, after_ms=1_001)
    by_quote = fills(market.broker.submit(market.order("0.01")))[0]
    assert by_quote.price == D(60_001)
    assert json.loads(by_quote.assumptions)["source"] == "quote"
    market.tick(61_000.0, after_ms=2_001)
    by_tick = fills(market.broker.submit(market.order("0.01")))[0]
    assert by_tick.price > D(61_000)
    told = json.loads(by_tick.assumptions)
    assert (told["source"], told["modelled"]) == ("tick", True)


def test_behind_a_real_quote_depth_is_modelled() -> None:
    market = warmed(latency_ms=0)
    market.quote(60_000, 60_001, size=0.01)
    small, large = (fills(market.broker.submit(market.order(size)))[0] for size in ("0.01", "5"))
    assert small.price == D(60_001)
    assert large.price > D(60_001)


def test_a_bar_fills_at_its_open_and_worse() -> None:
    market = warmed()
    created = market.clock.now_ns()
    market.broker.submit(market.order("0.01"))
    bought = fills(market.bar(60_500.0, 60_900.0, 60_400.0, 60_800.0))[0]
    assert D(60_500) < bought.price < D(60_520)
    assert created <= bought.time_ns <= created + MINUTE
    told = json.loads(bought.assumptions)
    assert told["source"] == "bar_open"
    assert told["spread_bps"] > 0
    market.broker.submit(market.order("3", Side.SELL, Purpose.EXIT))
    sold = fills(market.bar(60_500.0, 60_900.0, 60_400.0, 60_800.0))
    assert [fill.quantity for fill in sold] == [D(3)]
    assert sold[0].price < D(60_500)


def test_slippage_grows_with_the_size() -> None:
    paid = []
    for size in ("0.01", "2", "15"):
        market = warmed()
        market.broker.submit(market.order(size, Side.SELL, Purpose.EXIT))
        paid.append(fills(market.bar(60_500.0, 60_900.0, 60_400.0, 60_800.0))[0].price)
    assert paid[0] > paid[1] > paid[2]


def test_an_open_bar_and_another_symbols_bar_fill_nothing() -> None:
    market = warmed()
    market.broker.submit(market.order("0.01"))
    opened = market.clock.now_ns()
    values: dict[str, Any] = {"open": 1.0, "high": 1.0, "low": 1.0, "close": 1.0, "volume": 1.0}
    forming = Bar(symbol=SYMBOL, open_ns=opened, span_ns=MINUTE, final=False, **values)
    other = Bar(symbol="ETH/USDT", open_ns=opened, span_ns=MINUTE, **values)
    assert market.broker.on_market(forming) == []
    assert market.broker.on_market(other) == []


# -- resting limits ------------------------------------------------------------------------


def resting(market: Market, limit: object, side: Side = Side.BUY) -> Order:
    order = market.order("0.1", side, limit=limit)
    market.broker.submit(order)
    assert market.broker.open_orders()[0].id == order.id
    return order


def test_a_touch_does_not_fill_a_limit_but_a_trade_through_does() -> None:
    market = Market(latency_ms=0)
    market.book(BIDS, ASKS)
    order = resting(market, 59_999)
    assert market.tick(59_999.0, size=0.9, after_ms=1) == []
    made = fills(market.tick(59_998.99, size=0.001, after_ms=1))
    assert [(fill.price, fill.quantity) for fill in made] == [(D(59_999), D("0.1"))]
    assert made[0].liquidity is Liquidity.MAKER
    assert json.loads(made[0].assumptions)["rule"] == "through"
    assert market.broker.find(order.client_id).state is OrderState.FILLED  # type: ignore[union-attr]


def test_the_queue_before_a_limit_trades_first() -> None:
    market = Market(latency_ms=0)
    market.book(BIDS, ASKS)
    resting(market, 59_999)
    assert market.tick(59_999.0, size=0.7, after_ms=1) == []
    # Buyers that lift the offer don't shorten a queue of buyers.
    assert market.tick(59_999.0, size=9.0, after_ms=1, buyer_maker=False) == []
    part = fills(market.tick(59_999.0, size=0.34, after_ms=1))
    assert [fill.quantity for fill in part] == [D("0.04")]
    rest = fills(market.tick(59_999.0, size=5.0, after_ms=1))
    assert [fill.quantity for fill in rest] == [D("0.06")]


def test_a_quote_through_the_limit_fills_and_one_at_it_does_not() -> None:
    market = Market(latency_ms=0)
    market.quote(60_000, 60_001)
    resting(market, 60_010, Side.SELL)
    assert market.quote(60_010, 60_011, after_ms=1) == []
    made = fills(market.quote(60_010.01, 60_011, after_ms=1))
    assert [fill.price for fill in made] == [D(60_010)]


def test_a_marketable_limit_takes_up_to_its_price_and_rests() -> None:
    market = Market(latency_ms=0)
    market.book(BIDS, ASKS)
    order = market.order("2", limit=60_002)
    taken = fills(market.broker.submit(order))[0]
    assert taken.quantity == D("1.5")
    assert taken.price <= D(60_002)
    assert taken.liquidity is Liquidity.TAKER
    assert market.broker.open_orders()[0].state is OrderState.PARTIAL
    rest = fills(market.tick(60_001.9, after_ms=1))
    assert [(fill.quantity, fill.price) for fill in rest] == [(D("0.5"), D(60_002))]
    assert rest[0].liquidity is Liquidity.MAKER


def test_a_limit_on_bars_needs_the_bar_to_trade_through() -> None:
    market = warmed()
    order = market.order("0.1", limit=59_900)
    market.broker.submit(order)
    assert fills(market.bar(60_000.0, 60_010.0, 59_900.0, 60_000.0)) == []
    made = fills(market.bar(60_000.0, 60_010.0, 59_899.0, 60_000.0))
    assert [fill.price for fill in made] == [D(59_900)]


# -- cancelling ----------------------------------------------------------------------------


def test_a_cancellation_loses_to_a_fill_before_it_takes_effect() -> None:
    market = Market()
    market.book(BIDS, ASKS)
    order = market.order("0.1", limit=59_999)
    market.broker.submit(order)
    market.book(BIDS, ASKS, after_ms=50)
    market.broker.cancel(order.id)
    assert len(fills(market.tick(59_990.0, after_ms=49))) == 1
    market = Market()
    market.book(BIDS, ASKS)
    order = market.order("0.1", limit=59_999)
    market.broker.submit(order)
    market.book(BIDS, ASKS, after_ms=50)
    market.broker.cancel(order.id)
    events = market.tick(59_990.0, after_ms=50)
    assert fills(events) == []
    assert events[-1].order.state is OrderState.CANCELLED


def test_a_cancelled_market_order_never_reaches_the_market() -> None:
    market = Market(latency_ms=100.0)
    market.quote(60_000, 60_001)
    order = market.order("0.1")
    market.broker.submit(order)
    market.broker.cancel(order.id)
    events = market.quote(60_000, 60_001, after_ms=100)
    assert [event.order.state for event in events] == [OrderState.CANCELLED]


# -- exits inside a bar ----------------------------------------------------------------------


@pytest.mark.parametrize(("side", "sign"), [(Side.SELL, -1), (Side.BUY, 1)])
def test_an_exit_inside_a_bar_is_never_better_than_its_path(side: Side, sign: int) -> None:
    market = warmed()
    at = market.clock.now_ns()
    for size in ("0.01", "1", "100"):
        order = market.order(size, side, Purpose.EXIT)
        made = market.broker.fill_now(order, None, at, FillContext("bar_path", D(59_500)))
        assert sum((fill.quantity for fill in made), Decimal(0)) == D(size)
        assert (made[0].price - 59_500) * sign > 0
        after = market.broker.order(order.id)
        assert after is not None
        assert after.state is OrderState.FILLED
    told = json.loads(made[0].assumptions)
    assert (told["source"], told["path_price"]) == ("bar_path", "59500")


def test_a_quote_better_than_the_path_does_not_help() -> None:
    market = warmed(latency_ms=0)
    better = market.costs.modelled_quote(market.instrument, 70_000.0, 1.0, START_NS)
    order = market.order("0.01", Side.SELL, Purpose.EXIT)
    made = market.broker.fill_now(order, better, START_NS, FillContext("gap", D(59_000)))
    assert made[0].price == D(59_000)


def test_dust_is_not_sold_and_the_order_says_why() -> None:
    market = warmed()
    order = market.order("0.00002", Side.SELL, Purpose.EXIT)
    context = FillContext("bar_path", D(59_000))
    assert market.broker.fill_now(order, None, market.clock.now_ns(), context) == []
    after = market.broker.order(order.id)
    assert after is not None
    assert after.state is OrderState.REJECTED
    assert "notional" in after.reason


# -- the rest --------------------------------------------------------------------------------


def test_unknown_symbols_prices_and_states() -> None:
    market = Market()
    foreign = msgspec.structs.replace(market.order("1"), symbol="ETH/USDT")
    assert market.broker.submit(foreign)[0].order.reason == "ETH/USDT is not traded here"
    blind = market.broker.submit(market.order("1"))[0].order
    assert (blind.state, blind.reason) == (
        OrderState.REJECTED,
        f"no price of {SYMBOL} is known yet",
    )
    ended = msgspec.structs.replace(market.order("1"), state=OrderState.CANCELLED)
    with pytest.raises(InvariantBroken):
        market.broker.submit(ended)


def test_restored_orders_go_on() -> None:
    before = Market()
    before.quote(60_000, 60_001)
    order = before.order("0.1", limit=59_999)
    before.broker.submit(order)
    before.quote(60_000, 60_001, after_ms=50)
    live = before.broker.open_orders()
    after = Market()
    after.broker.restore(live)
    after.clock.set(before.clock.now_ns())
    assert after.broker.submit(order) == []
    after.quote(60_000, 60_001, after_ms=1)
    assert len(fills(after.tick(59_998.0, after_ms=1))) == 1


def test_perpetual_fees_are_those_of_perpetuals() -> None:
    market = Market(latency_ms=0, symbol="BTC/USDT:USDT")
    market.quote(60_000, 60_000.1)
    bought = fills(market.broker.submit(market.order("0.01")))[0]
    assert bought.fee == bought.price * D("0.01") * D("0.0005")
    assert bought.fee_asset == "USDT"


def test_makers_pay_the_makers_fee_and_fees_round_up() -> None:
    market = Market(latency_ms=0, symbol="BTC/USDT:USDT")
    market.quote(60_000, 60_000.1)
    market.broker.submit(market.order("0.01", limit=59_000))
    made = fills(market.tick(58_999.0, after_ms=1))[0]
    assert made.fee == D(59_000) * D("0.01") * D("0.0002")
    coins = Market(latency_ms=0, symbol="SHIB/USDT")
    coins.quote(0.00001233, 0.00001234)
    bought = fills(coins.broker.submit(coins.order("900001")))[0]
    exact = bought.quantity * bought.price * D("0.001")
    assert exact < bought.fee < exact + D("0.00000001")


def test_beyond_the_depth_no_exit_is_better_than_the_deepest_level() -> None:
    """With a law so weak that it would flatter, the book that was there still binds."""
    market = Market(latency_ms=0, cost__impact_coefficient=0.1)
    market.quote(60_000, 60_001)
    thin = Book(symbol=SYMBOL, time_ns=START_NS, bids=((60_000.0, 0.1), (59_000.0, 0.1)), asks=BIDS)
    found = Found(thin, "book", thin, 60_000.0, 1.0)
    matcher = Matcher(
        market.parameters, market.costs, market.broker.tape, market.broker.instruments
    )
    taken = matcher.all_of(market.order("0.5", Side.SELL, Purpose.EXIT), found)
    assert (taken.quantity, taken.price) == (D("0.5"), D(59_000))


def test_a_bar_that_began_before_a_limit_came_does_not_fill_it() -> None:
    """Its low may lie before the order."""
    market = warmed()
    began = market.clock.now_ns()
    market.clock.advance(MINUTE // 2)
    market.broker.submit(market.order("0.1", limit=59_900))
    market.clock.advance(MINUTE // 2)
    values: dict[str, Any] = {"open": 6e4, "high": 6e4, "low": 5e4, "close": 6e4, "volume": 1.0}
    bar = Bar(symbol=SYMBOL, open_ns=began, span_ns=MINUTE, **values)
    assert fills(market.broker.on_market(bar)) == []
    assert len(fills(market.bar(60_000.0, 60_010.0, 59_899.0, 60_000.0))) == 1
