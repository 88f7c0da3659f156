"""Orders, fills, brokers and proposals for the tests of execution and portfolio."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from engine.core.clock import MINUTE, SECOND, ManualClock
from engine.core.ids import Ids
from engine.core.parameters import Parameters
from engine.core.types import (
    Bar,
    Book,
    Direction,
    Fill,
    Gate,
    Instrument,
    Liquidity,
    Order,
    OrderState,
    OrderType,
    Proposal,
    Purpose,
    Quote,
    Side,
    Tick,
)
from engine.execution.paper import PaperBroker
from engine.execution.proposals import ProposalBook
from engine.market.costs import CostModel
from engine.market.instruments import packaged

SYMBOL = "BTC/USDT"
START_NS = 20_000 * 24 * 60 * MINUTE
"""A midnight UTC, in 2024."""


def D(value: object) -> Decimal:
    return Decimal(str(value))


class Market:
    """A paper broker with its clock and a hand on the market."""

    def __init__(self, latency_ms: float = 50.0, symbol: str = SYMBOL, **settings: float) -> None:
        self.parameters = Parameters()
        self.parameters.set("paper.latency_ms", latency_ms, "test")
        for name, value in settings.items():
            self.parameters.set(name.replace("__", "."), value, "test")
        self.clock = ManualClock(START_NS)
        self.ids = Ids("test")
        self.costs = CostModel(self.parameters)
        self.instrument: Instrument = packaged(symbol)
        self.broker = PaperBroker(
            self.parameters, self.costs, self.ids, self.clock, {symbol: self.instrument}
        )
        self.symbol = symbol

    def order(
        self,
        quantity: object,
        side: Side = Side.BUY,
        purpose: Purpose = Purpose.ENTRY,
        limit: object | None = None,
        position: str = "X-1",
    ) -> Order:
        order_id = self.ids.next("O")
        return Order(
            id=order_id,
            client_id=self.ids.client_order_id(order_id),
            symbol=self.symbol,
            side=side,
            type=OrderType.MARKET if limit is None else OrderType.LIMIT,
            purpose=purpose,
            quantity=D(quantity),
            limit=None if limit is None else D(limit),
            state=OrderState.INTENT,
            created_ns=self.clock.now_ns(),
            position=position,
        )

    def quote(self, bid: float, ask: float, size: float = 10.0, after_ms: float = 0) -> list[Any]:
        self.clock.advance(int(after_ms * 1e6))
        return self.broker.on_market(
            Quote(
                symbol=self.symbol,
                time_ns=self.clock.now_ns(),
                bid=bid,
                ask=ask,
                bid_size=size,
                ask_size=size,
            )
        )

    def book(
        self,
        bids: tuple[tuple[float, float], ...],
        asks: tuple[tuple[float, float], ...],
        after_ms: float = 0,
    ) -> list[Any]:
        self.clock.advance(int(after_ms * 1e6))
        return self.broker.on_market(
            Book(symbol=self.symbol, time_ns=self.clock.now_ns(), bids=bids, asks=asks)
        )

    def tick(
        self, price: float, size: float = 1.0, after_ms: float = 0, buyer_maker: bool = True
    ) -> list[Any]:
        self.clock.advance(int(after_ms * 1e6))
        return self.broker.on_market(
            Tick(
                symbol=self.symbol,
                time_ns=self.clock.now_ns(),
                price=price,
                size=size,
                buyer_maker=buyer_maker,
            )
        )

    def bar(
        self, open_: float, high: float, low: float, close: float, volume: float = 20.0
    ) -> list[Any]:
        """The minute from now on; the clock stands at its close afterwards."""
        opened = self.clock.now_ns()
        self.clock.advance(MINUTE)
        return self.broker.on_market(
            Bar(
                symbol=self.symbol,
                open_ns=opened,
                span_ns=MINUTE,
                open=open_,
                high=high,
                low=low,
                close=close,
                volume=volume,
            )
        )


def fill(
    number: object,
    side: Side,
    quantity: object,
    price: object,
    *,
    at_ns: int = START_NS,
    fee: object = 0,
    fee_asset: str = "USDT",
    position: str = "X-1",
    symbol: str = SYMBOL,
) -> Fill:
    return Fill(
        id=f"F-{number}",
        order=f"O-{number}",
        symbol=symbol,
        side=side,
        quantity=D(quantity),
        price=D(price),
        fee=D(fee),
        fee_asset=fee_asset,
        liquidity=Liquidity.TAKER,
        time_ns=at_ns,
        position=position,
    )


def gate(code: str, passed: bool = True) -> Gate:
    return Gate(
        code=code,
        name=code,
        passed=passed,
        value=1.0,
        threshold=2.0,
        distance=1.0,
        unit="%",
        hard=False,
    )


def propose(book: ProposalBook, now_ns: int = START_NS, **changes: Any) -> Proposal:
    terms: dict[str, Any] = {
        "now_ns": now_ns,
        "symbol": SYMBOL,
        "direction": Direction.LONG,
        "quantity": D("0.01"),
        "price": D(60_000),
        "stop": D(59_000),
        "targets": (D(62_000),),
        "strategy": "ema_cross",
        "decision": "D-1",
        "confidence": 0.7,
        "gates": (gate("spread"), gate("daily_loss")),
        "factors": (),
    }
    return book.create(**{**terms, **changes})


def later(seconds: float) -> int:
    return START_NS + int(seconds * SECOND)
