"""Adaptations: what learning changed. Until something learns, it says so."""

from __future__ import annotations

from collections.abc import Sequence

from engine.core.views import Snapshot
from widgets.facts import paragraph
from widgets.lines import BLANK, Line
from widgets.panel import Panel


class AdaptationsPanel(Panel):
    """The view of the change ledger; no learner writes one in this version."""

    title = "Adaptations"
    live = False

    def parts(self, snapshot: Snapshot) -> tuple[object, ...]:
        return ()

    def body(self, width: int, height: int) -> Sequence[Line]:
        head = paragraph("Nothing adapts yet: this version has no learner.", width, "soft")
        text = (
            "Parameters stay as you set them. Once a learner is on, each change it proposes "
            "stands here before and after, with its evidence (how many trades, which "
            "interval) and its verdict: kept, rolled back or still undecided."
        )
        more = "What tightens applies at once and expires; what loosens risk asks you first."
        lines = [*head, *paragraph(text, width, "muted", limit=max(1, height - len(head)))]
        if height >= len(lines) + 3:
            lines = [*lines, BLANK, *paragraph(more, width, "muted")]
        return lines[:height]
