"""What the tape did after a fill: told where it can be known, and only there."""

from __future__ import annotations

import math
from typing import Any

import pytest

from engine.core.clock import MINUTE, SECOND
from engine.core.honesty import Aftermath
from engine.core.types import Bar, Fill, MarketEvent, Purpose, Quote, Side, Tick
from engine.execution.aftermath import STOPPED, Aftermaths
from engine.execution.broker import FillEvent
from engine.portfolio.honesty import HonestyReport
from engine.portfolio.ledger import Terms
from engine.portfolio.optimism import LEAST, student
from tests.execution_help import SYMBOL, Market

NAMES = ("1s", "5s", "1m", "5m")


class Watched(Market):
    """A market whose broker's fills are watched, as the kernel does it."""

    def __init__(self, latency_ms: float = 0) -> None:
        super().__init__(latency_ms)
        self.after = Aftermaths(self.costs, self.broker.tape, {SYMBOL: self.instrument})
        self.ended: list[Aftermath] = []
        self.fills: list[Fill] = []

    def event(self, event: MarketEvent) -> None:
        self.ended += self.after.take(event)
        self.filled(self.broker.on_market(event))

    def filled(self, events: list[Any]) -> None:
        for event in events:
            if isinstance(event, FillEvent):
                self.fills.append(event.fill)
                self.after.add(event.fill)

    def offer(self, bid: float, ask: float, after_s: float = 0.0) -> None:
        self.clock.advance(int(after_s * SECOND))
        self.event(
            Quote(symbol=SYMBOL, time_ns=self.clock.now_ns(), bid=bid, ask=ask, bid_size=50.0,
                  ask_size=50.0)
        )  # fmt: skip

    def trade(
        self, price: float, size: float = 0.1, after_s: float = 0.0, maker: bool = True
    ) -> None:
        self.clock.advance(int(after_s * SECOND))
        self.event(
            Tick(symbol=SYMBOL, time_ns=self.clock.now_ns(), price=price, size=size,
                 buyer_maker=maker)
        )  # fmt: skip

    def minute(self, o: float, h: float, low: float, c: float) -> None:
        opened = self.clock.now_ns()
        self.clock.advance(MINUTE)
        self.event(
            Bar(symbol=SYMBOL, open_ns=opened, span_ns=MINUTE, open=o, high=h, low=low, close=c,
                volume=50.0)
        )  # fmt: skip

    def buy(self, quantity: str = "1", **terms: Any) -> None:
        self.filled(self.broker.submit(self.order(quantity, **terms)))


def test_prices_and_the_next_market_are_those_of_the_tape() -> None:
    market = Watched()
    market.offer(100.0, 100.2)
    market.buy("1")
    market.offer(101.0, 101.2, after_s=0.5)
    market.offer(102.0, 102.2, after_s=3)
    market.offer(103.0, 103.2, after_s=50)
    market.offer(104.0, 104.2, after_s=240)
    assert market.ended == []
    market.offer(110.0, 110.2, after_s=10)
    [told] = market.ended
    assert [one.after for one in told.later] == list(NAMES)
    assert [one.price for one in told.later] == pytest.approx([101.1, 102.1, 103.1, 104.1])
    assert told.later[0].how == "quote"
    assert told.again_how == "quote"
    assert told.again == pytest.approx(101.2)
    assert (told.available, told.through_ns) == (False, -1)
    assert told.limit == pytest.approx(100.0)


def test_a_price_that_stayed_was_still_there_and_a_waiting_order_would_have_filled() -> None:
    market = Watched()
    market.offer(100.0, 100.2)
    market.buy()
    market.offer(100.0, 100.2, after_s=0.4)
    market.trade(99.9, after_s=20)
    market.offer(99.0, 99.2, after_s=300)
    [told] = market.ended
    assert told.available is True
    assert told.through_ns == pytest.approx(20.4 * SECOND)
    assert told.again == pytest.approx(100.2)


def test_silence_is_no_answer() -> None:
    market = Watched()
    market.offer(100.0, 100.2)
    market.buy()
    assert market.after.on_time(market.clock.now_ns() + 6 * MINUTE) == []
    [told] = market.after.on_time(market.clock.now_ns() + 8 * MINUTE)
    assert told.available is None
    assert math.isnan(told.again)
    assert told.again_how == "no market came within five minutes"
    assert [one.price for one in told.later] == pytest.approx([100.1] * 4)
    assert told.later[3].how == "quote 300 s old"


def test_bars_tell_nothing_finer_than_themselves() -> None:
    market = Watched(latency_ms=50)
    for _ in range(3):
        market.minute(100.0, 101.0, 99.0, 100.0)
    market.buy()
    market.minute(100.0, 100.5, 99.5, 100.4)
    [fill] = market.fills
    for price in (101.0, 102.0, 103.0, 104.0, 105.0, 106.0):
        market.minute(price, price + 1, price - 0.5, price)
    [told] = market.ended
    assert [one.how for one in told.later[:2]] == ["the bars are too long to tell"] * 2
    assert all(math.isnan(one.price) for one in told.later[:2])
    assert [one.price for one in told.later[2:]] == [101.0, 105.0]
    assert told.again_how == "the close of its bar"
    assert told.again > 100.4
    assert told.available is None
    assert fill.time_ns < told.time_ns + SECOND


@pytest.mark.parametrize(("traded", "rule"), [(True, "traded through"), (False, "missed")])
def test_a_limit_that_was_assumed_filled_is_held_against_the_tape(traded: bool, rule: str) -> None:
    market = Watched()
    market.offer(100.0, 100.2)
    market.buy("1", limit=100)
    market.trade(100.0, size=80.0, after_s=1)
    [fill] = market.fills
    if traded:
        market.trade(99.99, after_s=5)
    market.offer(103.0, 103.2, after_s=10)
    market.offer(103.0, 103.2, after_s=280)
    market.offer(103.0, 103.2, after_s=20)
    [told] = market.ended
    assert told.again_how.startswith(rule)
    assert told.limit == float(fill.price)
    if traded:
        assert told.again == float(fill.price)
    else:
        assert told.through_ns == -1
        assert told.again > 103.0


def test_a_stop_cuts_a_watch_short_and_says_so() -> None:
    market = Watched()
    market.offer(100.0, 100.2)
    market.buy()
    market.offer(100.4, 100.6, after_s=2)
    [so_far] = market.after.standing()
    assert not so_far.ended
    [fill] = market.fills
    later = Aftermaths(market.costs, market.broker.tape, {SYMBOL: market.instrument})
    assert later.resume(fill, so_far, fill.time_ns + 30 * SECOND) is None
    [going_on] = later.standing()
    assert [one.how for one in going_on.later] == ["quote", STOPPED]
    assert going_on.again_how == "quote"
    whole = Aftermaths(market.costs, market.broker.tape, {SYMBOL: market.instrument})
    gone = whole.resume(fill, None, fill.time_ns + 3600 * SECOND)
    assert gone is not None
    assert gone.ended
    assert {one.how for one in gone.later} == {gone.again_how} == {STOPPED}


def test_a_sale_has_the_other_sign() -> None:
    market = Watched()
    market.offer(100.0, 100.2)
    market.buy(side=Side.SELL, purpose=Purpose.EXIT)
    market.offer(99.0, 99.2, after_s=0.5)
    [so_far] = market.after.standing()
    assert so_far.limit == pytest.approx(100.2)
    report = HonestyReport("USDT")
    [fill] = market.fills
    report.fill(fill, Terms(SYMBOL, fill_direction(fill)))
    report.aftermath(so_far)
    row = report.view({}).fills[0]
    assert row.optimism_bps == pytest.approx(100.0, rel=1e-6)
    assert row.cost_bps == pytest.approx(-9.99, abs=0.01)


def fill_direction(fill: Fill) -> Any:
    from engine.core.types import Direction

    return Direction.SHORT if fill.side is Side.SELL else Direction.LONG


def test_the_interval_is_students_and_needs_five_fills() -> None:
    # Two-sided 95 % quantiles of Student's t from any table.
    for degrees, quantile in ((4, 2.776), (9, 2.262), (29, 2.045), (200, 1.972)):
        assert student(degrees, 0.95) == pytest.approx(quantile, rel=0.005)
    report = HonestyReport("USDT")
    market = Watched()
    for number in range(LEAST):
        assert math.isnan(report.view({}).overall.low)
        market.offer(100.0, 100.2, after_s=1)
        market.buy()
        market.offer(100.0, 100.2 + 0.01 * number, after_s=0.1)
        [told] = market.after.standing()
        fill = market.fills[-1]
        report.fill(fill, Terms(SYMBOL, fill_direction(fill)))
        report.aftermath(type(told)(**{**_fields(told), "ended": True}))
        market.after = Aftermaths(market.costs, market.broker.tape, {SYMBOL: market.instrument})
    overall = report.view({}).overall
    assert overall.n == LEAST
    assert overall.low < overall.bps < overall.high
    assert overall.bps == pytest.approx(1.996, rel=0.01)
    assert overall.amount == pytest.approx(0.1, rel=0.01)


def _fields(told: Aftermath) -> dict[str, Any]:
    return {name: getattr(told, name) for name in told.__struct_fields__}
