"""What was learned as styled words, the same on every panel that shows it.

A figure is written with its n and its interval or not at all; what is undecided says so in the
word and not only in the colour.
"""

from __future__ import annotations

from engine.core.learning import Change, ChangeState, CoinStatus, Evidence, Lean, PairStatus
from widgets import numbers
from widgets.facts import Fact
from widgets.lines import Run, run

STATES: dict[ChangeState, Run] = {
    ChangeState.ASKED: ("? asks you", "bold accent"),
    ChangeState.APPLIED: ("◌ undecided", "note"),
    ChangeState.KEPT: ("✓ kept", "gain"),
    ChangeState.ROLLED_BACK: ("✕ rolled back", "loss"),
    ChangeState.STOPPED: ("■ loss stop", "danger"),
    ChangeState.EXPIRED: ("· expired", "muted"),
    ChangeState.LAPSED: ("· lapsed", "muted"),
    ChangeState.RELEASED: ("◦ released", "warn"),
    ChangeState.REVERTED: ("‹ reverted", "soft"),
    ChangeState.REFUSED: ("‹ refused", "soft"),
    ChangeState.SUPERSEDED: ("› superseded", "muted"),
    ChangeState.OVERRULED: ("‹ overruled", "warn"),
}
"""Where a change stands, as sign and word."""

LEANS: dict[Lean, Run] = {
    Lean.TIGHTENS: ("▼ tightens risk", "note"),
    Lean.LOOSENS: ("▲ loosens risk", "warn"),
    Lean.NEUTRAL: ("· neutral to risk", "muted"),
}

COINS: dict[CoinStatus, Run] = {
    CoinStatus.NORMAL: ("· normal", "muted"),
    CoinStatus.REDUCED: ("▼ reduced", "warn"),
    CoinStatus.FAVOURED: ("▲ favoured", "gain"),
    CoinStatus.BLACKLISTED: ("✕ blacklisted", "danger"),
    CoinStatus.PROBATION: ("◐ probation", "note"),
}

PAIRS: dict[PairStatus, Run] = {
    PairStatus.NORMAL: ("· normal", "muted"),
    PairStatus.FAVOURED: ("▲ favoured", "gain"),
    PairStatus.BLOCKED: ("✕ blocked", "danger"),
}

ARROW = " → "


def value(text: str) -> str:
    """A JSON value as a person reads it; nothing set in its scope is `unset`."""
    return "unset" if text == "null" else text.strip('"')


def moved(change: Change) -> tuple[Run, ...]:
    """Before and after."""
    return (
        run(value(change.replaced), "muted"), (ARROW, "muted"), run(value(change.after), "bold"),
    )  # fmt: skip


def mean(evidence: Evidence | None) -> Run:
    """The mean in the role of its sign where the interval leaves zero out, else plain."""
    if evidence is None or not evidence.n or not numbers.known(evidence.mean):
        return numbers.NONE, "muted"
    return numbers.number(evidence.mean, 2, sign=True), proven(evidence)


def interval(evidence: Evidence | None) -> Run:
    """`[−0.21, +0.94]`; a dash where there is none."""
    if evidence is None or not evidence.bound:
        return numbers.NONE, "muted"
    low, high = (numbers.number(end, 2, sign=True) for end in (evidence.low, evidence.high))
    return f"[{low}, {high}]", proven(evidence) or "soft"


def proven(evidence: Evidence) -> str:
    """The role of a figure: gain or loss once its interval leaves zero out."""
    if evidence.bound and evidence.low > 0:
        return "gain"
    return "loss" if evidence.bound and evidence.high < 0 else ""


def count(evidence: Evidence | None) -> str:
    """n, also where it is none."""
    return str(evidence.n) if evidence is not None else "0"


def figures(evidence: Evidence | None) -> tuple[Run, ...]:
    """`n 40  mean +0.37 R in [−0.21, +0.94] at 95 %`, or plainly that there is nothing yet."""
    if evidence is None or not evidence.n:
        note = evidence.note if evidence is not None else ""
        return (("n 0", "soft"), run(f"  {note or 'nothing was compared yet'}", "muted"))
    runs: list[Run] = [(f"n {evidence.n}", "soft")]
    if numbers.known(evidence.mean):
        runs += [("  mean ", "muted"), mean(evidence), run(f" {evidence.unit}", "muted")]
    if evidence.bound:
        share = 1.0 - evidence.alpha
        sure = numbers.share(share, 0 if round(share, 2) == round(share, 3) else 1)
        runs += [(" in ", "muted"), interval(evidence), (f" at {sure}", "muted")]
    elif numbers.known(evidence.mean):
        runs.append(("  no interval", "muted"))
    if evidence.note:
        runs.append(run(f"  {evidence.note}", "muted"))
    return tuple(runs)


def since(change: Change) -> int:
    """When a change came to where it stands."""
    return change.ended_ns or change.applied_ns or change.made_ns


def when(at_ns: int, now_ns: int) -> str:
    """A moment: the time of day on the same day, else the day."""
    if not at_ns:
        return numbers.NONE
    return numbers.clock(at_ns) if numbers.day(at_ns) == numbers.day(now_ns) else numbers.day(at_ns)


def times(change: Change, now_ns: int) -> list[Fact]:
    """Made, applied, ends or ended."""
    facts: list[Fact] = [("made", (run(when(change.made_ns, now_ns)),))]
    if change.applied_ns:
        facts.append(("applied", (run(when(change.applied_ns, now_ns)),)))
    if change.ended_ns:
        facts.append(("ended", (run(when(change.ended_ns, now_ns)),)))
    elif change.ends_ns:
        facts.append(("ends", (run(when(change.ends_ns, now_ns)),)))
    elif stands(change):
        facts.append(("ends", (run("by you, or by its comparison"),)))
    return facts


def stands(change: Change) -> bool:
    """Whether a change has no end of its own: a lock that rests on a verdict."""
    return change.state is ChangeState.APPLIED and not change.ends_ns
