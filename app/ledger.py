"""`quarterdeck changes`: what was learned, with its figures.

Answered from the journal alone: the comparison of a change that is still watched is counted
from the comparisons themselves, as the running engine counts it.
"""

from __future__ import annotations

from typing import Annotated, Any

import typer

from app.journals import ConfigFile, Db, Feed, Json, Mode, Picked, pick_for
from app.recount import VERDICTS, Outcomes, checks, counted, current, missing
from app.telling import Table, plain, say, say_facts, say_json, say_table
from engine.core.clock import iso
from engine.core.errors import ConfigError
from engine.core.learning import Change, ChangeState, Compared
from engine.journal.errors import JournalDamaged
from engine.journal.lines import value_text
from engine.journal.queries import Reader

Which = Annotated[str, typer.Argument(metavar="[ID]", help="one change, such as C-3")]
StateOf = Annotated[str, typer.Option("--state", help="only these: asked, applied, kept, …")]
Check = Annotated[bool, typer.Option("--check", help="count every figure again")]

FIGURES = frozenset(("n", "mean", "low", "high"))


def register(app: typer.Typer) -> None:
    """Add `changes` to the command line."""
    app.command("changes")(changes)


def changes(
    which: Which = "",
    state: StateOf = "",
    check: Check = False,
    db: Db = None,
    feed: Feed = None,
    mode: Mode = None,
    config: ConfigFile = None,
    as_json: Json = False,
) -> int:
    """Everything that learning changed: before, after, evidence, n, interval, verdict, who."""
    known = tuple(one.value for one in ChangeState)
    if state and state not in known:
        raise ConfigError(f"{state!r} is no state of a change", f"write {', '.join(known)}")
    picked = pick_for(config, db, feed, mode)
    with Reader(picked.path) as reader:
        if which:
            return tell_change(reader, picked, which.upper(), as_json, check=check)
        facts = [change_facts(change, compared) for change, compared in ledger(reader, "", state)]
        if check:
            outcomes = Outcomes(reader)
            for one in facts:
                _count_again(reader, one, outcomes)
        frozen = reader.frozen()
        trials = sum(len(search.values) for search in reader.trials())
    whole = {"journal": str(picked.path), "frozen": frozen, "trials": trials, "changes": facts}
    if as_json:
        say_json(whole)
    else:
        say(f"{picked.path} ({picked.because})")
        _tell_all(whole)
    return _verdict_of(facts, as_json) if check else 0


def tell_change(
    reader: Reader, picked: Picked, name: str, as_json: bool, check: bool = False
) -> int:
    """Everything about one change; raises `ConfigError` where there is none of this id."""
    found = ledger(reader, name)
    if not found:
        raise ConfigError(f"there is no change {name}", "`quarterdeck changes` lists all")
    facts = {"journal": str(picked.path), **change_facts(*found[0]), **_detail(reader, name)}
    if check:
        _count_again(reader, facts)
    if as_json:
        say_json(facts)
    else:
        _tell_one(facts)
    return _verdict_of([facts], as_json) if check else 0


def _count_again(reader: Reader, facts: dict[str, Any], outcomes: Outcomes | None = None) -> None:
    facts["checks"] = checks(reader, facts["id"], outcomes)
    facts["agrees"] = all(found["agrees"] for found in facts["checks"])


def ledger(
    reader: Reader, which: str = "", state: str = ""
) -> list[tuple[Change, tuple[Compared, ...]]]:
    """Changes as they stand, the last one that moved first, with what they were compared on."""
    if which:
        found = reader.change(which)
        moved = [found] if found is not None else []
    else:
        moved = reader.changes(state=state or None)
    compared: dict[str, list[Compared]] = {}
    for one in reader.compared(which or None):
        compared.setdefault(one.change, []).append(one)
    rows = [(record.change, tuple(compared.get(record.change.id, ()))) for record in moved]
    return [(current(change, own), own) for change, own in rows]


def change_facts(change: Change, compared: tuple[Compared, ...] = ()) -> dict[str, Any]:
    """A change by stable names; figures that are not there are null."""
    target = change.target
    shadow, net = change.shadow, change.net
    if shadow is None:
        shadow, net = counted(compared)
    return {
        "id": change.id,
        "target": target.text,
        "target_kind": str(target.kind),
        "name": target.name,
        "scope": [part for part in (target.symbol, target.regime, target.strategy) if part],
        "before": change.before,
        "stood": change.replaced,
        "after": change.after,
        "kind": str(change.kind),
        "lean": str(change.lean),
        "state": str(change.state),
        "in_force": change.state.in_force,
        "verdict": VERDICTS[change.state],
        "who": change.who,
        "decided_by": change.decided_by,
        "reason": change.reason,
        "note": change.note,
        "evidence": plain(change.evidence),
        "n": shadow.n,
        "interval": [plain(shadow.low), plain(shadow.high)],
        "shadow": plain(shadow),
        "net": plain(net),
        **{
            name: iso(at) if at else None
            for name, at in (
                ("made", change.made_ns), ("applied", change.applied_ns),
                ("ends", change.ends_ns), ("ended", change.ended_ns),
            )
        },
    }  # fmt: skip


def _detail(reader: Reader, name: str) -> dict[str, Any]:
    found = reader.change(name)
    return {
        "history": [
            {"time": iso(step.time_ns), "state": str(step.change.state), "who": str(step.who),
             "why": step.why}
            for _, step in reader.change_steps(name)
        ],
        "comparisons": [
            {"time": iso(row.time_ns), **plain(row.compared),
             "gross": row.compared.new_gross - row.compared.old_gross,
             "net": row.compared.new_net - row.compared.old_net}
            for _, row in reader.comparisons(name)
        ],
        "missing_ids": missing(reader, found.change) if found is not None else [],
    }  # fmt: skip


def _verdict_of(facts: list[dict[str, Any]], quiet: bool) -> int:
    """0 where every figure was counted again; otherwise as for a damaged journal."""
    wrong = [one["id"] for one in facts if not one["agrees"]]
    if not wrong:
        return 0
    if not quiet:
        say(f"figures that don't follow from their comparisons: {', '.join(wrong)}")
    return JournalDamaged.exit_code


def figures(evidence: dict[str, Any]) -> str:
    """`n 40, mean +0.11 R in [−0.31, +0.53] at 95 %`, and plainly that there is none."""
    n, mean = evidence["n"], evidence["mean"]
    if not n or mean is None:
        return f"n {n}" + (f", {evidence['note']}" if evidence["note"] else "")
    unit = evidence["unit"]
    text = f"n {n}, mean {mean:+.3f} {unit}"
    if evidence["bound"]:
        sure = f"{100 * (1 - evidence['alpha']):.3g} %"
        low, high = (end(evidence[name]) for name in ("low", "high"))
        text += f" in [{low}, {high}] at {sure}"
    else:
        text += ", no interval"
    return text


def end(value: float | str | None) -> str:
    """A mean or an end of an interval, signed."""
    return "—" if value is None else value if isinstance(value, str) else f"{value:+.3f}"


def change_rows(facts: list[dict[str, Any]]) -> Table:
    """Changes as a table: what moved, on which evidence, and what became of it."""
    columns = ("id", "target", "before", "after", "kind", "evidence n", "n", "mean", "low",
               "high", "verdict", "who")  # fmt: skip
    rows = [
        [one["id"], one["target"], value_text(one["stood"]), value_text(one["after"]),
         one["kind"], one["evidence"]["n"], one["shadow"]["n"], end(one["shadow"]["mean"]),
         end(one["shadow"]["low"]), end(one["shadow"]["high"]), one["verdict"], one["who"]]
        for one in facts
    ]  # fmt: skip
    return Table(
        "changes (n, mean and interval: new less old in R, before fees)",
        columns,
        rows,
        right=FIGURES | {"evidence n"},
        empty="nothing has been learned yet",
    )


def _tell_all(whole: dict[str, Any]) -> None:
    say_table(change_rows(whole["changes"]))
    if whole["frozen"]:
        say(f"frozen against changes: {', '.join(whole['frozen'])}")
    say(f"values tried in searches: {whole['trials']}")


def _tell_one(one: dict[str, Any]) -> None:
    say(f"{one['id']}: {one['target']} {value_text(one['stood'])} → {value_text(one['after'])}")
    lean = "is neutral to risk" if one["lean"] == "neutral" else f"{one['lean']} risk"
    say(f"{one['verdict']}; a {one['kind']} by {one['who']} that {lean}")
    say(one["reason"])
    say_facts(
        [("evidence", f"{one['evidence']['metric']}: {figures(one['evidence'])}"),
         ("before fees", figures(one["shadow"])),
         ("after fees", figures(one["net"])),
         *((name, one[name]) for name in ("made", "applied", "ends", "ended")),
         ("decided by", one["decided_by"] or None), ("note", one["note"] or None)]
    )  # fmt: skip
    rows = [[step["time"][:19], step["state"], step["who"], step["why"]] for step in one["history"]]
    say_table(Table("history", ("time", "state", "who", "why"), rows))
    compared = [
        [row["time"][:16], row["opportunity"],
         *(f"{row[name]:+.3f}" for name in ("old_gross", "new_gross", "gross", "net"))]
        for row in one["comparisons"]
    ]  # fmt: skip
    columns = ("time", "opportunity", "old R", "new R", "difference", "after fees")
    say_table(Table("compared on", columns, compared, right=frozenset(columns[2:]),
                    empty="nothing yet"))  # fmt: skip
    if one["missing_ids"]:
        say(f"not in this journal: {', '.join(one['missing_ids'])}")
    for check in one.get("checks", ()):
        word = "counted again, the same" if check["agrees"] else "DIFFERS"
        say(f"{check['figure']} when {check['state']}: {word}: {check['counted_again']}")
