"""An engine already runs on the journal: attach to it, only look, or leave, as a person says."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from app.dialogs import Answer, Choice, Choices, Dialog
from app.options import Join

if TYPE_CHECKING:
    from app.app import QuarterdeckApp
    from app.chrome import Parts


_ROWS: tuple[str, ...] = (
    "Attached, this screen is one of those of that engine and acts on it, like any other. "
    "Read-only it looks and sends no command. Leaving changes nothing.",
    "--attach yes, readonly or no answers this beforehand.",
)


def offer(app: QuarterdeckApp, found: str, answered: Callable[[Join], None]) -> None:
    """Ask; whoever presses enter or esc has left and changed nothing."""
    choices = [Choice("a", "Attach", Join.YES), Choice("r", "Attach read-only", Join.READONLY)]
    sentence = f"{found[:1].upper()}{found[1:]}."
    rows: list[Parts] = [[(sentence, "")], *([(text, "muted")] for text in _ROWS)]
    dialog: Dialog = app.dialog("An engine runs on this journal", rows, choices, "")
    dialog.choices = Choices(choices, cancel="Leave")

    def take(answer: Answer) -> None:
        answered(Join(answer) if isinstance(answer, str) and answer else Join.NO)

    app.say("an engine runs already; your answer is waited for", "note")
    app.ask(dialog, take)
