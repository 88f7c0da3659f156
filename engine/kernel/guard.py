"""The guard: feeds the breakers with what happens, and does what they demand.

Breakers only measure. Here their answers become a control state, a line in the journal and
cancelled entries, in one transaction, so that a crash can't keep one without the other.
"""

from __future__ import annotations

import math

from engine.core.records import AnyRecord, BreakerChanged, ControlChanged
from engine.core.types import Account, Actor, Control, Order, Trade
from engine.kernel.desk import Desk
from engine.kernel.orders import Orders
from engine.risk.breakers import Trip


class Guard:
    """Owned by the kernel thread."""

    def __init__(self, desk: Desk, orders: Orders) -> None:
        self._desk = desk
        self._orders = orders
        if desk.feed.manual_time:
            desk.breakers.stale.base = "event time, which waits for prices on this feed"

    # What is measured.

    def check_account(self, account: Account) -> None:
        """The account's losses, and the end of a day that was closed for one."""
        desk = self._desk
        trip = desk.breakers.check_account(
            float(account.day_start_equity),
            float(account.equity),
            float(account.peak_equity),
            desk.now_ns,
        )
        if trip is None:
            due = desk.control.due(desk.now_ns)
            trip = Trip(*due) if due is not None else None
        self.tell(trip)

    def look(self) -> None:
        """What changes without an order: time, and how old the newest price is.

        Where events move the clock, no price grows old between two of them: each symbol's
        own age is the gate's to judge there.
        """
        desk = self._desk
        desk.breakers.check_time(desk.now_ns)
        if not desk.feed.manual_time:
            ages = [desk.freshness.age_s(name, desk.now_ns) for name in desk.symbols]
            if math.isfinite(age := min(ages, default=math.inf)):
                desk.breakers.check_data(age, desk.now_ns)
        self.tell()

    def trade_closed(self, trade: Trade) -> None:
        self._desk.breakers.trade_closed(trade.won, self._desk.now_ns)
        self.tell()

    def failed(self, what: str) -> None:
        """Feed or broker failed."""
        self._desk.breakers.api.failed(what, self._desk.now_ns)
        self.tell()

    def measured_var(self, value_pct: float, limit_pct: float) -> None:
        """Value at risk of what is held, in percent of equity; NaN is not known."""
        if not math.isnan(value_pct):
            self._desk.breakers.check_var(value_pct, limit_pct, self._desk.now_ns)
            self.tell()

    # What is asked for and sent.

    def asked(self, symbol: str, direction: str, strategy: str) -> None:
        """The engine wants an entry; one repeat too many halts it."""
        trip = self._desk.breakers.runaway.asked((symbol, direction, strategy), self._desk.now_ns)
        if trip is not None:
            self.tell(trip)

    def admit(self, order: Order) -> str:
        """Why this entry order must not be sent; empty where it may."""
        desk = self._desk
        held = desk.book.get(order.position)
        parent = order.proposal or (held.proposal if held is not None else order.position)
        trip = desk.breakers.runaway.admit(parent, desk.now_ns)
        if trip is not None:
            self.tell(trip)
            return trip.reason
        desk.breakers.sent(order.id)
        return ""

    def ended(self, order: Order) -> None:
        """An order ended with something left, or was never taken."""
        if not order.filled:
            self._desk.breakers.ended(order.id)

    # What follows.

    def tell(self, trip: Trip | None = None, who: Actor = Actor.ENGINE) -> None:
        """Journal what moved; move the control state where a trip demands it."""
        desk = self._desk
        records: list[AnyRecord] = [
            BreakerChanged(time_ns=desk.now_ns, breaker=one.view(), who=who)
            for one in desk.breakers.changed()
        ]
        moved = trip is not None and desk.control.move(
            trip.state, trip.reason, Actor.ENGINE, desk.now_ns
        )
        if trip is not None and moved:
            records.append(
                ControlChanged(
                    time_ns=desk.now_ns, state=trip.state, reason=trip.reason, who=Actor.ENGINE
                )
            )
        if records:
            desk.record(*records)
        if trip is not None and moved:
            desk.journal.barrier()
            if trip.state is not Control.ACTIVE:
                self._orders.cancel_entries(trip.reason)

    def acknowledge(self, who: Actor) -> list[str]:
        """A person resumed; the titles of the breakers that moved by it."""
        moved = self._desk.breakers.acknowledge(self._desk.now_ns)
        self.tell(who=who)
        return [one.title for one in moved]
