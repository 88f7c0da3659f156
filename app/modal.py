"""What stands above the screens and takes the keys, and ends once."""

from __future__ import annotations

from textual.await_complete import AwaitComplete
from textual.screen import ModalScreen, Screen, ScreenResultType


class Once(Screen[ScreenResultType]):
    """A screen that is left once.

    Keys that were typed ahead still reach it after the one that ended it. Textual's own
    `dismiss` would take the next screen of the stack with each of them, and the last one is
    the program's.
    """

    def dismiss(self, result: ScreenResultType | None = None) -> AwaitComplete:
        """Leave with a result; nothing more where it has been left."""
        if self.app.screen is not self:
            return AwaitComplete()
        return super().dismiss(result)


class Modal(ModalScreen[ScreenResultType], Once[ScreenResultType]):
    """A modal screen that is left once."""
