"""What every circuit breaker is: a state, what it measures against which limit, and what clears it.

A breaker looks at the recent past where a gate looks at one entry. All have one shape, so
that a person reads any of them without knowing it: CLOSED lets through, OPEN stops entries,
HALF_OPEN lets one entry through on trial.
"""

from __future__ import annotations

import math
from typing import ClassVar, NamedTuple

from engine.core.parameters import Parameters
from engine.core.types import BreakerState, Control
from engine.core.views import BreakerView


class Trip(NamedTuple):
    """A breaker fired: where to move, and why."""

    state: Control
    reason: str


class Breaker:
    """Base of the breakers. Owned by the kernel thread; times are engine time.

    `hard` ones halt and stay open whatever they measure until a person resumes. `moved`
    tells that the state changed since somebody last looked.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    unit: ClassVar[str]
    clears: ClassVar[str]
    hard: ClassVar[bool] = False
    on_trial: ClassVar[bool] = False
    """Whether HALF_OPEN holds entries to one at a time and to a part of their size."""
    base: str
    """What the measured value is a value of."""

    def __init__(self, parameters: Parameters) -> None:
        self._parameters = parameters
        self.state = BreakerState.CLOSED
        self.value = 0.0
        self.limit = math.nan
        self.since_ns = 0
        self.until_ns = 0
        self.reason = ""
        self.moved = False

    @property
    def open(self) -> bool:
        return self.state is BreakerState.OPEN

    @property
    def closed(self) -> bool:
        return self.state is BreakerState.CLOSED

    @property
    def tried(self) -> bool:
        """Half open, and entries are let through one at a time."""
        return self.on_trial and self.state is BreakerState.HALF_OPEN

    def move(self, state: BreakerState, reason: str, now_ns: int, until_ns: int = 0) -> None:
        """Take a state; `until_ns` is when time alone brings the next one, 0 for never."""
        self.state, self.reason, self.until_ns = state, reason, until_ns
        self.since_ns = now_ns
        self.moved = True

    def acknowledge(self, now_ns: int) -> None:
        """A person resumed: close where the cause is over, else let the gates alone hold."""
        if self.closed:
            return
        still = self.value >= self.limit
        state = BreakerState.HALF_OPEN if still else BreakerState.CLOSED
        if state is not self.state:
            self.move(state, "resumed by a person", now_ns)

    def view(self) -> BreakerView:
        """The breaker as screens and journal show it."""
        return BreakerView(
            name=self.name, title=self.title, state=self.state, value=round(self.value, 6),
            limit=self.limit, unit=self.unit, base=self.base, since_ns=self.since_ns,
            until_ns=self.until_ns, reason=self.reason, clears=self.clears, hard=self.hard,
        )  # fmt: skip

    def restore(self, view: BreakerView) -> None:
        """Take back what the journal holds; nothing is told again."""
        self.state, self.reason, self.base = view.state, view.reason, view.base
        self.value, self.limit = view.value, view.limit
        self.since_ns, self.until_ns = view.since_ns, view.until_ns
        self.moved = False


class LevelBreaker(Breaker):
    """A breaker that opens when a measured value reaches its limit.

    Once a person has resumed while the value is still there it is HALF_OPEN and doesn't
    fire again before the value was below the limit, so that nobody is overruled a second
    later; the gate of the same limit holds meanwhile.
    """

    def measure(self, value: float, limit: float, now_ns: int) -> bool:
        """Take a value; True when the breaker opened by it."""
        self.value, self.limit = value, limit
        if self.closed:
            if not value >= limit:
                return False
            self.move(BreakerState.OPEN, self.explain(), now_ns)
            return True
        if not value >= limit and (not self.open or self.heals(now_ns)):
            self.move(BreakerState.CLOSED, "below its limit again", now_ns)
        return False

    def heals(self, now_ns: int) -> bool:
        """Whether an open breaker may close by itself when the value is below the limit."""
        del now_ns
        return not self.hard

    def explain(self) -> str:
        """The reason in figures, with the base they are measured against."""
        return f"{self.title} {self.value:.4g} {self.unit}, limit {self.limit:g} ({self.base})"
