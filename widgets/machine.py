"""Time machine: one decision of the journal, what it was made from, and made again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from engine.core.views import Snapshot
from widgets.document import DocumentPanel
from widgets.facts import flow, heading, paragraph
from widgets.frame import Frame
from widgets.lines import Line, Run, crop, run


@dataclass(frozen=True)
class Part:
    """One part of the text: facts set into lines, then sentences, each with its role words."""

    title: str
    facts: tuple[tuple[str, str], ...] = ()
    sentences: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Told:
    """A decision as it is told here; `verdict` is empty until it was made again."""

    id: str
    headline: str
    place: int
    total: int
    parts: tuple[Part, ...] = field(default=())
    verdict: str = ""


class MachinePanel(DocumentPanel):
    """Goes back and forth through every decision there was."""

    title = "Time machine"
    live = False
    empty = (
        "No decision is chosen.",
        "Its inputs, size, gates, prompt and outcome stand here; < and > step, r makes it again.",
    )

    def __init__(self, *, id: str | None = None, frame: Frame = Frame.BOX) -> None:
        super().__init__(id=id, frame=frame)
        self._told: Told | None = None
        self._busy = ""

    def show_story(self, told: Told | None, busy: str = "") -> None:
        """Tell this decision; `busy` says what is being read or made meanwhile."""
        if told is not self._told or busy != self._busy:
            if told is None or self._told is None or told.id != self._told.id:
                self._top = 0
            self._told, self._busy = told, busy
            self.redraw()

    def parts(self, snapshot: Snapshot) -> tuple[object, ...]:
        return ()

    def nothing(self) -> bool:
        return self._told is None and not self._busy

    @property
    def selected_key(self) -> str | None:
        return self._told.id if self._told is not None else None

    def document(self, width: int) -> Sequence[Line]:
        told = self._told
        if told is None:
            return [(run(self._busy, "muted"),)]
        lines: list[Line] = [crop((run(told.headline, "bold"),), width)]
        for part in told.parts:
            lines.append(heading(part.title, width))
            lines += flow([(name, [run(value)]) for name, value in part.facts], width)
            for text, words in part.sentences:
                lines += paragraph(text, width, words)
        return lines

    def note(self) -> Sequence[Run]:
        if self._busy:
            return (run(self._busy, "muted"),)
        if self._told is None:
            return ()
        verdict = self._told.verdict
        words = {"same": "gain", "differs": "danger"}.get(verdict, "warn")
        place = run(f"{self._told.place} of {self._told.total}", "muted")
        if not self._told.place:
            return ()
        return (run(f"made again: {verdict}  ", words), place) if verdict else (place,)
