"""Trajectories: what a parameter's value was over time, and what each change of it came to.

A value holds until the next one, so the line goes in steps; where nothing was set in the scope
there is no line. Under it stands a sign for each moment at which the ledger moved the value.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from engine.core.learning import Change, ChangeState
from engine.core.views import ParameterMove, Snapshot
from widgets import learned, numbers
from widgets.candles import Scale
from widgets.cells import fit
from widgets.frame import Frame
from widgets.grid import Grid
from widgets.lines import BLANK, Line, Run, crop, run, spread
from widgets.panel import Panel
from widgets.spark import sparkline
from widgets.study import bounds, draw, short

_LEAST_ROWS = 3
_NAME = 34
NAN = float("nan")


@dataclass(frozen=True)
class Mark:
    """A moment at which a value moved: what it was from then on, and the sign of who did it."""

    time_ns: int
    value: str
    sign: str
    role: str


def course(
    target: str, changes: Sequence[Change], moves: Sequence[ParameterMove]
) -> tuple[Mark, ...]:
    """Every value that a target had, oldest first: by the ledger, and by anyone else.

    What was in force before the first mark is its `before`, as a mark at the first moment.
    """
    marks: list[Mark] = []
    own = [one for one in changes if one.target.text == target and one.applied_ns]
    ids = {one.id for one in own}
    for one in own:
        marks.append(Mark(one.applied_ns, one.after, "▲", "note"))
        sign, role = learned.STATES[one.state]
        if one.state is ChangeState.KEPT:
            marks.append(Mark(max(one.applied_ns, one.made_ns), one.after, sign[0], role))
        elif one.ended_ns:
            marks.append(Mark(one.ended_ns, one.replaced, sign[0], role))
    marks += [
        Mark(move.time_ns, move.after, "●", "accent")
        for move in moves
        if move.target == target and move.who not in ids
    ]
    marks.sort(key=lambda mark: mark.time_ns)
    if not marks:
        return ()
    first = min(own, key=lambda one: one.applied_ns, default=None)
    before = next((move.before for move in moves if move.target == target), "null")
    if first is not None and first.applied_ns <= marks[0].time_ns:
        before = first.replaced
    return (Mark(0, before, "", ""), *marks)


def number_of(text: str) -> float:
    """A JSON value as a number to draw; NaN for what is none."""
    try:
        return float(text)
    except ValueError:
        return NAN


def at_times(marks: Sequence[Mark], times: Sequence[int]) -> list[float]:
    """The value in force at each of these moments."""
    values: list[float] = []
    index, now = 0, NAN
    for moment in times:
        while index < len(marks) and marks[index].time_ns <= moment:
            now = number_of(marks[index].value)
            index += 1
        values.append(now)
    return values


class TrajectoryPanel(Panel):
    """The value of the selected target over time, and under it all others in a line each."""

    title = "Trajectory"
    live = False
    empty = (
        "Nothing has moved yet.",
        "The value of each parameter that a learner moves stands here over time.",
    )

    def __init__(self, *, id: str | None = None, frame: Frame = Frame.BOX) -> None:
        super().__init__(id=id, frame=frame)
        self._moves: tuple[ParameterMove, ...] = ()
        self._target = ""
        self._asking: Change | None = None

    def show_moves(self, moves: Sequence[ParameterMove], change: str = "") -> None:
        """Values that were set, oldest first, and the change whose target is drawn."""
        self._moves = tuple(moves)
        found = next((one for one in self._changes() if one.id == change), None)
        if found is not None:
            self._target = found.target.text
        self._asking = found if found is not None and not found.applied_ns else None
        self.redraw()

    def parts(self, snapshot: Snapshot) -> tuple[object, ...]:
        view = snapshot.learning
        return (None,) if view is None else view.changes

    def _changes(self) -> tuple[Change, ...]:
        view = self.snapshot.learning if self.snapshot is not None else None
        return view.changes if view is not None else ()

    def targets(self) -> list[str]:
        """Everything that has ever moved, the last one that moved first."""
        moved = [(learned.since(one), one.target.text) for one in self._changes() if one.applied_ns]
        moved += [(move.time_ns, move.target) for move in self._moves]
        return list(dict.fromkeys(target for _, target in sorted(moved, reverse=True)))

    def nothing(self) -> bool:
        return not self.targets() and self._asking is None

    @property
    def selected_key(self) -> str | None:
        return self._shown() or None

    def _shown(self) -> str:
        targets = self.targets()
        if self._target in targets or self._asking is not None:
            return self._target
        return targets[0] if targets else ""

    def select(self, key: str) -> bool:
        if key not in self.targets():
            return False
        self._target, self._asking = key, None
        self.redraw()
        return True

    def move(self, by: int) -> None:
        targets = self.targets()
        if targets:
            shown = self._shown()
            at = targets.index(shown) + by if shown in targets else 0
            self._asking = None
            self._target = targets[max(0, min(len(targets) - 1, at))]
            self.redraw()

    def note(self) -> Sequence[Run]:
        targets = self.targets()
        if len(targets) < 2 or self._shown() not in targets:
            return ()
        return ((f"{targets.index(self._shown()) + 1} of {len(targets)}", "muted"),)

    def body(self, width: int, height: int) -> Sequence[Line]:
        shown, targets = self._shown(), self.targets()
        others = [target for target in targets if target != shown]
        listed = others[: max(0, min(len(others), height // 3))] if height >= 8 else []
        now_ns = self.snapshot.time_ns if self.snapshot is not None else 0
        marks = course(shown, self._changes(), self._moves)
        if marks:
            lines = plot(shown, marks, now_ns, width, height - len(listed))
        else:
            lines = self._unmoved(width)
        lines += [BLANK] * (height - len(listed) - len(lines))
        return [*lines, *(self._small(target, now_ns, width) for target in listed)]

    def _unmoved(self, width: int) -> list[Line]:
        """A target that nobody has moved yet, and what is asked for it."""
        lines: list[Line] = [crop((run(self._target, "bold"),), width)]
        one = self._asking
        if one is not None:
            said = ("was asked for ", "muted"), *learned.moved(one), ("  ", "")
            lines.append(crop((*said, learned.STATES[one.state]), width))
        return [*lines, (("It has not moved yet.", "soft"),)]

    def _small(self, target: str, now_ns: int, width: int) -> Line:
        """One target in a line: name, course, value."""
        marks = course(target, self._changes(), self._moves)
        name = min(_NAME, max(10, width // 2))
        value = learned.value(marks[-1].value)
        room = max(4, width - name - len(value) - 2)
        first = marks[1].time_ns if len(marks) > 1 else now_ns
        drawn = sparkline(at_times(marks, spaced(first, now_ns, room)), room)
        return crop(
            (run(fit(target, name), "soft"), (" ", ""), (drawn, "note"), (" ", ""), run(value)),
            width,
        )


def spaced(first_ns: int, last_ns: int, cells: int) -> list[int]:
    """The end of each of so many equal spans, the first a little before what is drawn."""
    span = max(1, last_ns - first_ns)
    start = first_ns - span // 12
    return [start + (last_ns - start) * (cell + 1) // cells for cell in range(cells)]


def plot(target: str, marks: Sequence[Mark], now_ns: int, width: int, height: int) -> list[Line]:
    """Name and value, the line with its axis, the signs, the times."""
    value = learned.value(marks[-1].value)
    title = spread((run(target, "bold"),), (run(value, "bold"),), width)
    rows = height - 3
    drawable = [number for mark in marks if (number := number_of(mark.value)) == number]
    if rows < _LEAST_ROWS or not drawable or width < 24:
        return [title, *steps(marks, now_ns, width)][:height]
    low, high = bounds(drawable) or (0.0, 1.0)
    low, high = low - (high - low) * 0.08, high + (high - low) * 0.08
    axis = max(len(short(low)), len(short(high)), len(short(drawable[-1]))) + 1
    cells = width - axis
    times = spaced(marks[1].time_ns, now_ns, cells)
    grid = Grid(cells, rows)
    scale = Scale(low, high, rows)
    draw(grid, scale, at_times(marks, times), 0, 1, 0, "primary")
    ends = (max(drawable), min(drawable)) if len(set(drawable)) > 1 else ()
    labels = {scale.row(end): end for end in ends}
    current = number_of(marks[-1].value)
    lines: list[Line] = [title]
    for y in range(rows):
        told = labels.get(y)
        role = "muted"
        if current == current and scale.row(current) == y:
            told, role = current, "bold"
        text = short(told) if told is not None else ""
        lines.append((*grid.row(y), (fit(text, axis, "right"), role)))
    lines.append(_signs(marks, times, cells))
    start = f"{numbers.day(times[0])} {numbers.clock(times[0])}"
    end = f"{numbers.day(now_ns)} {numbers.clock(now_ns)}"
    lines.append(spread(((start, "muted"),), ((end, "muted"),), cells))
    return lines


def _signs(marks: Sequence[Mark], times: Sequence[int], cells: int) -> Line:
    """A sign under each moment at which the value moved."""
    grid = Grid(cells, 1)
    for mark in marks[1:]:
        x = next((at for at, end in enumerate(times) if mark.time_ns <= end), cells - 1)
        grid.put(x, 0, mark.sign, mark.role)
    return grid.row(0)


def steps(marks: Sequence[Mark], now_ns: int, width: int) -> list[Line]:
    """The values one under another, the newest first, where no line can be drawn."""
    lines: list[Line] = []
    for before, mark in zip(reversed(marks[:-1]), reversed(marks[1:]), strict=True):
        lines.append(
            crop(
                (
                    run(f"{fit(learned.when(mark.time_ns, now_ns), 7)}", "muted"),
                    (f"{mark.sign} ", mark.role),
                    run(learned.value(before.value), "muted"),
                    (learned.ARROW, "muted"),
                    run(learned.value(mark.value), "bold"),
                ),
                width,
            )
        )
    return lines
