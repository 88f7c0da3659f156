"""The sniper: entries that wait for their price, watched on every tick.

A tick on which nothing triggers is by far the most common one, so each symbol keeps its
thresholds sorted and the nearest one on either side at hand: a tick costs one look-up and
three comparisons, however many conditions are armed.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import msgspec

from engine.core.parameters import declare
from engine.core.types import TradeCondition

CHECK_BUDGET = declare(
    "sniper.min_move_check_ms",
    1.0,
    low=0.01,
    high=10.0,
    unit="ms",
    risk=0,
    doc="What checking the conditions on one tick may take before health reports it.",
    learnable=False,
)


@dataclass(slots=True)
class _Watch:
    """One symbol's conditions: (trigger, id) sorted, by direction, and what is nearest.

    `low` and `high` bound the prices at which nothing triggers, `expiry` the time until
    which nothing expires.
    """

    rising: list[tuple[float, str]] = field(default_factory=list)
    falling: list[tuple[float, str]] = field(default_factory=list)
    low: float = -math.inf
    high: float = math.inf
    expiry: int = 1 << 62

    def bound(self, conditions: Mapping[str, TradeCondition]) -> None:
        self.high = self.rising[0][0] if self.rising else math.inf
        self.low = self.falling[-1][0] if self.falling else -math.inf
        armed = [conditions[id_].valid_until_ns for _at, id_ in (*self.rising, *self.falling)]
        self.expiry = min(armed, default=1 << 62)


class Sniper:
    """Armed conditions of all symbols. Owned by the kernel thread; does no I/O.

    A condition is a plain `TradeCondition`, so keeping it over a restart is arming it again.
    """

    def __init__(self) -> None:
        self._conditions: dict[str, TradeCondition] = {}
        self._watches: dict[str, _Watch] = {}
        self._expired: list[TradeCondition] = []

    def set_conditions(
        self,
        conditions: Iterable[TradeCondition],
        prices: Mapping[str, float] | None = None,
        now_ns: int = 0,
    ) -> list[tuple[TradeCondition, str]]:
        """Replace everything armed; returns what was refused, and why (see `arm`)."""
        self._conditions.clear()
        self._watches.clear()
        refused: list[tuple[TradeCondition, str]] = []
        for condition in conditions:
            why = self.arm(condition, (prices or {}).get(condition.symbol), now_ns)
            if why:
                refused.append((condition, why))
        return refused

    def arm(self, condition: TradeCondition, price: float | None = None, now_ns: int = 0) -> str:
        """Watch for a condition; returns why it is refused, or an empty string.

        Refused are triggers that are no price, validity that is over, and triggers that
        `price` has already passed: such an entry would be made at another price than the
        one it was written for. An id that is armed already is replaced.
        """
        if not (condition.trigger > 0 and math.isfinite(condition.trigger)):
            return f"trigger {condition.trigger} is no price"
        if condition.valid_until_ns <= now_ns:
            return "its validity is over"
        if price is not None and _reached(condition, price):
            return f"the price {price:g} has already passed {condition.trigger:g}"
        self.disarm(condition.id)
        self._conditions[condition.id] = condition
        watch = self._watches.setdefault(condition.symbol, _Watch())
        side = watch.rising if condition.above else watch.falling
        insort(side, (condition.trigger, condition.id))
        watch.high = watch.rising[0][0] if watch.rising else math.inf
        watch.low = watch.falling[-1][0] if watch.falling else -math.inf
        watch.expiry = min(watch.expiry, condition.valid_until_ns)
        return ""

    def disarm(self, condition_id: str) -> TradeCondition | None:
        """Stop watching for a condition and return it; None if it was not armed."""
        condition = self._conditions.pop(condition_id, None)
        if condition is None:
            return None
        watch = self._watches[condition.symbol]
        side = watch.rising if condition.above else watch.falling
        del side[bisect_left(side, (condition.trigger, condition.id))]
        watch.bound(self._conditions)
        return condition

    def extend(self, condition_id: str, until_ns: int) -> None:
        """Watch for an armed condition until then, if that is later than its own end."""
        condition = self._conditions.get(condition_id)
        if condition is None or condition.valid_until_ns >= until_ns:
            return
        longer = msgspec.structs.replace(condition, valid_until_ns=until_ns)
        self._conditions[condition_id] = longer
        self._watches[condition.symbol].bound(self._conditions)

    def quiet(self, symbol: str, low: float, high: float, now_ns: int) -> bool:
        """Whether no price from `low` to `high` triggers anything, and nothing expires."""
        watch = self._watches.get(symbol)
        return watch is None or (watch.low < low <= high < watch.high and now_ns < watch.expiry)

    def veto(self, condition_id: str) -> TradeCondition | None:
        """A person stops an armed entry: the same as disarming it."""
        return self.disarm(condition_id)

    @property
    def idle(self) -> bool:
        """Whether nothing is armed at all."""
        return not self._conditions

    def conditions(self) -> tuple[TradeCondition, ...]:
        """Everything that is watched for, oldest first."""
        return tuple(sorted(self._conditions.values(), key=lambda c: (c.created_ns, c.id)))

    def on_price(self, symbol: str, price: float, now_ns: int) -> list[TradeCondition]:
        """Conditions that this price triggers, nearest trigger first; they are disarmed.

        A price that is NaN triggers nothing. What expired is never triggered.
        """
        watch = self._watches.get(symbol)
        if watch is None or (watch.low < price < watch.high and now_ns < watch.expiry):
            return _NOTHING
        return self._look(watch, price, now_ns)

    def expire_due(self, now_ns: int) -> list[TradeCondition]:
        """Conditions that expired since the last call, however that was noticed."""
        for watch in self._watches.values():
            if now_ns >= watch.expiry:
                self._expire(watch, now_ns)
        expired, self._expired = self._expired, []
        return expired

    def _look(self, watch: _Watch, price: float, now_ns: int) -> list[TradeCondition]:
        if now_ns >= watch.expiry:
            self._expire(watch, now_ns)
        last = "\U0010ffff"
        risen = watch.rising[: bisect_right(watch.rising, (price, last))]
        fallen = watch.falling[bisect_left(watch.falling, (price, "")) :]
        if price != price or not (risen or fallen):
            return []
        del watch.rising[: len(risen)]
        del watch.falling[len(watch.falling) - len(fallen) :]
        triggered = [self._conditions.pop(id_) for _at, id_ in (*risen, *reversed(fallen))]
        watch.bound(self._conditions)
        return triggered

    def _expire(self, watch: _Watch, now_ns: int) -> None:
        for _at, id_ in (*watch.rising, *watch.falling):
            if self._conditions[id_].valid_until_ns <= now_ns:
                self._expired.append(self._conditions.pop(id_))
        watch.rising = [item for item in watch.rising if item[1] in self._conditions]
        watch.falling = [item for item in watch.falling if item[1] in self._conditions]
        watch.bound(self._conditions)


_NOTHING: list[TradeCondition] = []


def _reached(condition: TradeCondition, price: float) -> bool:
    return price >= condition.trigger if condition.above else price <= condition.trigger
