"""Screenshots of the running program, for the documentation: `python -m tests.ui.screenshots`.

A real engine on the simulated market is driven to a moment with a position, a waiting
proposal and some closed trades; every screen, some panels and dialogs are then exported at four
sizes, the Desk in other themes too. What is learned takes weeks: for the Learning screen another
engine trades 25 days by itself, and its journal is read. Nothing on them is drawn by hand.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from app.app import QuarterdeckApp
from app.compose import Engine, build
from app.options import AppOptions, RunOptions
from app.pages import JournalHub
from engine.core.clock import SECOND, monotonic_ns
from engine.core.commands import SetApproval, SetSpeed
from engine.core.config import load
from engine.core.ids import Ids
from engine.hub import Hub

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "screenshots"
SIZES = ((60, 15), (80, 24), (120, 40), (200, 60))
SCREENS = (
    ("1", "desk"), ("2", "signals"), ("3", "reasoning"), ("5", "risk"), ("7", "journal"),
)  # fmt: skip
PARTS = (
    (("7", "tab", "z"), "honesty"),
    (("3", "tab", "tab", "less_than_sign", "z"), "time-machine"),
    (("question_mark",), "help"),
    (("ctrl+p",), "palette"),
    (("e",), "edit"),
    (("q",), "leaving"),
)
"""Panels by themselves and dialogs: the keys that lead there, each in a screen of its own."""

LEARNING = (("4", "learning"),)
LEARNING_DAYS = "25d"
LEARNING_SEED = 5
THEMES = ("light", "contrast", "clear", "ansi")
SYMBOLS = ",".join(f"{base}/USDT:USDT" for base in ("BTC", "ETH", "SOL", "XRP", "ADA", "LINK"))
SEED = 9
PATIENCE_S = 120


def started(folder: Path) -> Engine:
    """An engine on the simulated market at full speed, in a folder of its own."""
    loaded = load(
        None,
        {
            ("engine", "feed"): "sim",
            ("engine", "symbols"): SYMBOLS,
            ("engine", "seed"): SEED,
            ("engine", "speed"): 3_000.0,
            ("engine", "approval"): "auto",
            ("paths", "db"): str(folder / "sim.db"),
        },
        {},
    )
    engine = build(loaded.config, RunOptions(screen=True), "")
    engine.start()
    return engine


async def until_busy(engine: Engine, ids: Ids) -> None:
    """Trade by itself until some trades have closed and one is open, then let one wait."""
    deadline = monotonic_ns() + PATIENCE_S * SECOND
    asked = False
    while monotonic_ns() < deadline:
        await asyncio.sleep(0.02)
        view = engine.hub.snapshot
        if view is None:
            continue
        if view.proposals and view.positions:
            engine.hub.send(SetSpeed(id=ids.next("shot"), speed=1.0))
            return
        wanted = len(view.trades) >= 6 and bool(view.positions)
        if wanted != asked:
            asked = wanted
            mode = "review" if wanted else "auto"
            engine.hub.send(SetApproval(id=ids.next("shot"), mode=mode))
    sys.exit("the market never gave a position and a proposal at the same time")


def learned(folder: Path) -> JournalHub:
    """The journal of an engine that traded for weeks without anybody."""
    path = folder / "learned.db"
    overrides: dict[tuple[str, str], object] = {
        ("engine", "feed"): "sim",
        ("engine", "symbols"): "BTC/USDT,ETH/USDT,SOL/USDT",
        ("engine", "seed"): LEARNING_SEED,
        ("engine", "speed"): 0.0,
        ("engine", "approval"): "auto",
        ("paths", "db"): str(path),
    }
    config = load(None, overrides, {}).config
    build(config, RunOptions(lasting=LEARNING_DAYS, publish_hz=1.0), "").kernel.run()
    hub = JournalHub(path)
    hub.read()
    return hub


async def shoot(
    hub: Hub,
    size: tuple[int, int],
    screens: Sequence[tuple[str, str]],
    theme: str = "dark",
    inspecting: bool = False,
) -> None:
    """Every one of these screens at a size, in a theme that is named unless it is dark."""
    options = AppOptions(paced=False, seed=SEED, theme=theme, inspecting=inspecting)
    app = QuarterdeckApp(hub, options)
    mark = "" if theme == "dark" else f"-{theme}"
    async with app.run_test(size=size) as pilot:
        for key, name in screens:
            await pilot.press(key)
            await pilot.pause(1.3)
            target = FOLDER / f"{name}{mark}-{size[0]}x{size[1]}.svg"
            target.write_text(app.export_screenshot(title="Quarterdeck"), encoding="utf-8")


async def shoot_part(hub: Hub, size: tuple[int, int], keys: Sequence[str], name: str) -> None:
    """What some keys lead to, at a size."""
    app = QuarterdeckApp(hub, AppOptions(paced=False, seed=SEED))
    async with app.run_test(size=size) as pilot:
        await pilot.pause(1.3)
        for key in keys:
            await pilot.press(key)
            await pilot.pause(0.5)
        await pilot.pause(1.3)
        target = FOLDER / f"{name}-{size[0]}x{size[1]}.svg"
        target.write_text(app.export_screenshot(title="Quarterdeck"), encoding="utf-8")


async def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        engine = started(Path(folder))
        try:
            await until_busy(engine, Ids("shots"))
            for size in SIZES:
                await shoot(engine.hub, size, SCREENS)
                for keys, name in PARTS:
                    await shoot_part(engine.hub, size, keys, name)
            for theme in THEMES:
                await shoot(engine.hub, (120, 40), SCREENS[:1], theme)
        finally:
            engine.stop(5.0)
        hub = await asyncio.to_thread(learned, Path(folder))
        for size in SIZES:
            await shoot(hub, size, LEARNING, inspecting=True)


if __name__ == "__main__":
    asyncio.run(main())
