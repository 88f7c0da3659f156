"""The breaker against a machine that has lost its mind: too many orders, or one over and over.

Gates judge each entry by itself and may admit each of a thousand equal ones. This breaker
counts what was sent and what was asked for, and halts within the call that is one too many;
only a person ends that.
"""

from __future__ import annotations

from collections import deque

from engine.core.clock import SECOND, day_of
from engine.core.parameters import Parameter, Parameters, declare
from engine.core.types import BreakerState, Control
from engine.risk.breaker import Breaker, Trip
from engine.risk.limits import ORDERS_PER_SECOND

ORDERS_PER_PARENT = declare(
    "cb.orders_per_parent", 5, low=1, high=10, step=1, unit="count", scopes="G", risk=1,
    doc="Most entry orders that one proposal may lead to, scale-ins included.", learnable=False,
)  # fmt: skip
ORDERS_PER_DAY = declare(
    "cb.orders_per_day", 250, low=10, high=1_000, step=10, unit="count", scopes="G", risk=1,
    doc="Most entry orders from one 00:00 UTC to the next.", learnable=False,
)  # fmt: skip
REPEATS = declare(
    "cb.repeat_max", 10, low=3, high=50, step=1, unit="count", scopes="G", risk=1,
    doc="Most equal entries (symbol, side, strategy) asked for within the window of repeats.",
    learnable=False,
)  # fmt: skip
REPEAT_WINDOW = declare(
    "cb.repeat_window_s", 60, low=10, high=600, step=10, unit="s", scopes="G", risk=-1,
    doc="Span in which equal entries are counted as repeats.", learnable=False,
)  # fmt: skip

PARENTS = 4_096
"""Proposals whose orders are counted; older ones have long ended."""

Asked = tuple[str, str, str]
"""Symbol, side and strategy of an entry that was asked for."""


class Runaway(Breaker):
    """Counts entry orders by second, proposal and day, and equal wishes by window.

    Exits are not counted: protection must never be what a limit on orders stops.
    """

    name = "runaway"
    title = "runaway strategy"
    unit = "orders"
    clears = "a person's resume"
    hard = True
    base = "entry orders within one second"

    def __init__(self, parameters: Parameters) -> None:
        super().__init__(parameters)
        self.limit = float(parameters.get(ORDERS_PER_SECOND))
        self._sent: deque[int] = deque()
        self._parents: dict[str, int] = {}
        self._asked: dict[Asked, deque[int]] = {}
        self._day = -1
        self._today = 0

    def asked(self, what: Asked, now_ns: int) -> Trip | None:
        """An entry is wanted, admitted or not; a trip when it is one repeat too many."""
        if self.open:
            return None
        most = int(self._parameters.get(REPEATS))
        begin = now_ns - int(self._parameters.get(REPEAT_WINDOW)) * SECOND
        times = self._asked.setdefault(what, deque())
        times.append(now_ns)
        while times[0] < begin:
            times.popleft()
        symbol, side, strategy = what
        base = f"equal entries within {self._parameters.get(REPEAT_WINDOW)} s"
        return self._over(len(times), most, REPEATS, base, f"{side} {symbol} by {strategy}", now_ns)

    def admit(self, parent: str, now_ns: int) -> Trip | None:
        """An entry order is about to be sent; a trip when it must not be."""
        if self.open:
            return Trip(Control.HALTED, self.reason)
        get = self._parameters.get
        sent, today = self._sent, day_of(now_ns)
        while sent and sent[0] <= now_ns - SECOND:
            sent.popleft()
        if today != self._day:
            self._day, self._today = today, 0
        of_parent = self._parents.get(parent, 0) + 1 if parent else 0
        trip = (
            self._over(len(sent) + 1, int(get(ORDERS_PER_SECOND)), ORDERS_PER_SECOND,
                       "entry orders within one second", "", now_ns)
            or self._over(of_parent, int(get(ORDERS_PER_PARENT)), ORDERS_PER_PARENT,
                          "entry orders of one proposal", parent, now_ns)
            or self._over(self._today + 1, int(get(ORDERS_PER_DAY)), ORDERS_PER_DAY,
                          "entry orders since 00:00 UTC", "", now_ns)
        )  # fmt: skip
        if trip is not None:
            return trip
        self.value, self.limit = float(len(sent) + 1), float(get(ORDERS_PER_SECOND))
        self.base = "entry orders within one second"
        sent.append(now_ns)
        self._today += 1
        if parent:
            if len(self._parents) >= PARENTS:
                del self._parents[next(iter(self._parents))]
            self._parents[parent] = of_parent
        return None

    def _over(
        self, count: int, most: int, by: Parameter, base: str, what: str, now_ns: int
    ) -> Trip | None:
        if count <= most:
            return None
        self.value, self.limit, self.base = float(count), float(most), base
        detail = f" ({what})" if what else ""
        reason = f"runaway: {count} {base}{detail}, limit {most} ({by.name})"
        self.move(BreakerState.OPEN, reason, now_ns)
        return Trip(Control.HALTED, reason)

    def settle(self, now_ns: int) -> None:
        """Let the value shown fall with time; the state stays."""
        if self.closed and self._sent and self._sent[-1] <= now_ns - SECOND:
            self._sent.clear()
            self.value = 0.0

    def acknowledge(self, now_ns: int) -> None:
        """A person resumed: count anew, but for the day's orders."""
        if not self.closed:
            self._sent.clear()
            self._parents.clear()
            self._asked.clear()
            self.value = 0.0
            self.move(BreakerState.CLOSED, "resumed by a person", now_ns)

    def resume_day(self, orders: int, now_ns: int) -> None:
        """At least so many entry orders were sent today before a restart."""
        self._day, self._today = day_of(now_ns), orders
