"""The engine beside the screen: threads of one process, and none waits for the other's paint."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

from app.app import QuarterdeckApp
from app.compose import Engine, build
from app.options import AppOptions, RunOptions
from engine.core.clock import SECOND, monotonic_ns, pause, wall_ns
from engine.core.config import Config, EngineSection, PathsSection
from engine.core.types import Position, Quote, Tick
from tests.engine.scripted import BTC, SPAN, Script, ScriptedFeed

ENGINE_THREADS = {"qd-kernel", "qd-journal", "qd-journal-sqlite"}


def held(folder: Path) -> Position:
    """A journal of a live feed with one open position, made by an engine that then ended."""
    began = wall_ns() - wall_ns() % SPAN - 2 * SPAN
    with Script(folder, live=True, begin_ns=began) as script:
        return script.opened()


def restarted(folder: Path) -> tuple[Engine, ScriptedFeed]:
    """The engine that goes on with it, on the machine's clock, not started yet."""
    feed = ScriptedFeed(live=True)
    config = Config(
        engine=EngineSection(feed="live", symbols=(BTC,), approval="review"),
        paths=PathsSection(db=str(folder / "scripted.db")),
    )
    return build(config, RunOptions(screen=True), "test", feed=feed), feed


def trade(feed: ScriptedFeed, price: float) -> None:
    """A quote and a trade, now."""
    now = wall_ns()
    feed.push(
        Quote(symbol=BTC, time_ns=now, bid=price - 6, ask=price + 6, bid_size=5.0, ask_size=5.0),
        Tick(symbol=BTC, time_ns=now, price=price, size=0.1),
    )


def eventually(condition: Callable[[], bool], seconds: float = 5.0) -> bool:
    end = monotonic_ns() + int(seconds * SECOND)
    while not condition():
        if monotonic_ns() > end:
            return False
        pause(0.005)
    return True


def beside_a_screen(
    folder: Path, script: Callable[[QuarterdeckApp, Engine, ScriptedFeed], Awaitable[None]]
) -> None:
    """Run `script` on the UI thread of an application whose engine trades in its threads."""
    engine, feed = restarted(folder)

    async def main() -> None:
        app = QuarterdeckApp(None, AppOptions(state_folder=folder, export_folder=folder))
        async with app.run_test(size=(120, 40)) as pilot:
            engine.start()
            app.attach(engine.hub)
            trade(feed, 60_000.0)
            await pilot.pause()
            await script(app, engine, feed)

    try:
        asyncio.run(main())
    finally:
        assert engine.stop(5.0)


def children() -> set[str]:
    """Pids of this process' children."""
    found: set[str] = set()
    for task in Path("/proc/self/task").iterdir():
        with suppress(OSError):
            found |= set((task / "children").read_text().split())
    return found


def test_the_kernel_is_a_thread_of_the_screen_s_process_and_needs_no_child(
    tmp_path: Path,
) -> None:
    held(tmp_path)
    before, others = children(), set(threading.enumerate())

    async def look(app: QuarterdeckApp, engine: Engine, feed: ScriptedFeed) -> None:
        assert eventually(lambda: engine.hub.snapshot is not None)
        ours = [t for t in threading.enumerate() if t not in others]
        names = {thread.name for thread in ours}
        assert names >= ENGINE_THREADS
        assert names - ENGINE_THREADS <= {"textual-timer"}, "a thread that nobody named"
        assert all(thread.daemon for thread in ours)
        assert threading.current_thread().name not in names
        assert children() == before
        snapshot = engine.hub.snapshot
        assert snapshot is not None
        assert set(snapshot.health.threads) >= ENGINE_THREADS

    beside_a_screen(tmp_path, look)
    assert eventually(
        lambda: not ENGINE_THREADS & {thread.name for thread in threading.enumerate()}
    )


def test_a_screen_that_hangs_for_two_seconds_delays_no_stop(tmp_path: Path) -> None:
    position = held(tmp_path)
    stop = float(position.stop)
    times: dict[str, int] = {}

    async def hang(app: QuarterdeckApp, engine: Engine, feed: ScriptedFeed) -> None:
        desk = engine.desk
        assert eventually(lambda: len(desk.book.open()) == 1)

        def market() -> None:
            pause(0.3)
            times["reached"] = monotonic_ns()
            # Each trade as the next one on the tape; the first ones confirm the fall.
            for _ in range(400):
                trade(feed, stop - 10.0)
                if desk.trades:
                    times["left"] = monotonic_ns()
                    return
                pause(0.005)

        thread = threading.Thread(target=market, name="test-market", daemon=True)
        thread.start()
        pause(2.0)
        times["awake"] = monotonic_ns()
        thread.join()

    beside_a_screen(tmp_path, hang)
    assert times["left"] < times["awake"], "the stop waited for the screen"
    assert times["left"] - times["reached"] < SECOND
