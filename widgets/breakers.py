"""Breakers: what each measures of which base, how far it is from opening, and what clears it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from engine.core.types import BreakerState
from engine.core.views import BreakerView, Snapshot
from widgets import numbers
from widgets.columns import Column
from widgets.facts import flow
from widgets.gauge import gauge
from widgets.lines import Line, Run
from widgets.rows import Row
from widgets.tablepanel import TablePanel

_BAR = 10
_STATES: dict[BreakerState, Run] = {
    BreakerState.CLOSED: ("✓ closed", "gain"),
    BreakerState.HALF_OPEN: ("◐ half", "warn"),
    BreakerState.OPEN: ("✕ OPEN", "danger bold"),
}
_NEAREST = (BreakerState.OPEN, BreakerState.HALF_OPEN, BreakerState.CLOSED)


class BreakersPanel(TablePanel):
    """One row a breaker; what stops entries stands first."""

    title = "Breakers"
    empty = (
        "Nothing is measured yet.",
        "Each circuit breaker stands here with its limit as soon as the engine runs.",
    )
    columns = (
        Column("state", "State", 8),
        Column("name", "Breaker", 12, most=20),
        Column("bar", "Used", _BAR, rank=3),
        Column("value", "Is", 5, "right", rank=1, most=10),
        Column("limit", "Opens at", 8, rank=1, most=16),
        Column("since", "Since", 6, rank=4),
        Column("reason", "", 10, rank=5, grows=True),
    )

    def parts(self, snapshot: Snapshot) -> tuple[object, ...]:
        return snapshot.breakers

    def items(self, snapshot: Snapshot) -> Iterable[Row]:
        ordered = sorted(snapshot.breakers, key=lambda one: _NEAREST.index(one.state))
        return self.made.build(((one.name, (one,)) for one in ordered), breaker_row)

    def details(self, row: Row, width: int) -> Sequence[Line]:
        breakers = self.snapshot.breakers if self.snapshot else ()
        one = next((each for each in breakers if each.name == row.key), None)
        if one is None:
            return ()
        until = numbers.clock(one.until_ns) if one.until_ns else numbers.NONE
        return flow(
            [
                ("Of", [(one.base, "")]),
                ("Cleared by", [(one.clears, "")]),
                ("Until", [(until, "")]),
            ],
            width,
        )

    def note(self) -> Sequence[Run]:
        breakers = self.snapshot.breakers if self.snapshot else ()
        count = sum(one.state is BreakerState.OPEN for one in breakers)
        return ((f"{count} open", "danger bold"),) if count else ()


def breaker_row(one: BreakerView) -> Row:
    """A breaker as a table row."""
    used = one.value / one.limit if one.limit > 0 else 0.0
    told = one.state is not BreakerState.CLOSED
    measured = not math.isnan(one.limit)
    limit = f"{numbers.rounded(one.limit, 4)} {one.unit}" if measured else "not measured"
    return Row(
        one.name,
        {
            "state": _STATES[one.state],
            "name": (one.title.capitalize(), "bold" if told else ""),
            "bar": gauge(used, _BAR),
            "value": numbers.rounded(one.value, 4) if measured else numbers.NONE,
            "limit": (limit, "muted"),
            "since": (numbers.clock(one.since_ns) if one.since_ns else "", "muted"),
            "reason": (one.reason if told else "", "soft"),
        },
        sort={"bar": used, "value": one.value, "since": float(one.since_ns)},
    )
