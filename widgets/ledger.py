"""The ledger: everything that learners changed or want to, with figures and verdict."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from engine.core.learning import Change, ChangeState, Compared, LearningView
from engine.core.views import Snapshot
from widgets import learned, numbers
from widgets.cells import fit
from widgets.columns import Column
from widgets.facts import flow, heading, paragraph
from widgets.frame import Frame
from widgets.lines import BLANK, Line, Run, crop, run
from widgets.rows import Row
from widgets.tablepanel import DETAIL_LABEL, TablePanel

NOBODY = (
    "Nothing learns in this run.",
    "Where learning is on, each change stands here with its evidence and its verdict.",
)


def waiting(view: LearningView | None, now_ns: int) -> tuple[str, str]:
    """Why there is no change yet, with how far the learners have come."""
    if view is None:
        return NOBODY
    ended = f"{view.opportunities} opportunities have ended, {view.following} are followed"
    again = ""
    if view.next_daily_ns > now_ns:
        again = f" Learners look again in {numbers.remaining(view.next_daily_ns - now_ns)}."
    return (
        f"Nothing has been learned yet: {ended}.",
        "Each change stands here before and after, with its evidence, n, interval and verdict."
        + again,
    )


class LedgerPanel(TablePanel):
    """One row a change: what asks, what is in force, then what ended."""

    title = "Ledger"
    live = False
    empty = NOBODY
    columns = (
        Column("state", "State", 12, most=14),
        Column("target", "Target", 13, most=15, grows=True),
        Column("change", "Before → after", 13, most=18),
        Column("n", "n", 3, "right", rank=1, most=6),
        Column("mean", "Mean R", 6, "right", rank=2, most=8),
        Column("interval", "Interval", 16, rank=3, most=18),
        Column("kind", "Kind", 10, rank=4),
        Column("evidence", "Evidence n", 10, "right", rank=5),
        Column("since", "Since", 6, rank=6),
        Column("ends", "Ends", 6, rank=7),
        Column("who", "Who", 6, rank=8, most=12),
    )

    def __init__(self, *, id: str | None = None, frame: Frame = Frame.BOX) -> None:
        super().__init__(id=id, frame=frame)
        self._compared: Mapping[str, Sequence[Compared]] = {}

    def show_compared(self, compared: Mapping[str, Sequence[Compared]]) -> None:
        """Comparisons by change, oldest first, for the detail."""
        self._compared = compared

    @property
    def change(self) -> Change | None:
        """The change at the cursor, as it is drawn."""
        return self._find(self.selected_key or "")

    def _find(self, name: str) -> Change | None:
        view = self.snapshot.learning if self.snapshot is not None else None
        return next((one for one in view.changes if one.id == name), None) if view else None

    def parts(self, snapshot: Snapshot) -> tuple[object, ...]:
        view = snapshot.learning
        return (None,) if view is None else (view.changes, view.frozen, self._still(view))

    @staticmethod
    def _still(view: LearningView) -> int:
        """What the empty state counts, only while it is shown."""
        return 0 if view.changes else view.opportunities + 1_000_000 * view.following

    def take(self, snapshot: Snapshot) -> None:
        self.empty = waiting(snapshot.learning, snapshot.time_ns)
        super().take(snapshot)

    def items(self, snapshot: Snapshot) -> Iterable[Row]:
        view = snapshot.learning
        if view is None:
            return ()
        today = numbers.day(snapshot.time_ns)
        rows = (
            (one.id, (one, one.target.text in view.frozen or "*" in view.frozen, today))
            for one in view.changes
        )
        return self.made.build(
            rows, lambda one, frozen, _: ledger_row(one, frozen, snapshot.time_ns)
        )

    def details(self, row: Row, width: int) -> Sequence[Line]:
        change = self._find(row.key)
        if change is None or self.snapshot is None:
            return ()
        return summary(change, width, self.snapshot.time_ns)

    def detail(self, width: int) -> tuple[str, Sequence[Line]] | None:
        """The change in full: reason, evidence, both comparisons and what they were made on."""
        change = self.change
        if change is None or self.snapshot is None:
            return None
        lines = list(summary(change, width, self.snapshot.time_ns))
        lines += [BLANK, *_evidence(change, width), BLANK]
        lines += comparisons(self._compared.get(change.id, ()), change, width)
        return f"Change {change.id}", lines

    def note(self) -> Sequence[Run]:
        view = self.snapshot.learning if self.snapshot is not None else None
        if view is None:
            return ()
        asking = sum(one.state is ChangeState.ASKED for one in view.changes)
        notes: list[Run] = []
        if "*" in view.frozen:
            notes.append(("all frozen", "bold stale"))
        elif view.frozen:
            notes.append((f"{len(view.frozen)} frozen", "stale"))
        if asking:
            notes += [("  " if notes else "", ""), (f"{asking} asks you", "bold accent")]
        return [note for note in notes if note[0]] or super().note()

    def foot(self) -> Sequence[Run]:
        view = self.snapshot.learning if self.snapshot is not None else None
        if view is None:
            return ()
        tried = f"{view.trials} values tried" if view.trials else ""
        said = "  ".join(part for part in (view.budget, tried) if part)
        return (run(said, "muted"),) if said else ()


def ledger_row(one: Change, frozen: bool, now_ns: int) -> Row:
    """A change as a table row; figures are the comparison before fees."""
    target: list[Run] = [run(one.target.text, "" if one.state.in_force else "soft")]
    if frozen:
        target.append((" ❄", "stale"))
    compared = one.shadow
    ends = one.ends_ns if not one.ended_ns else 0
    until = "by you" if learned.stands(one) else ""
    return Row(
        one.id,
        {
            "state": learned.STATES[one.state],
            "target": tuple(target),
            "change": learned.moved(one),
            "n": (learned.count(compared), "soft"),
            "mean": learned.mean(compared),
            "interval": learned.interval(compared),
            "kind": (one.kind.value, "soft"),
            "evidence": (learned.count(one.evidence), "soft"),
            "since": (learned.when(learned.since(one), now_ns), "muted"),
            "ends": (learned.when(ends, now_ns) if ends else until, "muted"),
            "who": run(one.who, "muted"),
        },
        sort={
            "n": float(compared.n if compared else 0),
            "mean": compared.mean if compared else float("nan"),
            "evidence": float(one.evidence.n),
            "since": float(learned.since(one)),
            "ends": float(one.ends_ns),
        },
        symbol=one.target.symbol or "",
    )


def summary(change: Change, width: int, now_ns: int) -> list[Line]:
    """What there is to know of a change in a handful of lines."""
    state = learned.STATES[change.state]
    head: list[Run] = [
        run(f"{change.id} ", "bold"), *learned.moved(change), ("  ", ""), state, ("  ", ""),
        learned.LEANS[change.lean], run(f"  a {change.kind.value} by {change.who}", "muted"),
    ]  # fmt: skip
    lines: list[Line] = [
        crop((run(change.target.text, "bold"),), width),
        crop(head, width),
        *_said("before fees", learned.figures(change.shadow), width),
        *_said("after fees", learned.figures(change.net), width),
        *_said("evidence", learned.figures(change.evidence), width),
        *paragraph(change.reason, width, "soft", limit=2),
    ]
    if change.note:
        lines += paragraph(change.note, width, "muted", limit=2)
    facts = learned.times(change, now_ns)
    if change.decided_by:
        facts.append(("decided by", (run(change.decided_by),)))
    return [*lines, *flow(facts, width)]


def _said(label: str, runs: Sequence[Run], width: int) -> list[Line]:
    return [crop((run(fit(label, 12), "muted"), *runs), width)]


def _evidence(change: Change, width: int) -> list[Line]:
    """Why it was proposed, with the ids behind it."""
    one = change.evidence
    lines = [heading("Why it was proposed", width)]
    lines += paragraph(change.reason, width)
    lines.append(crop((run(f"{one.metric}: ", "muted"), *learned.figures(one)), width))
    if one.ids:
        lines += paragraph(", ".join(one.ids), width, "muted", limit=6)
    return lines


def comparisons(compared: Sequence[Compared], change: Change, width: int) -> list[Line]:
    """Each opportunity under old and new rules, the newest first, in R."""
    title = "Compared on, in R before fees"
    lines: list[Line] = [heading(title, width)]
    if not compared:
        known = change.shadow is not None and change.shadow.n > 0
        said = (
            "They are in the journal: `quarterdeck changes " + change.id + "` lists them."
            if known
            else "Nothing yet: each opportunity that begins from now on is followed with both."
        )
        return [*lines, *paragraph(said, width, "muted")]
    heads = "".join(fit(name, 10, "right") for name in ("old", "new", "more", "net more"))
    lines.append((run(fit("opportunity", DETAIL_LABEL) + heads, "muted"),))
    for one in reversed(compared):
        more, net = one.new_gross - one.old_gross, one.new_net - one.old_net
        lines.append(
            (
                run(fit(one.opportunity, DETAIL_LABEL), "soft"),
                *(_cell(figure, "") for figure in (one.old_gross, one.new_gross)),
                *(_cell(figure, numbers.role(figure)) for figure in (more, net)),
            )
        )
    return lines


def _cell(figure: float, role: str) -> Run:
    return fit(numbers.number(figure, 3, sign=True), 10, "right"), role
