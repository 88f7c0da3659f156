"""Orders: what was sent to the venue and what became of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from engine.core.types import Order, OrderState, Side
from engine.core.views import Snapshot
from widgets import numbers
from widgets.columns import Column
from widgets.lines import Run
from widgets.rows import Row
from widgets.tablepanel import TablePanel

_STATE_ROLES = {
    OrderState.INTENT: "muted",
    OrderState.SENT: "note",
    OrderState.OPEN: "note",
    OrderState.PARTIAL: "note",
    OrderState.FILLED: "gain",
    OrderState.CANCELLED: "muted",
    OrderState.REJECTED: "danger",
    OrderState.UNKNOWN: "danger bold",
}


class OrdersPanel(TablePanel):
    """Live orders first, then the ended ones, each group the newest first."""

    title = "Orders"
    live = False
    empty = ("No order was sent.", "Entries, exits and what rests at the venue stand here.")
    columns = (
        Column("time", "UTC", 5, rank=2),
        Column("symbol", "Symbol", 8, most=18),
        Column("side", "Side", 6),
        Column("size", "Size", 6, "right", most=14),
        Column("price", "Price", 8, "right", rank=1, most=12),
        Column("state", "State", 9),
        Column("for", "For", 8, rank=3, most=18),
        Column("type", "Type", 6, rank=4),
        Column("filled", "Filled", 6, "right", rank=5),
        Column("reason", "", 10, rank=6, grows=True),
    )

    def parts(self, snapshot: Snapshot) -> tuple[object, ...]:
        return snapshot.orders

    def items(self, snapshot: Snapshot) -> Iterable[Row]:
        ordered = sorted(snapshot.orders, key=lambda o: (not o.state.live, -o.created_ns))
        return self.made.build(((order.id, (order,)) for order in ordered), self._row)

    def _row(self, order: Order) -> Row:
        price = order.limit if order.limit is not None else order.expected_price
        done = float(order.filled / order.quantity) if order.quantity else 0.0
        buys = order.side is Side.BUY
        about = "~" if order.limit is None and price else ""
        return Row(
            order.id,
            {
                "time": (numbers.clock(order.created_ns), "muted"),
                "symbol": (order.symbol, "bold"),
                "side": (f"{numbers.UP if buys else numbers.DOWN} {order.side.value}",
                         "gain" if buys else "loss"),
                "size": numbers.quantity(order.quantity),
                "price": about + numbers.price(price) if price else (order.type.value, "muted"),
                "state": (order.state.value, _STATE_ROLES[order.state]),
                "for": ((order.exit_reason or order.purpose.value).replace("_", " "), "soft"),
                "type": (order.type.value, "muted"),
                "filled": (numbers.share(done), "muted"),
                "reason": (order.reason, "muted"),
            },
            sort={"time": float(order.created_ns), "filled": done},
            symbol=order.symbol,
        )  # fmt: skip

    def note(self) -> Sequence[Run]:
        live = sum(order.state.live for order in self.snapshot.orders) if self.snapshot else 0
        return ((f"{live} live", "note"),) if live else ()
