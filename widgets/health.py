"""Health: whether stops are watched, what the engine does, and how long each step takes.

Shown once a second and in coarse steps, so that an engine in its usual state sends nothing:
what matters about these numbers is their size.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from engine.core.clock import SECOND
from engine.core.views import Health, Snapshot, StepTiming
from widgets import numbers
from widgets.cells import wrap
from widgets.document import DocumentPanel
from widgets.facts import paragraph
from widgets.lines import BLANK, Line, Run, crop, pad, run

_LABEL = 12
_SIDE_BY_SIDE = 56
_STEPS_WIDTH = 28
_SLOW_US = 5_000.0
"""A step that takes longer than a unit of engine work may: keys would feel it."""


class HealthPanel(DocumentPanel):
    """The engine about itself."""

    title = "Health"
    live = False
    empty = ("The engine has said nothing about itself yet.", "")

    def parts(self, snapshot: Snapshot) -> tuple[object, ...]:
        health = snapshot.health
        return (
            *_guard(health, bool(snapshot.positions), snapshot.time_ns),
            coarse(health.events, 2),
            coarse(health.events_per_s),
            coarse(health.decisions, 2),
            coarse(health.journal_lag),
            health.journal_state,
            health.quarantined,
            health.corrections,
            coarse(health.cycles, 2),
            *(_took(us) for step in health.cycle for us in (step.last_us, step.worst_us)),
            "\n".join((*health.faults, "", *health.warnings, "", *health.threads)),
        )

    def document(self, width: int) -> Sequence[Line]:
        snapshot = self.snapshot
        if snapshot is None:
            return ()
        health = snapshot.health
        lines = [*_told("✕ ", health.faults, "danger", width)]
        lines += _told("! ", health.warnings, "warn", width)
        facts = _facts(health, bool(snapshot.positions), snapshot.time_ns)
        steps = _steps(health.cycle, health.cycles)
        if width >= _SIDE_BY_SIDE:
            left = width - _STEPS_WIDTH - 2
            rows = max(len(facts), len(steps))
            facts += [BLANK] * (rows - len(facts))
            steps += [BLANK] * (rows - len(steps))
            lines += [
                (*pad(fact, left), ("  ", ""), *crop(step, _STEPS_WIDTH))
                for fact, step in zip(facts, steps, strict=True)
            ]
        else:
            lines += [crop(line, width) for line in (*facts, *steps)]
        if health.threads:
            text = f"{len(health.threads)} threads: {', '.join(health.threads)}"
            lines += paragraph(text, width, "muted", 3)
        return lines

    def note(self) -> Sequence[Run]:
        health = self.snapshot.health if self.snapshot else None
        if health is None:
            return ()
        if health.faults:
            return ((_count(len(health.faults), "fault"), "danger bold"),)
        return ((_count(len(health.warnings), "warning"), "warn"),) if health.warnings else ()


def coarse(value: float, digits: int = 1) -> str:
    """A number of which only the size matters: so many significant digits, no fractions."""
    if not math.isfinite(value):
        return numbers.NONE
    if 0 < abs(value) < 1:
        return "under 1"
    return numbers.number(float(f"{value:.{digits}g}"), 0)


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _told(sign: str, texts: Sequence[str], words: str, width: int) -> list[Line]:
    lines: list[Line] = []
    for text in texts:
        for index, line in enumerate(wrap(text, width - 2, 4)):
            lines.append(((sign if not index else "  ", words), run(line, words)))
    return lines


def _guard(health: Health, held: bool, now_ns: int) -> Run:
    """When stops were last checked; an age only where there is something to watch."""
    age = max(0, now_ns - health.heartbeat_ns)
    if not health.heartbeat_ok:
        return f"✕ {numbers.age(age)} ago", "danger bold"
    if not held:
        return "♦ nothing held", ""
    return (f"♦ {numbers.age(age)} ago" if age >= SECOND else "♦ under 1 s"), "gain"


def _facts(health: Health, held: bool, now_ns: int) -> list[Line]:
    state = health.journal_state or "ok"
    journal = [run(state, "gain" if state == "ok" else "danger bold")]
    if state == "ok":
        journal.append((f", lag {coarse(health.journal_lag)}", "muted"))
    named: list[tuple[str, Sequence[Run]]] = [
        ("Stops", [_guard(health, held, now_ns)]),
        ("Journal", journal),
        ("Events", [(coarse(health.events, 2), "")]),
        ("Rate", [(f"{coarse(health.events_per_s)} a second", "")]),
        ("Decisions", [(coarse(health.decisions, 2), "")]),
        ("Quarantined", [(_count(health.quarantined, "tick"), _alarm(health.quarantined))]),
        ("Corrections", [(str(health.corrections), _alarm(health.corrections))]),
    ]
    return [(run(label.ljust(_LABEL), "muted"), *value) for label, value in named]


def _alarm(count: int) -> str:
    return "warn" if count else ""


def _steps(cycle: Sequence[StepTiming], cycles: int) -> list[Line]:
    """The steps of the cycle, last and worst duration each."""
    lines: list[Line] = [
        (
            run(f"{coarse(cycles, 2)} cycles".ljust(12)[:12], "muted"),
            ("  last     worst", "muted"),
        )
    ]
    for step in cycle:
        worst = "warn" if step.worst_us >= _SLOW_US else "muted"
        lines.append(
            (
                run(step.name.ljust(10), "soft"),
                run(_took(step.last_us).rjust(8), ""),
                run(_took(step.worst_us).rjust(10), worst),
            )
        )
    return lines


def _took(us: float) -> str:
    """A duration in microseconds."""
    text = coarse(us, 2)
    return text if text == numbers.NONE else f"{text} µs"
