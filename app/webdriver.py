"""The driver of a screen in a browser: frames go to the server that started this process."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from textual.drivers.web_driver import WebDriver
from textual.messages import ExitApp

if TYPE_CHECKING:
    from textual.app import App


class BrowserDriver(WebDriver):
    """Writes to a descriptor of its own and leaves when the server has gone.

    Standard output is diverted while a screen is drawn, so that nothing that a library prints
    gets between the packets.
    """

    def __init__(
        self,
        app: App[Any],
        *,
        debug: bool = False,
        mouse: bool = True,
        size: tuple[int, int] | None = None,
    ) -> None:
        super().__init__(app, debug=debug, mouse=mouse, size=size)
        assert sys.__stdout__ is not None
        self.fileno = os.dup(sys.__stdout__.fileno())
        self._write = partial(self._whole)

    def _whole(self, data: bytes) -> int:
        """Write a whole packet; that a browser has gone shows at the end of its input."""
        left = data
        with suppress(BrokenPipeError):
            while left:
                left = left[os.write(self.fileno, left) :]
        return len(data)

    def run_input_thread(self) -> None:
        """Keys until the server closes its end, which means that nobody looks any more."""
        super().run_input_thread()
        if not self.exit_event.is_set():
            with suppress(RuntimeError):  # the loop may have ended by itself
                self._loop.call_soon_threadsafe(self._app.post_message, ExitApp())
