"""The life of an order: which state may follow which, and when a refused entry is retried.

Every broker and the recovery go through `advance` and `fill_order`, so that no path can
invent a state that another one does not expect.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec

from engine.core.clock import SECOND
from engine.core.errors import InvariantBroken
from engine.core.parameters import Parameters, declare
from engine.core.types import Order, OrderState, Purpose

MAX_RETRIES = declare(
    "exec.entry_max_retries",
    3,
    low=0,
    high=8,
    step=1,
    unit="count",
    scopes="GR",
    risk=1,
    doc="How often an entry of which definitely nothing was bought is asked for again.",
)
RETRY_SLEEP = declare(
    "exec.retry_sleep_sec",
    1.0,
    low=0.25,
    high=10,
    step=0.25,
    unit="s",
    scopes="G",
    risk=-1,
    doc="Seconds before such an entry is asked for again.",
)

_S = OrderState
NEXT: dict[OrderState, frozenset[OrderState]] = {
    _S.INTENT: frozenset({_S.SENT, _S.CANCELLED, _S.REJECTED, _S.UNKNOWN}),
    _S.SENT: frozenset({_S.OPEN, _S.PARTIAL, _S.FILLED, _S.CANCELLED, _S.REJECTED, _S.UNKNOWN}),
    _S.OPEN: frozenset({_S.PARTIAL, _S.FILLED, _S.CANCELLED, _S.UNKNOWN}),
    _S.PARTIAL: frozenset({_S.FILLED, _S.CANCELLED, _S.UNKNOWN}),
    _S.UNKNOWN: frozenset({_S.OPEN, _S.PARTIAL, _S.FILLED, _S.CANCELLED, _S.REJECTED}),
    _S.CANCELLED: frozenset(),
    _S.FILLED: frozenset(),
    _S.REJECTED: frozenset(),
}
"""Legal next states. INTENT may become UNKNOWN because a crash can hide whether it was sent."""


def advance(order: Order, state: OrderState, now_ns: int, reason: str = "") -> Order:
    """The order in its next state; raises `InvariantBroken` where the law forbids it.

    The same state again is no change and returns the same object.
    """
    if state is order.state:
        return order
    if state not in NEXT[order.state]:
        raise InvariantBroken(
            f"order {order.id} can't go from {order.state} to {state}", "an event came twice"
        )
    if state is _S.PARTIAL and order.filled == 0:
        raise InvariantBroken(f"order {order.id} is partial without a fill", "")
    if state is _S.FILLED and order.filled != order.quantity:
        raise InvariantBroken(
            f"order {order.id} is filled with {order.filled} of {order.quantity}", ""
        )
    if state is _S.REJECTED and order.filled:
        raise InvariantBroken(f"order {order.id} was rejected after {order.filled} filled", "")
    return msgspec.structs.replace(
        order,
        state=state,
        reason=reason or order.reason,
        sent_ns=now_ns if state is _S.SENT else order.sent_ns,
        ended_ns=order.ended_ns if state.live else now_ns,
    )


def fill_order(order: Order, quantity: Decimal, now_ns: int) -> Order:
    """The order after an execution of `quantity`.

    A fill that crosses a cancellation on the wire is still ours: a cancelled order takes
    it, stays cancelled, and becomes filled when nothing is left.
    """
    filled = order.filled + quantity
    if quantity <= 0 or filled > order.quantity:
        raise InvariantBroken(
            f"order {order.id} for {order.quantity} can't have {filled} filled",
            "more was executed than ordered, or an execution was counted twice",
        )
    if order.state in (_S.INTENT, _S.REJECTED, _S.FILLED):
        raise InvariantBroken(f"order {order.id} was filled while {order.state}", "")
    done = filled == order.quantity
    state = _S.FILLED if done else _S.CANCELLED if order.state is _S.CANCELLED else _S.PARTIAL
    return msgspec.structs.replace(
        order,
        filled=filled,
        state=state,
        ended_ns=order.ended_ns if state.live else now_ns,
    )


def retry_after_ns(
    parameters: Parameters, order: Order, attempts: int, regime: str | None = None
) -> int | None:
    """How long to wait before an entry is asked for again, or None: not at all.

    Only a definite end without a fill is (rejected or cancelled): what was cut short is a
    position, and its growth is decided elsewhere. UNKNOWN never is: it is asked for by client
    id. Exits are no business of a retry count; what is left of them is ordered again at once
    by whoever watches the position.
    """
    if order.purpose is not Purpose.ENTRY or order.filled:
        return None
    if order.state not in (_S.REJECTED, _S.CANCELLED):
        return None
    if attempts >= parameters.get(MAX_RETRIES, regime=regime):
        return None
    return int(parameters.get(RETRY_SLEEP) * SECOND)
