"""Limits: every limit of the engine in full, with its headroom and what it would refuse."""

from __future__ import annotations

from collections.abc import Iterable

from engine.core.types import Gate
from engine.core.views import Snapshot
from widgets import words
from widgets.columns import Column
from widgets.gauge import gauge
from widgets.rows import Row
from widgets.tablepanel import TablePanel

_BAR = 12


class LimitsPanel(TablePanel):
    """One row a limit."""

    title = "Limits"
    empty = (
        "The engine has not said its limits yet.",
        "Each stands here with what is used of it as soon as it runs.",
    )
    columns = (
        Column("verdict", "", 1),
        Column("name", "Limit", 10, most=19),
        Column("bar", "Used", _BAR, rank=3),
        Column("value", "Is", 5, "right", rank=1, most=12),
        Column("limit", "May be", 7, rank=1, most=20),
        Column("left", "Left", 5, "right", rank=2, most=14),
        Column("kind", "Kind", 4, rank=4),
        Column("detail", "", 10, rank=5, grows=True),
    )

    def parts(self, snapshot: Snapshot) -> tuple[object, ...]:
        return snapshot.limits

    def items(self, snapshot: Snapshot) -> Iterable[Row]:
        return self.made.build(((gate.code, (gate,)) for gate in snapshot.limits), limit_row)


def limit_row(gate: Gate) -> Row:
    """A gate as a table row; also what the waterfall shows of it."""
    used = words.used_share(gate)
    return Row(
        gate.code,
        {
            "name": (
                gate.name.capitalize(),
                "" if gate.passed else f"bold {words.verdict(gate)[1]}",
            ),
            "verdict": words.sign(gate),
            "bar": gauge(used, _BAR) if words.measured(gate) else (),
            "value": words.gate_value(gate),
            "limit": (words.gate_limit(gate), "muted"),
            "left": words.gate_distance(gate),
            "kind": ("hard", "soft") if gate.hard else ("soft", "muted"),
            "detail": (gate.detail if words.measured(gate) else "", "muted"),
        },
        sort={"bar": used, "value": gate.value, "left": gate.distance},
    )
