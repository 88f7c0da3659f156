"""The frame of a panel: a thin box with its name, drawn as rows like all the rest.

Textual's own borders and titles re-send kilobytes when a word in them changes; here the top
row is a row, and a changed state costs that row's run.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

from widgets.lines import Line, Run, crop, line_width, pad


class Frame(Enum):
    """How much of a frame: a box, one rule with the name, or nothing (a tab names it)."""

    BOX = "box"
    RULE = "rule"
    NONE = "none"


# Under these sizes a box takes more than it gives.
_BOX_WIDTH = 24
_BOX_HEIGHT = 5
_RULE_HEIGHT = 3


def fitting(frame: Frame, width: int, height: int) -> Frame:
    """The frame that still leaves room for what it holds."""
    if frame is Frame.BOX and (width < _BOX_WIDTH or height < _BOX_HEIGHT):
        frame = Frame.RULE
    if frame is Frame.RULE and height < _RULE_HEIGHT:
        frame = Frame.NONE
    return frame


def inside(frame: Frame, width: int, height: int) -> tuple[int, int]:
    """Cells and rows that the frame leaves."""
    if frame is Frame.BOX:
        return max(0, width - 4), max(0, height - 2)
    if frame is Frame.RULE:
        return max(0, width - 2), max(0, height - 1)
    return width, height


def framed(
    frame: Frame,
    body: Sequence[Line],
    width: int,
    height: int,
    *,
    title: Sequence[Run],
    note: Sequence[Run] = (),
    foot: Sequence[Run] = (),
    active: bool = False,
) -> list[Line]:
    """The body in its frame: `title` left and `note` right above, `foot` in the lower edge."""
    words = "primary" if active else "frame"
    if frame is Frame.NONE:
        return list(body[:height])
    inner, rows = inside(frame, width, height)
    lines = [pad(line, inner) for line in body[:rows]]
    lines.extend([((" " * inner, ""),)] * (rows - len(lines)))
    if frame is Frame.RULE:
        top = _edge("─", "─", title, note, width, words)
        return [top, *((((" "), ""), *line, (" ", "")) for line in lines)]
    side = ("│", words)
    return [
        _edge("╭", "╮", title, note, width, words),
        *((side, (" ", ""), *line, (" ", ""), side) for line in lines),
        _edge("╰", "╯", (), foot, width, words),
    ]


def _edge(
    left: str, right: str, title: Sequence[Run], note: Sequence[Run], width: int, words: str
) -> Line:
    """A horizontal edge with text set into it: the title keeps its place, the note gives way."""
    room = width - 4
    name = crop(title, room - 2) if title and room > 4 else ()
    used = line_width(name) + 2 if name else 0
    tail = crop(note, room - used - 4) if note and room - used > 8 else ()
    runs: list[Run] = [(f"{left}─", words)]
    if name:
        runs += [(" ", words), *name, (" ", words)]
    end: list[Run] = [(f"─{right}", words)]
    if tail:
        end = [(" ", words), *tail, (" ", words), *end]
    space = width - line_width(tuple(runs)) - line_width(tuple(end))
    return (*runs, ("─" * max(0, space), words), *end)
