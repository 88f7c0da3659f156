"""Runs the application without a terminal, on hand-moved time and a hand-written hub."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from textual.pilot import Pilot

from app.app import QuarterdeckApp
from app.chrome import FooterLine, MessageLine
from app.dialogs import Dialog
from app.options import AppOptions
from app.screens import DeckScreen
from tests.ui.fakehub import FakeHub, FakeTime, world
from widgets.status import StatusLine


@dataclass
class Deck:
    """A running application and what a test needs to drive and read it."""

    app: QuarterdeckApp
    hub: FakeHub
    time: FakeTime
    pilot: Pilot[int]

    async def look(self, milliseconds: float = 1_001.0) -> None:
        """Let time pass, sample, and let everything be painted."""
        self.time.pass_ms(milliseconds)
        self.app.sampler.step()
        await self.pilot.pause()
        await self.pilot.pause()

    async def press(self, *keys: str) -> None:
        """Press keys as one who has read what is on the screen; dialogs listen by then."""
        for key in keys:
            await self.pilot.pause()
            self.time.pass_ms(300)
            await self.pilot.press(key)
            await self.pilot.pause()
            await self.pilot.pause()

    async def write(self, text: str) -> None:
        """Type a text into the focused field."""
        names = {" ": "space", ".": "full_stop", ",": "comma", "-": "minus"}
        await self.press(*(names.get(char, char) for char in text))

    async def resize(self, width: int, height: int) -> None:
        await self.pilot.resize_terminal(width, height)
        await self.pilot.pause()

    @property
    def status(self) -> str:
        return self._base().query_one(StatusLine).says

    @property
    def message(self) -> str:
        return self._base().query_one(MessageLine).says

    @property
    def footer(self) -> str:
        return self._base().query_one(FooterLine).says

    def _base(self) -> DeckScreen:
        base = self.app.base_screen()
        assert base is not None
        return base

    @property
    def dialog(self) -> Dialog:
        """The dialog that is open."""
        assert isinstance(self.app.screen, Dialog), f"no dialog is open: {self.app.screen}"
        return self.app.screen

    @property
    def rows(self) -> list[str]:
        """The screen as text, row by row."""
        screen = self.app.screen
        return [strip.text for strip in screen._compositor.render_strips(self.app.size)]

    @property
    def text(self) -> str:
        return "\n".join(self.rows)


def drive(
    script: Callable[[Deck], Awaitable[None]],
    *,
    size: tuple[int, int] = (120, 40),
    hub: FakeHub | None = None,
    **options: Any,
) -> None:
    """Run `script` on an application whose hub and first sample are there."""

    async def main() -> None:
        time = FakeTime()
        engine = hub if hub is not None else FakeHub(world())
        with tempfile.TemporaryDirectory() as folder:
            chosen = {
                "hz": 0,
                "monotonic": time,
                "seed": 1,
                "state_folder": Path(folder),
                "export_folder": Path(folder),
                **options,
            }
            app = QuarterdeckApp(engine, AppOptions(**chosen))
            async with app.run_test(size=size) as pilot:
                deck = Deck(app, engine, time, pilot)
                await deck.look()
                await deck.look()
                await script(deck)

    asyncio.run(main())
