"""Labelled values set into lines: how details say many small things in little room."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from widgets.cells import fit, wrap
from widgets.lines import Line, Run, crop, line_width, run

Fact = tuple[str, Sequence[Run]]
"""A label and the runs of its value."""

_GAP = "   "


def flow(facts: Iterable[Fact], width: int) -> list[Line]:
    """Facts one after another, as many on a line as fit; none is broken in two."""
    lines: list[Line] = []
    line: list[Run] = []
    for label, value in facts:
        fact: Line = (run(f"{label} " if label else "", "muted"), *value)
        if line and line_width(tuple(line)) + len(_GAP) + line_width(fact) > width:
            lines.append(crop(line, width))
            line = []
        line += [(_GAP, ""), *fact] if line else fact
    if line:
        lines.append(crop(line, width))
    return lines


def listed(facts: Iterable[Fact], width: int, label_width: int = 14) -> list[Line]:
    """Facts one under another, their values aligned."""
    return [
        crop((run(fit(label, label_width), "muted"), ("  ", ""), *value), width)
        for label, value in facts
    ]


def heading(text: str, width: int, more: Sequence[Run] = ()) -> Line:
    """The heading of a part of a document: its name, then a thin rule."""
    line: list[Run] = [run(text, "bold soft"), *more, (" ", "")]
    rest = width - line_width(tuple(line))
    return crop((*line, ("─" * max(0, rest), "grid")), width)


def paragraph(text: str, width: int, words: str = "", limit: int = 200) -> list[Line]:
    """Running text, wrapped."""
    return [(run(line, words),) for line in wrap(text, width, limit)]
