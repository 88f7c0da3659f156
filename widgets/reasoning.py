"""Reasoning: what the engine decided lately, and in its own words why."""

from __future__ import annotations

from collections.abc import Sequence

from engine.core.types import Decision
from engine.core.views import Snapshot
from widgets import numbers, words
from widgets.facts import paragraph
from widgets.frame import Frame
from widgets.lines import Line, over, pad, run
from widgets.panel import Panel, said

_KEEP = 500
_LINES_EACH = 3


class ReasoningPanel(Panel):
    """Decisions, the newest first, each with its reasoning beneath."""

    title = "Reasoning"
    empty = (
        "Nothing was decided yet.",
        "Each closed decision bar adds what was decided, how sure the votes were and why.",
    )

    def __init__(self, *, id: str | None = None, frame: Frame = Frame.BOX) -> None:
        super().__init__(id=id, frame=frame)
        self._decisions: dict[str, Decision] = {}
        self._key: str | None = None
        self._top: str | None = None
        self._kept: dict[str, tuple[Decision, int, list[Line]]] = {}

    def parts(self, snapshot: Snapshot) -> tuple[object, ...]:
        return tuple(view.decision for view in snapshot.outlooks)

    def take(self, snapshot: Snapshot) -> None:
        self._add([view.decision for view in snapshot.outlooks if view.decision is not None])

    def show_decisions(self, decisions: Sequence[Decision]) -> None:
        """Add decisions from the stream; those known already are kept as they are."""
        if self._add(decisions):
            self.redraw()

    def _add(self, decisions: Sequence[Decision]) -> bool:
        new = [d for d in decisions if self._decisions.get(d.id) is not d]
        if not new:
            return False
        for decision in new:
            self._decisions[decision.id] = decision
        ordered = sorted(self._decisions.values(), key=lambda d: d.time_ns, reverse=True)
        self._decisions = {d.id: d for d in ordered[:_KEEP]}
        return True

    def nothing(self) -> bool:
        return not self._decisions

    def _shown(self) -> list[Decision]:
        needles = self.needle.casefold().split()
        return [
            decision
            for decision in self._decisions.values()
            if all(word in _found(decision) for word in needles)
        ]

    def body(self, width: int, height: int) -> Sequence[Line]:
        shown = self._shown()
        if not shown:
            return said(("No decision has these words.", "esc clears the filter."), width, height)
        keys = [decision.id for decision in shown]
        at = keys.index(self._key) if self._key in keys else 0
        first = min(at, keys.index(self._top) if self._top in keys else 0)
        while first < at and self._rows(shown[first : at + 1], width) > height:
            first += 1
        self._top = keys[first] if first else None
        lines: list[Line] = []
        for index, decision in enumerate(shown[first:], first):
            if len(lines) >= height:
                break
            entry = self._entry(decision, width)
            if index == at and self._active:
                entry = [over(pad((("▸", "bold accent"), *entry[0][1:]), width), "on:cursor"),
                         *entry[1:]]  # fmt: skip
            lines += entry
        return lines[:height]

    def _rows(self, decisions: Sequence[Decision], width: int) -> int:
        return sum(len(self._entry(decision, width)) for decision in decisions)

    def _entry(self, decision: Decision, width: int) -> list[Line]:
        known = self._kept.get(decision.id)
        if known is not None and known[0] is decision and known[1] == width:
            return known[2]
        head: Line = (
            (" ", ""),
            (numbers.clock(decision.time_ns), "muted"),
            ("  ", ""),
            run(decision.symbol, "bold"),
            ("  ", ""),
            words.action(decision.action, decision.confidence),
            ("  ", ""),
            run(decision.winner.replace("_", " "), "muted"),
        )
        text = paragraph(decision.reasoning, width - 3, "soft", limit=_LINES_EACH)
        lines = [head, *((("   ", ""), *line) for line in text)]
        if len(self._kept) > 2 * _KEEP:
            self._kept.clear()
        self._kept[decision.id] = (decision, width, lines)
        return lines

    @property
    def selected(self) -> Decision | None:
        """The decision at the cursor; the newest until it was moved."""
        shown = self._shown()
        return next((d for d in shown if d.id == self._key), shown[0] if shown else None)

    @property
    def moved_to(self) -> str | None:
        """The decision that a person put the cursor on; None while it follows the newest."""
        return self._key

    @property
    def selected_key(self) -> str | None:
        return self.selected.id if self.selected else None

    @property
    def selected_symbol(self) -> str:
        return self.selected.symbol if self.selected else ""

    def select(self, key: str) -> bool:
        if key not in self._decisions:
            return False
        self._key = key
        self.redraw()
        return True

    def move(self, by: int) -> None:
        keys = [decision.id for decision in self._shown()]
        if not keys:
            return
        at = keys.index(self._key) if self._key in keys else 0
        at = max(0, min(at + by, len(keys) - 1))
        self._key = keys[at] if at else None
        self.redraw()

    def filter(self, text: str) -> None:
        self.needle = run(text)[0].strip()
        self.redraw()


def _found(decision: Decision) -> str:
    parts = (decision.symbol, decision.action.value, decision.winner, decision.reasoning)
    return " ".join(parts).casefold()
