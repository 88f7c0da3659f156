"""F18, F20, F22 and F23 at small counts, and the law of the order's states."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from engine.core.errors import InvariantBroken
from engine.core.types import Direction, Order, OrderState, OrderType, Purpose, Side
from engine.execution.orders import NEXT, advance, fill_order
from engine.portfolio.pnl import pnl, pnl_pct
from tests.execution_help import START_NS
from tests.faults import execution as faults

prices = st.decimals("0.00000001", "1000000", places=8)
sizes = st.decimals("0", "100000", places=8)
directions = st.sampled_from(Direction)


def test_any_size_and_price_passes_the_filters() -> None:
    assert faults.filters(2_000, seed=1) == []


def test_any_history_of_fills_gives_one_exact_ledger() -> None:
    assert faults.histories(300, seed=1) == []


def test_three_clients_never_send_two_orders_or_unseen_terms() -> None:
    assert faults.approvals(500, seed=1) == []


def test_an_order_sent_again_fills_once() -> None:
    assert faults.resent(200, seed=1) == []


@given(directions, prices, prices, sizes)
def test_pnl_is_antisymmetric_and_additive(
    direction: Direction, entry: Decimal, leave: Decimal, quantity: Decimal
) -> None:
    gain = pnl(direction, entry, leave, quantity)
    other = Direction.SHORT if direction is Direction.LONG else Direction.LONG
    assert pnl(other, entry, leave, quantity) == -gain
    assert pnl(direction, leave, entry, quantity) == -gain
    assert pnl(direction, entry, leave, quantity * 2) == gain + gain
    assert pnl(direction, entry, leave, quantity, Decimal(10)) == gain * 10
    rising = leave > entry
    assert (gain > 0) == (quantity > 0 and leave != entry and rising is (direction.sign > 0))


@given(directions, prices, prices, st.integers(2, 9))
def test_pnl_in_parts_equals_pnl_at_once(
    direction: Direction, entry: Decimal, leave: Decimal, parts: int
) -> None:
    whole = Decimal(parts) / 8
    pieces = sum((pnl(direction, entry, leave, Decimal("0.125")) for _ in range(parts)), Decimal(0))
    assert pieces == pnl(direction, entry, leave, whole)


def test_pnl_pct_is_in_percent_points() -> None:
    assert pnl_pct(Direction.LONG, Decimal(100), Decimal("101.6")) == 1.6
    assert pnl_pct(Direction.SHORT, Decimal(100), Decimal("101.6")) == -1.6


class OrderLife(RuleBasedStateMachine):
    """Whatever happens to an order, its state, fills and end agree."""

    def __init__(self) -> None:
        super().__init__()
        self.order = Order(
            id="O-1",
            client_id="qd-O-1",
            symbol="BTC/USDT",
            side=Side.BUY,
            type=OrderType.MARKET,
            purpose=Purpose.ENTRY,
            quantity=Decimal(10),
            limit=None,
            state=OrderState.INTENT,
            created_ns=START_NS,
            position="X-1",
        )
        self.now = START_NS

    @rule(state=st.sampled_from(OrderState))
    def move(self, state: OrderState) -> None:
        before = self.order
        self.now += 1
        try:
            self.order = advance(before, state, self.now)
        except InvariantBroken:
            assert self.order is before
            return
        assert state is before.state or state in NEXT[before.state]

    @rule(lots=st.integers(-1, 11))
    def execute(self, lots: int) -> None:
        before = self.order
        self.now += 1
        try:
            self.order = fill_order(before, Decimal(lots), self.now)
        except InvariantBroken:
            assert self.order is before
            return
        assert self.order.filled == before.filled + lots
        assert lots > 0

    @precondition(lambda self: self.order.state is OrderState.CANCELLED)
    @rule()
    def a_late_fill_completes_or_stays_cancelled(self) -> None:
        late = fill_order(self.order, self.order.quantity - self.order.filled, self.now)
        assert late.state is OrderState.FILLED

    @invariant()
    def books_agree(self) -> None:
        order = self.order
        assert 0 <= order.filled <= order.quantity
        assert (order.state is OrderState.FILLED) == (order.filled == order.quantity)
        assert bool(order.ended_ns) == (not order.state.live)
        if order.state in (OrderState.INTENT, OrderState.REJECTED):
            assert order.filled == 0
        if order.state is OrderState.PARTIAL:
            assert order.filled > 0


TestOrderLife = OrderLife.TestCase
TestOrderLife.settings = settings(max_examples=60, stateful_step_count=20, deadline=None)
