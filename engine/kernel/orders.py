"""Orders on their way: intent, barrier, send, and what the broker says of them.

An order's intent is on disk before the broker hears of it. An entry that can't be committed
is not sent; an exit that SQLite can't take goes to the emergency log, which counts as
committed, because protection must not wait for a full disk.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal

import msgspec

from engine.core.errors import CommandRefused
from engine.core.records import Accounted, AnyRecord, Entering, Filled, OrderChanged
from engine.core.types import (
    Direction,
    Fill,
    Gate,
    MarketEvent,
    Order,
    OrderState,
    OrderType,
    Proposal,
    Purpose,
)
from engine.execution.broker import BrokerEvent, FillEvent, OrderUpdate
from engine.execution.orders import advance
from engine.execution.paper import FillContext, PaperBroker
from engine.journal.errors import JournalUnavailable
from engine.kernel.desk import Desk
from engine.kernel.honesty import Honesty
from engine.kernel.symbols import SymbolDesk
from engine.portfolio.book import Booked, Plan

ENTRY_BARRIER_S = 2.0
EXIT_BARRIER_S = 0.25
"""An exit waits this long for the journal before the emergency log takes its intent."""

ENTRIES = (Purpose.ENTRY, Purpose.SCALE_IN)

Upkeep = Callable[[Fill, Order, Booked], list[AnyRecord]]
Ended = Callable[[Order], None]
Admit = Callable[[Order], str]


class Orders:
    """Sends orders and books what comes back.

    `on_fill` and `on_end` are set by whoever watches positions: the first returns the
    records that belong to the fill's own transaction, the second hears of orders that ended
    with something left. `admit` says why an entry must not be sent, `on_rejected` hears of what
    the venue refused, `on_booked` that a fill's records are on their way.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self.on_fill: Upkeep | None = None
        self.on_end: list[Ended] = []
        self.admit: Admit | None = None
        self.on_rejected: Callable[[Order], None] | None = None
        self.on_booked: Callable[[], None] = lambda: None
        self._called_off: set[str] = set()
        self.honesty = Honesty(desk)

    def make(
        self,
        *,
        symbol: str,
        direction: Direction,
        purpose: Purpose,
        quantity: Decimal,
        position: str,
        proposal: str = "",
        exit_reason: str = "",
        expected: Decimal,
        limit: Decimal | None = None,
    ) -> Order:
        """A new order in INTENT; nothing is journaled or sent yet."""
        desk = self._desk
        order_id = desk.ids.next("O")
        entry = purpose in ENTRIES
        return Order(
            id=order_id,
            client_id=desk.ids.client_order_id(order_id),
            symbol=symbol,
            side=direction.entry_side if entry else direction.exit_side,
            type=OrderType.MARKET if limit is None else OrderType.LIMIT,
            purpose=purpose,
            quantity=quantity,
            limit=limit,
            state=OrderState.INTENT,
            created_ns=desk.now_ns,
            position=position,
            proposal=proposal,
            exit_reason=exit_reason,
            expected_price=expected,
        )

    def enter(self, order: Order, gates: tuple[Gate, ...], *records: AnyRecord) -> Order:
        """Commit an entry's intent together with `records`, then send it.

        Raises `CommandRefused` with code `journal` when the intent can't be committed; then
        nothing was sent, and the order is journaled as cancelled when the disk is back. Code
        `breaker_open` is a breaker's refusal of this very order.
        """
        desk = self._desk
        refused = self.admit(order) if self.admit is not None else ""
        if refused:
            raise CommandRefused("breaker_open", f"nothing was sent: {refused}")
        desk.orders[order.id] = order
        intent = OrderChanged(time_ns=desk.now_ns, order=order, gates=gates)
        desk.record(*records, intent)
        try:
            desk.journal.barrier(ENTRY_BARRIER_S)
        except JournalUnavailable as error:
            self._drop(order, f"not sent: {error.message}")
            raise CommandRefused(
                "journal", "nothing was sent: the journal can't be written", error.message
            ) from None
        desk.tally.orders += 1
        self._take(desk.broker.submit(order))
        return desk.orders.get(order.id, order)

    def exit(self, order: Order) -> bool:
        """Commit an exit's intent and send it; False when no disk took the intent."""
        if not self._commit_exit(order):
            return False
        self._take(self._desk.broker.submit(order))
        return True

    def exit_within_bar(self, order: Order, price: Decimal, at_ns: int, source: str) -> bool:
        """As `exit`, filled inside a bar's path, where no later event will come."""
        if not self._commit_exit(order):
            return False
        desk = self._desk
        broker = desk.broker
        assert isinstance(broker, PaperBroker)
        symbol = desk.symbols[order.symbol]
        context = FillContext(
            source=source,
            path_price=price,
            daily_vol_pct=symbol.daily_vol_pct,
            volume_per_minute=symbol.volume_per_minute(),
        )
        fills = broker.fill_now(order, None, at_ns, context)
        after = broker.order(order.id) or order
        if not fills:
            self._update(after)
        for fill in fills:
            self._fill(fill, after)
        return True

    def liquidate(self, order: Order, price: Decimal, fee: Decimal, at_ns: int) -> bool:
        """As `exit`, but the venue takes the position over at `price` for `fee`."""
        if not self._commit_exit(order):
            return False
        broker = self._desk.broker
        assert isinstance(broker, PaperBroker)
        fills = broker.take_over(order, price, fee, at_ns)
        after = broker.order(order.id) or order
        if not fills:
            self._update(after)
        for fill in fills:
            self._fill(fill, after)
        return True

    def _commit_exit(self, order: Order) -> bool:
        desk = self._desk
        desk.orders[order.id] = order
        intent = OrderChanged(time_ns=desk.now_ns, order=order)
        desk.record(intent)
        try:
            desk.journal.barrier(EXIT_BARRIER_S)
        except JournalUnavailable:
            try:
                desk.journal.emergency(intent)
            except JournalUnavailable as error:
                self._drop(order, f"exit not sent: {error.message}")
                return False
        desk.tally.orders += 1
        return True

    def _drop(self, order: Order, reason: str) -> None:
        desk = self._desk
        del desk.orders[order.id]
        gone = advance(order, OrderState.CANCELLED, desk.now_ns, reason)
        desk.record(OrderChanged(time_ns=desk.now_ns, order=gone))

    def on_market(self, event: MarketEvent, symbol: SymbolDesk) -> None:
        """Let the broker see a market event, and book what it filled."""
        self.honesty.on_market(event)
        events = self._desk.broker.on_market(event)
        if events:
            self._take(events)

    def on_time(self, now_ns: int) -> None:
        """What happens to orders by time alone: activations and cancellations."""
        due = self._desk.broker.next_due_ns()
        if due is not None and due <= now_ns:
            self._take(self._desk.broker.on_time(now_ns))

    def cancel(self, order: Order, reason: str) -> None:
        """Ask for a cancellation; the order's own record tells when it took effect."""
        self._called_off.add(order.id)
        self._desk.orders[order.id] = msgspec.structs.replace(order, reason=reason)
        self._take(self._desk.broker.cancel(order.id))

    def cancel_entries(self, reason: str) -> int:
        """Cancel every entry that is still on its way; returns how many there were."""
        return self._cancel_where(reason, ENTRIES)

    def cancel_all(self, reason: str) -> int:
        return self._cancel_where(reason, tuple(Purpose))

    def _cancel_where(self, reason: str, purposes: Iterable[Purpose]) -> int:
        live = [order for order in self._desk.orders.values() if order.purpose in purposes]
        for order in live:
            self.cancel(order, reason)
        return len(live)

    def exit_lots(self, position: str) -> Decimal:
        """How much of a position exits on their way will still sell."""
        return sum(
            (
                order.quantity - order.filled
                for order in self._desk.orders.values()
                if order.position == position and order.purpose not in ENTRIES
            ),
            Decimal(0),
        )

    def _take(self, events: Iterable[BrokerEvent]) -> None:
        for event in events:
            if isinstance(event, FillEvent):
                self._fill(event.fill, event.order)
            elif isinstance(event, OrderUpdate):
                self._update(event.order)

    def _update(self, order: Order) -> None:
        desk = self._desk
        self._keep(order)
        desk.record(OrderChanged(time_ns=desk.now_ns, order=order))
        if order.state is OrderState.REJECTED and self.on_rejected is not None:
            self.on_rejected(order)
        if not order.state.live:
            self._tell_end(order)

    def _keep(self, order: Order) -> None:
        if order.state.live:
            self._desk.orders[order.id] = order
        else:
            self._desk.orders.pop(order.id, None)
            self._desk.ended_orders.append(order)

    def _fill(self, fill: Fill, order: Order) -> None:
        """Book an execution: the fill, its order, its position and the account are one fact."""
        desk = self._desk
        booked = desk.book.apply(fill, order.exit_reason)
        self._keep(order)
        if booked.applied.duplicate:
            return
        desk.tally.fills += 1
        self.honesty.filled(fill)
        records: list[AnyRecord] = [
            Filled(time_ns=desk.now_ns, fill=fill),
            OrderChanged(time_ns=desk.now_ns, order=order),
        ]
        if self.on_fill is not None:
            records += self.on_fill(fill, order, booked)
        account = desk.ledger.account(desk.now_ns, desk.marks())
        records.append(Accounted(time_ns=desk.now_ns, account=account, why="fill"))
        desk.record(*records)
        try:
            desk.journal.barrier(ENTRY_BARRIER_S)
        except JournalUnavailable:
            # What was filled stays filled: its records are queued and will be written, and
            # nobody is told before they are.
            desk.unacknowledged.append(fill)
        else:
            desk.acknowledge(fill)
        self.on_booked()
        if not order.state.live:
            self._tell_end(order)

    def _tell_end(self, order: Order) -> None:
        for listener in self.on_end:
            listener(order)
        self._called_off.discard(order.id)

    def called_off(self, order_id: str) -> bool:
        """Whether we asked for this order's end ourselves."""
        return order_id in self._called_off


def plan_for(proposal: Proposal, position: str, symbol: SymbolDesk, found: Entering | None) -> Plan:
    """What a position is opened for: the approved terms, and what its entry `found`."""
    return Plan(
        id=position,
        instrument=symbol.instrument,
        direction=proposal.direction,
        strategy=proposal.strategy,
        decision=proposal.decision,
        proposal=proposal.id,
        regime=proposal.regime,
        stop=proposal.stop,
        targets=proposal.targets,
        leverage=proposal.leverage,
        confidence=proposal.confidence,
        indicators=found.indicators if found is not None else "{}",
        conditions=found.conditions if found is not None else None,
    )
