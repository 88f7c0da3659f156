"""The control state: what may be done at all, and who may loosen it.

Machines may only tighten. The one thing that loosens by itself is the end of a day that was
closed for its loss; everything else waits for a person, because a breaker that resets
itself is no breaker.
"""

from __future__ import annotations

from collections.abc import Iterable

from engine.core.clock import day_of
from engine.core.types import Actor, Control
from engine.core.views import ControlView

DAY_CLOSED = "day closed: "
"""How the reason of a REDUCING that ends with the day begins; the journal keeps the reason,
so a restart knows it too."""


class ControlMachine:
    """ACTIVE, REDUCING, HALTED or LOCKED, with why, since when and by whom."""

    def __init__(
        self,
        state: Control = Control.ACTIVE,
        reason: str = "",
        since_ns: int = 0,
        who: Actor = Actor.ENGINE,
    ) -> None:
        self.state = state
        self.reason = reason
        self.since_ns = since_ns
        self.who = who

    @classmethod
    def restored(cls, stored: Iterable[ControlView]) -> ControlMachine:
        """The most restrictive of the states found at a restart; the first of equal ones."""
        machine = cls()
        for view in stored:
            if view.state.severity > machine.state.severity:
                machine = cls(view.state, view.reason, view.since_ns, view.who)
        return machine

    def view(self) -> ControlView:
        """The state as screens show it."""
        return ControlView(
            state=self.state, reason=self.reason, since_ns=self.since_ns, who=self.who
        )

    def move(self, state: Control, reason: str, who: Actor, now_ns: int) -> bool:
        """Take a state; False when nothing moved.

        A person may move anywhere, and may make the engine's state their own, so that a
        pause outlasts the day. The engine moves to a more restrictive state, or ends a day
        that it closed itself.
        """
        if state is self.state and (who is Actor.ENGINE or who is self.who):
            return False
        loosens = state.severity < self.state.severity
        if who is Actor.ENGINE and loosens and not self._day_over(now_ns):
            return False
        self.state, self.reason, self.since_ns, self.who = state, reason, now_ns, who
        return True

    def due(self, now_ns: int) -> tuple[Control, str] | None:
        """The state that time alone brings: ACTIVE after the day that was closed."""
        if self._day_over(now_ns):
            return Control.ACTIVE, "a new day"
        return None

    def _day_over(self, now_ns: int) -> bool:
        return (
            self.state is Control.REDUCING
            and self.who is Actor.ENGINE
            and self.reason.startswith(DAY_CLOSED)
            and day_of(now_ns) > day_of(self.since_ns)
        )
