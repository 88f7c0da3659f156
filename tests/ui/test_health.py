"""Health: what the engine says about itself, and that saying it costs an idle line nothing."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from engine.core.clock import SECOND
from engine.core.views import StepTiming
from tests.ui import fakehub as fake
from tests.ui.deck import Deck, drive
from widgets.frame import Frame
from widgets.health import HealthPanel, coarse

STEPS = ("health", "capital", "signals", "coordinate", "execute", "positions")
TIMINGS = tuple(
    StepTiming(name=name, last_us=12.3 + index, worst_us=4_321.0 + 1_000 * index)
    for index, name in enumerate(STEPS)
)


def panel(width: int = 56, height: int = 14, frame: Frame = Frame.NONE, **changes: Any) -> str:
    health = fake.make_health(cycle=TIMINGS, threads=("MainThread", "qd-kernel"), **changes)
    shown = HealthPanel(frame=frame)
    shown.fit(width, height)
    shown.show(fake.world(health=health), 0)
    assert all(shown.render_line(y).cell_length == width for y in range(height))
    return shown.text


def test_everything_asked_for_is_there() -> None:
    text = panel(quarantined=1, corrections=2, journal_lag=3)
    for words in ("under 1 s", "ok, lag 3", "12,000", "200 a second", "1 tick", "41 cycles",
                  "2 threads: MainThread, qd-kernel"):  # fmt: skip
        assert words in text
    assert "1 ticks" not in text
    for index, name in enumerate(STEPS):
        row = next(line for line in text.splitlines() if f" {name} " in line)
        assert f"{12 + index} µs" in row
        assert f"{float(f'{4_321 + 1_000 * index:.2g}'):,.0f} µs" in row


def test_trouble_stands_first_and_in_words() -> None:
    text = panel(
        faults=("RuntimeError in execute",), warnings=("checking conditions took 9 ms",),
        heartbeat_ok=False, heartbeat_ns=fake.START_NS - 12 * SECOND,
        journal_state="the disk is full",
    )  # fmt: skip
    lines = text.splitlines()
    assert lines[0] == "✕ RuntimeError in execute"
    assert lines[1] == "! checking conditions took 9 ms"
    assert "✕ 12 s ago" in text
    assert "the disk is" in text
    assert "lag" not in text
    assert "1 fault" in panel(faults=("x",), frame=Frame.BOX).splitlines()[0]
    assert "2 warnings" in panel(warnings=("x", "y"), frame=Frame.BOX).splitlines()[0]


def test_a_heartbeat_has_an_age_only_where_something_is_held() -> None:
    late = fake.make_health(heartbeat_ns=fake.START_NS - 7 * SECOND)
    shown = HealthPanel()
    shown.fit(60, 14)
    shown.show(fake.world(health=late), 0)
    assert "♦ 7 s ago" in shown.text
    shown.show(fake.world(health=late, positions=(), version=2), 0)
    assert "nothing held" in shown.text


def test_numbers_move_in_coarse_steps_only() -> None:
    shown = HealthPanel()
    shown.fit(60, 14)
    world = fake.world(health=fake.make_health(cycle=TIMINGS))
    shown.show(world, 0)
    nearly = msgspec.structs.replace(
        world.health, events=12_346, events_per_s=223.4, heartbeat_ns=fake.START_NS + 5,
        cycle=tuple(msgspec.structs.replace(t, last_us=t.last_us + 0.1) for t in TIMINGS),
    )  # fmt: skip
    assert not shown.show(msgspec.structs.replace(world, version=2, health=nearly), 0)
    other = msgspec.structs.replace(nearly, events_per_s=400.0)
    assert shown.show(msgspec.structs.replace(world, version=3, health=other), 0)
    assert "400 a second" in shown.text
    values = (0.0, 0.3, 7.4, 223.0, 12_345.0, float("nan"))
    assert [coarse(value, 2) for value in values] == ["0", "under 1", "7", "220", "12,000", "–"]


@pytest.mark.parametrize("size", [(1, 1), (5, 3), (20, 5), (40, 9), (60, 15), (80, 24), (200, 60)])
def test_every_size_and_frame_is_drawn(size: tuple[int, int]) -> None:
    for frame in Frame:
        panel(*size, frame=frame, faults=("x" * 300,), warnings=("y " * 200,))
        empty = HealthPanel(frame=frame)
        empty.fit(*size)
        empty.show(fake.world(health=fake.make_health(cycle=())), 0)


def test_it_is_on_the_journal_screen_and_a_tab_at_80x24() -> None:
    async def full(deck: Deck) -> None:
        await deck.press("7")
        await deck.look()
        assert "41 cycles" in deck.text
        assert "200 a second" in deck.text

    async def tabs(deck: Deck) -> None:
        await deck.press("7")
        assert "Health" in deck.rows[1]
        await deck.press("shift+tab")
        await deck.look()
        assert "200 a second" in deck.text
        assert "ok, lag 0" in deck.text

    drive(full)
    drive(tabs, size=(80, 24))


def test_an_idle_engine_repaints_nothing() -> None:
    async def script(deck: Deck) -> None:
        await deck.press("7")
        await deck.look()
        painted: list[object] = []
        original = deck.app._display

        def watch(screen: object, update: object) -> None:
            if update is not None:
                painted.append(update)
            original(screen, update)  # type: ignore[arg-type]

        deck.app._display = watch  # type: ignore[method-assign, assignment]
        for turn in range(2):
            health = deck.hub.snapshot.health  # type: ignore[union-attr]
            beat = health.heartbeat_ns + SECOND
            deck.hub.change(
                health=fake.make_health(heartbeat_ns=beat, events_per_s=220.0 + turn),
                time_ns=beat,
            )
            await deck.look()
        assert painted == []

    drive(script)
