"""The scoreboard: what each gate, each answer of a person and each adviser was worth."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from engine.core.learning import Evidence, Score
from engine.core.views import Snapshot
from widgets import learned
from widgets.columns import Column
from widgets.facts import paragraph
from widgets.lines import Line, Run, crop, run
from widgets.rows import Row
from widgets.tablepanel import TablePanel


class ScoreboardPanel(TablePanel):
    """One row for each that said yes or no; no figure where there are too few outcomes."""

    title = "Scoreboard"
    live = False
    empty = (
        "No trade was refused, approved or taken over yet.",
        "What each gate and each answer was worth stands here, once 30 outcomes are known.",
    )
    columns = (
        Column("who", "Who", 6, most=10),
        Column("what", "What", 10, most=18, grows=True),
        Column("n", "n", 3, "right", most=6),
        Column("mean", "Worth %", 7, "right", rank=1),
        Column("interval", "95 % interval", 16, rank=2, most=18),
        Column("says", "Says", 10, most=14),
    )

    def parts(self, snapshot: Snapshot) -> tuple[object, ...]:
        view = snapshot.learning
        return view.scoreboard if view is not None else ()

    def items(self, snapshot: Snapshot) -> Iterable[Row]:
        view = snapshot.learning
        rows = view.scoreboard if view is not None else ()
        return self.made.build(((f"{one.who} {one.what}", (one,)) for one in rows), score_row)

    def least_rows(self) -> int:
        return min(8, len(self.table.shown) + 1)

    def details(self, row: Row, width: int) -> Sequence[Line]:
        view = self.snapshot.learning if self.snapshot is not None else None
        every = view.scoreboard if view is not None else ()
        one = next((each for each in every if f"{each.who} {each.what}" == row.key), None)
        if one is None:
            return ()
        text = "Per opportunity, after fees: a refusal is worth what the trade would have lost."
        return [
            crop(learned.figures(one.evidence), width),
            *paragraph(text, width, "muted", limit=2),
        ]


def says(evidence: Evidence) -> Run:
    """What a row proves, in a word."""
    if not evidence.bound:
        return "not enough", "muted"
    if evidence.low > 0:
        return "✓ worth it", "gain"
    return ("✕ costs more", "loss") if evidence.high < 0 else ("◌ undecided", "note")


def score_row(one: Score) -> Row:
    """A row of the scoreboard."""
    evidence = one.evidence
    return Row(
        f"{one.who} {one.what}",
        {
            "who": run(one.who, "soft"),
            "what": run(one.what.replace("_", " "), "bold"),
            "n": (str(evidence.n), "soft"),
            "mean": learned.mean(evidence),
            "interval": learned.interval(evidence),
            "says": says(evidence),
        },
        sort={"n": float(evidence.n), "mean": evidence.mean},
    )
