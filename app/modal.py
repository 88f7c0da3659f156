"""What stands above the screens and takes the keys, and ends once."""

from __future__ import annotations

from textual.screen import ModalScreen, ScreenResultType


class Modal(ModalScreen[ScreenResultType]):
    """A modal screen that can be answered once.

    Keys that were typed ahead still reach it after the one that answered it. Textual's own
    `dismiss` would take the next screen of the stack with each of them, and the last one is
    the program's.
    """

    def end(self, result: ScreenResultType | None = None) -> None:
        """Leave with a result; nothing more where it has been left."""
        if self.app.screen is self:
            self.dismiss(result)
