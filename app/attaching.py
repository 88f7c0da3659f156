"""A screen on an engine that another process runs: `quarterdeck attach`.

The engine neither waits for the screen nor notices its end. When another engine takes the
place of the one that was followed, the screen begins anew with that one and says so.
"""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING

from app.options import default_hz
from engine.core.errors import QuarterdeckError
from engine.wire.remote import RemoteHub

if TYPE_CHECKING:
    from app.app import QuarterdeckApp
    from app.compose import ChartOverlays

ANSWER_S = 5.0


class Attached:
    """What stands behind an attached screen: a hub that follows a socket.

    `reach` may be called before the screen opens, so that an engine which does not answer or
    turns us away is told at the prompt; it raises `QuarterdeckError`. `computing` offers chart
    overlays, which a process of their own computes.
    """

    def __init__(
        self, address: Path, *, hz: float | None, readonly: bool, computing: bool = True
    ) -> None:
        self._address = address
        self._hz = default_hz() if hz is None else hz
        self._readonly = readonly
        self._computing = computing
        self._leaving = Event()
        self._overlays: ChartOverlays | None = None
        self.app: QuarterdeckApp | None = None
        self.refused: QuarterdeckError | None = None
        self.hub = self._make()

    def _make(self) -> RemoteHub:
        return RemoteHub(
            self._address,
            version("quarterdeck"),
            hz=self._hz,
            readonly=self._readonly,
            another_engine=self._begin_anew,
        )

    def reach(self) -> None:
        """Connect. Raises `QuarterdeckError` when no engine answers or it turns us away."""
        from engine.wire.address import dial

        dial(self._address, ANSWER_S).close()
        self.hub.start(ANSWER_S)

    def start(self) -> None:
        Thread(target=self._start, name="qd-start", daemon=True).start()

    def stop(self) -> None:
        self._leaving.set()
        self.hub.close()
        if self._overlays is not None:
            self._overlays.close()

    def _start(self) -> None:
        try:
            if self.hub.welcome is None:
                self.reach()
        except QuarterdeckError as error:
            self.refused = error
        self._on_screen("")
        if self.refused is not None:
            return
        from app.compose import ChartOverlays
        from app.session import settle_memory

        # Everything heavy hangs on it, and the screen lives without it.
        self._overlays = ChartOverlays() if self._computing else None
        self._on_screen("")
        settle_memory()

    def _begin_anew(self) -> None:
        """Another engine answers: nothing that was followed of the last one holds for it."""
        if self._leaving.is_set():
            return
        self.hub = self._make()
        self.hub.start()
        self._on_screen("another engine has taken the place of the last one")

    def _on_screen(self, text: str) -> None:
        app = self.app
        if app is None or self._leaving.is_set():
            return

        def show() -> None:
            if self.refused is not None:
                app.leave()
                return
            app.attach(self.hub, self._overlays, served=True)
            if text:
                app.say(text, "warn")

        app.call_from_thread(show)
