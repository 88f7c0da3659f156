"""What a watched position reports: the event, its word, and the composite reason."""

from __future__ import annotations

import math
from dataclasses import dataclass

from engine.core.exits import ExitReason
from engine.position import step
from engine.position.settings import SIGNAL_NAMES

REASONS = {
    step.STOPPED: ExitReason.STOP_LOSS,
    step.TRAILED: ExitReason.TRAILING_STOP_LOSS,
    step.BROKE_EVEN: ExitReason.BREAK_EVEN,
    step.TOOK_PROFIT: ExitReason.TAKE_PROFIT,
    step.PARTIAL: ExitReason.PARTIAL_PROFIT,
    step.TIMED_OUT: ExitReason.TIME_EXIT,
    step.HELD_OUT: ExitReason.TIME_EXIT,
    step.DAY_ENDED: ExitReason.END_OF_DAY,
    step.WEEK_ENDED: ExitReason.WEEKEND,
    step.STALED: ExitReason.STALE,
    step.URGENT_EXIT: ExitReason.URGENCY,
    step.URGENT_REDUCE: ExitReason.URGENCY,
    step.QUICK_EXIT: ExitReason.QUICK_EXIT,
    step.GUARDED: ExitReason.LIQUIDATION,
    step.HALVED: ExitReason.REDUCE_HALF,
    step.CLOSED: ExitReason.FORCE_EXIT,
    step.EVOLVED: ExitReason.EVOLVED_RULE,
    step.EMERGENCY: ExitReason.EMERGENCY_EXIT,
    step.SIGNALLED: ExitReason.EXIT_SIGNAL,
    step.ENDED: ExitReason.FORCE_EXIT,
}
"""The word for each code of the compiled step; a scale-in is no exit and has none."""

REQUESTS = {
    ExitReason.REDUCE_HALF: step.ASK_HALVE,
    ExitReason.FORCE_EXIT: step.ASK_CLOSE,
    ExitReason.EVOLVED_RULE: step.ASK_EVOLVED,
}
"""What a policy or an evolved exit rule may ask of the watch at the next price."""


@dataclass(frozen=True, slots=True)
class WatchEvent:
    """What happens to a position now. `price` is the level, or the price that jumped over it.

    `reason` is None for a scale-in, which asks for `lots` more and waits for `add`. `index`
    counts rungs and scale-ins from 1. `fired` and `absent` name the urgency signals;
    `urgency` is NaN where the plan does not weigh them.
    """

    code: int
    reason: ExitReason | None
    price: float
    lots: int
    remaining: int
    index: int
    time_ns: int
    urgency: float
    fired: tuple[str, ...]
    absent: tuple[str, ...]

    @property
    def closed(self) -> bool:
        """True where nothing of the position is left."""
        return self.remaining == 0

    @property
    def text(self) -> str:
        """The composite reason: what closed the position and every signal that fired then."""
        words = str(self.reason) if self.reason else f"scale_in {self.index}"
        if self.code == step.PARTIAL:
            words += f" {self.index}"
        if self.fired:
            words += f"; urgency {self.urgency:.1f}: {', '.join(self.fired)}"
            if self.absent:
                words += f" (absent: {', '.join(self.absent)})"
        return words


def read_event(code: int, out: step.Floats, remaining: int, now_ns: int) -> WatchEvent:
    """The compiled step's answer as a value; urgency is NaN where it was not weighed."""
    urgency = float(out[step.OUT_URGENCY])
    weighed = not math.isnan(urgency)
    return WatchEvent(
        code=code,
        reason=REASONS.get(code),
        price=float(out[step.OUT_PRICE]),
        lots=int(out[step.OUT_LOTS]),
        remaining=remaining,
        index=int(out[step.OUT_INDEX]) if code in (step.PARTIAL, step.SCALED_IN) else 0,
        time_ns=now_ns,
        urgency=urgency,
        fired=_names(int(out[step.OUT_FIRED])) if weighed else (),
        absent=_names(int(out[step.OUT_ABSENT])) if weighed else (),
    )


def _names(bits: int) -> tuple[str, ...]:
    return tuple(name for k, name in enumerate(SIGNAL_NAMES) if bits & (1 << k))
