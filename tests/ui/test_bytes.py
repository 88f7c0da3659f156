"""What a changed number costs on the line, and that the terminal shows the same for less."""

from __future__ import annotations

import asyncio

import msgspec
import pyte
from rich.color import ColorSystem
from textual._compositor import CompositorUpdate

from app.paint import Painter
from engine.core.ids import source
from tests.ui import gallery
from widgets.journal import JournalPanel
from widgets.market import MarketPanel
from widgets.positions import PositionsPanel
from widgets.status import StatusLine

replace = msgspec.structs.replace

CELL = 60
"""Bytes that one changed price may cost; a row repainted whole costs 194."""

ROW = 130
"""Bytes that a row with four changed numbers in three colours may cost."""


class Metered(gallery.Gallery):
    """The gallery with every update kept as the painter writes it, though nothing is sent."""

    def __init__(self, page: int) -> None:
        super().__init__(page)
        self.sent: list[str] = []
        self.painter = Painter()
        self.console._color_system = ColorSystem.TRUECOLOR

    def _display(self, screen: object, renderable: object) -> None:
        if isinstance(renderable, CompositorUpdate):
            self.painter.fit(self.size.width, self.size.height)
            if text := self.painter.encode(renderable, self.console):
                self.sent.append(text)

    @property
    def cost(self) -> int:
        """Bytes written since the last `clear`."""
        return sum(len(each.encode()) for each in self.sent)


def test_a_changed_price_costs_its_cells_and_an_unchanged_snapshot_nothing() -> None:
    async def scene() -> None:
        app = Metered(1)
        async with app.run_test(size=(120, 40)) as pilot:
            await pilot.pause()
            market = next(panel for panel in app.shown if isinstance(panel, MarketPanel))
            world = gallery.world()
            for panel in app.shown:
                panel.show(world, 0)
            await pilot.pause()
            app.sent.clear()
            for panel in app.shown:
                panel.show(replace(world, version=5), 0)
            app.query_one(StatusLine).show(replace(world, version=5))
            await pilot.pause()
            assert app.sent == []
            markets = list(world.markets)
            markets[1] = replace(markets[1], last=2_991.37)
            market.show(replace(world, version=6, markets=tuple(markets)), 0)
            await pilot.pause()
            assert 0 < app.cost <= CELL

    asyncio.run(scene())


def test_a_position_that_moves_costs_less_than_a_row() -> None:
    async def scene() -> None:
        app = Metered(0)
        async with app.run_test(size=(120, 40)) as pilot:
            await pilot.pause()
            panel = next(panel for panel in app.shown if isinstance(panel, PositionsPanel))
            world = gallery.world()
            panel.show(world, 0)
            await pilot.pause()
            app.sent.clear()
            held = replace(
                world.positions[1], mark=148.61, pnl_pct=-1.16, r_multiple=-0.52,
                stop_distance_pct=1.07,
            )  # fmt: skip
            panel.show(replace(world, version=7, positions=(world.positions[0], held)), 0)
            await pilot.pause()
            assert 0 < app.cost <= ROW

    asyncio.run(scene())


def test_a_terminal_fed_the_painters_bytes_shows_what_a_whole_frame_would() -> None:
    async def scene() -> None:
        app = Metered(3)
        terminal = pyte.Screen(120, 40)
        stream = pyte.Stream(terminal)
        draws = source(1, "painter")
        async with app.run_test(size=(120, 40)) as pilot:
            await pilot.pause()
            journal = next(panel for panel in app.shown if isinstance(panel, JournalPanel))
            for number in range(12):
                lines = [
                    replace(line, text=draws.choice(["比特币 rises", line.text, "x", "é over 汉"]))
                    if draws.random() < 0.3 and number % 4
                    else line
                    for line in gallery.journal()
                ]
                journal.show_lines(lines)
                journal.move(draws.randint(-9, 9))
                if number % 5 == 4:
                    app.refresh()
                await pilot.pause()
            for piece in app.sent:
                stream.feed(piece.replace("\n", "\r\n"))
            whole = [strip.text for strip in app.screen._compositor.render_strips()]
            # pyte keeps an empty cell behind a wide character.
            shown = ["".join(terminal.buffer[y][x].data for x in range(120)) for y in range(40)]
            assert [line.rstrip() for line in shown] == [line.rstrip() for line in whole]
            assert any("比" in piece for piece in app.sent)

    asyncio.run(scene())
