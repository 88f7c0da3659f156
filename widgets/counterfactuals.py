"""Not made: trades that were refused, expired or overridden, and what they would have made."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from engine.core.types import Direction
from engine.core.views import Counterfactual, Snapshot
from widgets import numbers, words
from widgets.columns import Column
from widgets.facts import flow
from widgets.lines import Line, Run
from widgets.rows import Row
from widgets.tablepanel import TablePanel


class CounterfactualsPanel(TablePanel):
    """Trades that were not made: those still followed first, then how the others ended."""

    title = "Not made"
    live = False
    follows = True
    empty = (
        "No trade was refused yet.",
        "Each that is refused, rejected or expires stands here with what it would have made.",
    )
    columns = (
        Column("time", "UTC", 5, rank=2),
        Column("symbol", "Symbol", 8, most=18),
        Column("side", "Side", 7, rank=3),
        Column("kind", "Was", 8, most=10),
        Column("code", "By", 10, rank=1, most=20),
        Column("pct", "%", 7, "right", most=9),
        Column("ended", "Ended by", 10, rank=4, grows=True),
    )

    def parts(self, snapshot: Snapshot) -> tuple[object, ...]:
        return snapshot.counterfactuals

    def items(self, snapshot: Snapshot) -> Iterable[Row]:
        kept = {one.id: one for one in reversed(snapshot.counterfactuals)}
        return self.made.build(
            ((one.id, (one,)) for one in reversed(tuple(kept.values()))), counterfactual_row
        )

    def details(self, row: Row, width: int) -> Sequence[Line]:
        every = self.snapshot.counterfactuals if self.snapshot else ()
        one = next((each for each in every if each.id == row.key), None)
        if one is None:
            return ()
        marks = [
            (name, [(numbers.percent(pct), numbers.role(pct))]) for name, pct in one.marks
        ] or [("After", [("less than a minute", "muted")])]
        facts = [("At", [(numbers.rounded(one.price, 8), "")]), *marks]
        if one.who:
            facts.append(("No by", [(one.who, "")]))
        if math.isfinite(one.gross_pct):
            facts.append(("Before fees", [(numbers.percent(one.gross_pct), "")]))
        if one.unseen_ns:
            facts.append(("Not seen", [(numbers.held(one.unseen_ns), "warn")]))
        return flow(facts, width)

    def note(self) -> Sequence[Run]:
        every = self.snapshot.counterfactuals if self.snapshot else ()
        ended = [one for one in every if one.ended]
        if not ended:
            return ()
        won = sum(one.pnl_pct > 0 for one in ended)
        return ((f"{won} of {len(ended)} would have won", "muted"),)


def counterfactual_row(one: Counterfactual) -> Row:
    """A trade that was not made as a table row."""
    return Row(
        one.id,
        {
            "time": (numbers.clock(one.time_ns), "muted"),
            "symbol": (one.symbol, "bold"),
            "side": words.side(Direction(one.direction)),
            "kind": (one.kind, "soft"),
            "code": (one.code.replace("_", " "), "muted"),
            "pct": words.signed(one.pnl_pct, numbers.number(one.pnl_pct, 2, sign=True)),
            "ended": (one.ended.replace("_", " "), "soft") if one.ended else ("followed", "note"),
        },
        sort={"time": float(one.time_ns), "pct": one.pnl_pct},
        symbol=one.symbol,
    )
