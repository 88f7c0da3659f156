"""Adaptations: the newest of the ledger in a line each, and whether something asks."""

from __future__ import annotations

from collections.abc import Sequence

from engine.core.learning import Change, ChangeState
from engine.core.views import Snapshot
from widgets import learned
from widgets.facts import paragraph
from widgets.ledger import waiting
from widgets.lines import Line, Run, crop, run, spread
from widgets.panel import Panel


class AdaptationsPanel(Panel):
    """What asks first, then what changed last; the Learning screen has the figures."""

    title = "Adaptations"
    live = False

    def parts(self, snapshot: Snapshot) -> tuple[object, ...]:
        view = snapshot.learning
        if view is None:
            return (None,)
        return (view.changes, "" if view.changes else str(view.opportunities))

    def _changes(self) -> list[Change]:
        """What asks, then by when it came to where it stands."""
        view = self.snapshot.learning if self.snapshot is not None else None
        if view is None:
            return []
        return sorted(
            view.changes,
            key=lambda one: (one.state is not ChangeState.ASKED, -learned.since(one)),
        )

    def body(self, width: int, height: int) -> Sequence[Line]:
        changes = self._changes()
        if changes:
            now_ns = self.snapshot.time_ns if self.snapshot is not None else 0
            return [change_line(one, width, now_ns) for one in changes[:height]]
        now_ns = self.snapshot.time_ns if self.snapshot is not None else 0
        first, then = waiting(self.snapshot.learning if self.snapshot else None, now_ns)
        head = paragraph(first, width, "soft")
        return [*head, *paragraph(then, width, "muted")][:height]

    def note(self) -> Sequence[Run]:
        asking = sum(one.state is ChangeState.ASKED for one in self._changes())
        return ((f"{asking} asks you on screen 4", "bold accent"),) if asking else ()


def change_line(one: Change, width: int, now_ns: int) -> Line:
    """When, what, from what to what, and where it stands with its n."""
    left: list[Run] = [
        run(f"{learned.when(learned.since(one), now_ns):<7}", "muted"),
        run(f"{one.target.text} ", ""),
        *learned.moved(one),
    ]
    n = one.shadow.n if one.shadow is not None else 0
    right: list[Run] = [learned.STATES[one.state]]
    if one.state is not ChangeState.ASKED:
        right.append((f" n {n}", "muted"))
    return crop(spread(left, right, width), width)
