"""One open position under watch: prices go in, what happens now comes out.

The kernel holds one of these for each position and calls it on every tick; the work is done
by the compiled step, so that a tick costs a microsecond. The watch counts as sold what it
announces and takes it back when the order fails (`restore`), so that nothing is sold twice.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from engine.core.errors import InvariantBroken, QuarterdeckError
from engine.core.exits import ExitReason
from engine.position import step
from engine.position.events import REASONS, REQUESTS, WatchEvent, read_event
from engine.position.path import bar_path, path_times
from engine.position.plan import (
    MOST_TARGETS,
    ExitPlan,
    regime_code,
    split_targets,
    target_prices,
)


class PositionWatch:
    """Stops, targets and deadlines of one position, moved and checked price by price."""

    def __init__(
        self, state: step.Floats, marks: step.Ints, rules: step.Floats, lot_size: float
    ) -> None:
        self._state, self._marks, self._rules = state, marks, rules
        self._out = np.zeros(step.OUT_SIZE)
        self._step = step.make_step()
        self._path = step.make_path()
        self.lot_size = lot_size

    @classmethod
    def open(cls, plan: ExitPlan) -> PositionWatch:
        """Start watching a position by its plan; the plan itself stays as it was."""
        return cls(plan.state.copy(), plan.marks.copy(), plan.rules.copy(), plan.entry.lot_size)

    def on_price(
        self, price: float, now_ns: int, continuous: bool = False
    ) -> tuple[WatchEvent, ...]:
        """What happens at this price, in order; mostly nothing, an empty tuple.

        `continuous` says that the market moved through every price since the last one, as
        along the path of a bar; then levels fill at themselves. A tick is a jump: what it
        jumped over fills at the tick. Raises `InvariantBroken` for a price that is none and
        for time that runs backwards.
        """
        code = self._step(
            self._state, self._marks, self._rules, price, now_ns, not continuous, self._out
        )
        return () if code == step.NONE else self._happened(code, price, now_ns, continuous)

    def on_bar(
        self, open_: float, high: float, low: float, close: float, open_ns: int, close_ns: int
    ) -> tuple[WatchEvent, ...]:
        """A bar as the path of its four prices; its open is a jump, the rest is continuous."""
        prices = bar_path(open_, high, low, close, int(self._state[step.DIRECTION]))
        times = path_times(open_ns, close_ns)
        found = self._path(self._state, self._marks, self._rules, *prices, *times, self._out)
        if found == step.QUIET:
            return ()
        code, at = divmod(found, step.PATH)
        events = [*self._happened(code, prices[at], times[at], at > 0)]
        for k in range(at + 1, len(prices)):
            if self.closed:
                break
            events += self.on_price(prices[k], times[k], continuous=True)
        return tuple(events)

    def _happened(
        self, code: int, price: float, now_ns: int, continuous: bool
    ) -> tuple[WatchEvent, ...]:
        """The event that the step has just told, and what else this price does."""
        events = []
        while code > step.NONE:
            events.append(self._event(code, now_ns))
            code = self._step(
                self._state, self._marks, self._rules, price, now_ns, not continuous, self._out
            )
        if code == step.BAD_PRICE:
            raise InvariantBroken(f"a position was shown the price {price}", "check the feed")
        if code == step.BAD_TIME:
            raise InvariantBroken(
                "a position was shown a price from the past",
                f"{now_ns} after {int(self._marks[step.SEEN])}",
            )
        return tuple(events)

    def _event(self, code: int, now_ns: int) -> WatchEvent:
        return read_event(code, self._out, int(self._marks[step.LOTS]), now_ns)

    # What the kernel tells the watch.

    def refresh(self, atr: float, score: float = math.nan, regime: str | None = None) -> None:
        """Take over what the close of a decision bar brought; NaN and None mean absent."""
        step.refresh(
            self._state, self._marks, self._rules, float(atr), float(score), regime_code(regime)
        )

    def request(self, what: ExitReason) -> None:
        """Ask for a cut or a close at the next price: a policy's action, an evolved rule."""
        code = REQUESTS.get(what)
        if code is None:
            raise QuarterdeckError(
                f"{what} can't be asked of a watch", f"{', '.join(REQUESTS)} can"
            )
        self._marks[step.REQUEST] = code
        self._marks[step.NEXT] = 0

    def add(self, lots: int, price: float) -> None:
        """A scale-in was filled: more lots, a new average entry, a new break-even."""
        if lots < 1 or not 0 < price < math.inf:
            raise QuarterdeckError(f"can't add {lots} lots at {price}", "both must be positive")
        step.add_lots(self._state, self._marks, self._rules, int(lots), float(price))

    def reduce(self, lots: int) -> None:
        """Lots were sold by somebody else: a person, the venue, a reconciliation."""
        if not 0 < lots <= self.lots:
            raise QuarterdeckError(
                f"can't take {lots} lots off a position of {self.lots}", "reconcile first"
            )
        self._marks[step.LOTS] -= lots
        self._marks[step.NEXT] = 0

    def restore(self, event: WatchEvent) -> None:
        """The order of this event failed: hold its lots again and announce it again."""
        state, marks = self._state, self._marks
        if event.code == step.SCALED_IN:
            return
        marks[step.LOTS] += event.lots
        marks[step.NEXT] = 0
        if event.code == step.PARTIAL:
            k = event.index - 1
            state[step.RUNG + k] = event.price * state[step.DIRECTION]
            marks[step.LADDER_SOLD] -= event.lots
        elif event.code == step.URGENT_REDUCE:
            marks[step.BITS] &= ~step.BIT_REDUCED
        elif event.code == step.TIMED_OUT:
            marks[step.TIME_UNTIL] = event.time_ns
        elif event.code in (step.HALVED, step.CLOSED, step.EVOLVED):
            assert event.reason is not None
            marks[step.REQUEST] = REQUESTS[event.reason]

    # What a person, or a rule on a person's behalf, may move.

    def move_stop(self, price: float | None, by_person: bool = False) -> bool:
        """Move the stop; False where it was refused because it would not tighten.

        Only a person may loosen or (None) lift it. Nobody may set it where it would fire at
        once: closing is a command of its own.
        """
        state = self._state
        if price is None:
            if not by_person:
                return False
            level = -math.inf
        else:
            level = price * float(state[step.DIRECTION])
            if not level < state[step.LAST]:
                raise QuarterdeckError(
                    f"a stop at {price:g} would fire at once",
                    f"the last price is {self.last:g}; close the position instead",
                )
        if not by_person and not level > state[step.STOP]:
            return False
        state[step.STOP] = level
        self._marks[step.STOP_KIND] = step.STOPPED
        self._marks[step.NEXT] = 0
        return True

    def move_targets(self, prices: Sequence[float]) -> None:
        """Sell what is held in equal parts at these prices; none lifts all targets."""
        sign = float(self._state[step.DIRECTION])
        if len(prices) > MOST_TARGETS or any(
            not self._state[step.LAST] < price * sign < math.inf for price in prices
        ):
            raise QuarterdeckError(
                "targets must lie beyond the last price, on the profitable side",
                f"the last price is {self.last:g}; {MOST_TARGETS} targets at most",
            )
        split_targets(self._state, self._marks, self._rules, tuple(prices))

    def set_taken_over(self, taken: bool) -> None:
        """A person manages this position, or gives it back.

        The levels in force stay in force and are theirs to move; no rule moves one or adds
        an exit of its own, the liquidation guard excepted.
        """
        if taken:
            self._marks[step.BITS] |= step.BIT_TAKEN_OVER
        else:
            self._marks[step.BITS] &= ~step.BIT_TAKEN_OVER
        self._marks[step.NEXT] = 0

    def set_guard(self, price: float | None) -> None:
        """Where the position is closed to keep it from being liquidated; None without margin."""
        guard = -math.inf if price is None else price * float(self._state[step.DIRECTION])
        self._state[step.GUARD_AT] = guard
        self._marks[step.NEXT] = 0

    # What the screen and the journal ask.

    def _price(self, slot: int) -> float:
        return float(self._state[slot] * self._state[step.DIRECTION])

    @property
    def direction(self) -> int:
        return int(self._state[step.DIRECTION])

    @property
    def entry(self) -> float:
        """Average entry price."""
        return float(self._state[step.ENTRY])

    @property
    def last(self) -> float:
        return self._price(step.LAST)

    @property
    def stop(self) -> float | None:
        """The stop in force, None where a person lifted it."""
        stop = self._price(step.STOP)
        return stop if math.isfinite(stop) else None

    @property
    def stop_kind(self) -> ExitReason:
        """What a fill at the stop would be called now."""
        return REASONS[int(self._marks[step.STOP_KIND])]

    @property
    def guard(self) -> float | None:
        guard = self._price(step.GUARD_AT)
        return guard if math.isfinite(guard) else None

    @property
    def targets(self) -> tuple[float, ...]:
        """Prices at which lots are still to be sold, nearest first."""
        return target_prices(self._state)

    @property
    def lots(self) -> int:
        return int(self._marks[step.LOTS])

    @property
    def seen_ns(self) -> int:
        """The time of the last price it was shown; nothing earlier may follow."""
        return int(self._marks[step.SEEN])

    @property
    def closed(self) -> bool:
        return self.lots == 0

    @property
    def taken_over(self) -> bool:
        return bool(self._marks[step.BITS] & step.BIT_TAKEN_OVER)

    @property
    def mfe_pct(self) -> float:
        """Best price seen while held, as profit in percent of the average entry."""
        return self._excursion(step.BEST)

    @property
    def mae_pct(self) -> float:
        """Worst price seen while held, as a loss in percent of the average entry, positive."""
        return -self._excursion(step.WORST)

    def _excursion(self, slot: int) -> float:
        entry = self._state[step.DIRECTION] * self._state[step.ENTRY]
        return float(100.0 * (self._state[slot] - entry) / abs(entry))

    @property
    def pnl_pct(self) -> float:
        """Profit at the last price, before costs, in percent of the average entry."""
        return self._excursion(step.LAST)

    @property
    def r_multiple(self) -> float:
        """Profit at the last price in units of the distance from entry to initial stop."""
        entry = self._state[step.DIRECTION] * self._state[step.ENTRY]
        return float((self._state[step.LAST] - entry) / self._state[step.RISK])

    def to_dict(self) -> dict[str, Any]:
        """Everything, exactly: floats as hexadecimal text, for the journal."""
        return {
            "lot_size": float(self.lot_size).hex(),
            "state": [float(value).hex() for value in self._state],
            "marks": [int(value) for value in self._marks],
            "rules": [float(value).hex() for value in self._rules],
        }

    @classmethod
    def from_dict(cls, stored: dict[str, Any]) -> PositionWatch:
        """The watch as it was; raises `QuarterdeckError` for what no watch has written."""
        try:
            state = np.array([float.fromhex(text) for text in stored["state"]])
            marks = np.array([int(value) for value in stored["marks"]], np.int64)
            rules = np.array([float.fromhex(text) for text in stored["rules"]])
            lot_size = float.fromhex(stored["lot_size"])
        except (KeyError, TypeError, ValueError) as error:
            raise QuarterdeckError("a stored position watch can't be read", str(error)) from None
        sizes = (len(state), len(marks), len(rules))
        if sizes != (step.STATE_SIZE, step.MARKS_SIZE, step.RULES_SIZE):
            raise QuarterdeckError(
                "a stored position watch has another layout", f"sizes {sizes}; migrate it"
            )
        return cls(state, marks, rules, lot_size)
