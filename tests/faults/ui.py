"""Faults of the terminal: signals, hang-ups, resizes, hostile text; each with a count.

The tests run a small share, the soak runs towards the design's figures with the same code.
Every driver returns what it counted and raises `AssertionError` at the first violation.
"""

from __future__ import annotations

import asyncio
import re
import signal
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from app.app import QuarterdeckApp
from app.layouts import Fit
from app.options import AppOptions
from engine.core.clock import SECOND, monotonic_ns, pause
from engine.core.ids import source
from tests.tty.harness import Terminal
from tests.tty.warm import COLD_EVERY, SCREEN, Warm
from tests.ui.fakehub import FakeHub, FakeTime, world
from tests.ui.hostile import MARK, poison

DEMO = ("-m", "tests.tty.demo")

ALLOWED = re.compile(
    rb"\x1b\[[0-9;:]*m"  # colours
    rb"|\x1b\[[0-9;]*[HABCDJK]"  # cursor and erasing
    rb"|\x1b\[\?[0-9;]+(?:[hl]|\$p)"  # modes
    rb"|\x1b\[(?:>[0-9]*|<)u"  # keyboard protocol
    rb"|\x1b\[6n"  # the question after a sample
    rb"|\x1b\]22;[a-z-]*\x07"  # the shape of the mouse pointer
)
"""Every escape sequence that the program itself has reason to write."""


@dataclass(frozen=True)
class Reached:
    """What a driver got to."""

    count: int
    seed: int
    worst_ms: float = 0.0


def unexpected(output: bytes) -> list[bytes]:
    """Control bytes in an output that no part of the program meant to write."""
    rest = ALLOWED.sub(b"", output).decode("utf-8", "replace")
    pattern = r".{0,20}[\x00-\x09\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069].{0,20}"
    return [found.encode() for found in re.findall(pattern, rest)]


HOSTILE_KEYS = ("2", "3", "4", "5", "7", "?", "\x1b", "1", "\r", "\x1b", "e", "\x1b")
"""Every screen, help, a proposal and its dialog; each is drawn with every world of a program."""

WORLDS = 20
"""Hostile worlds that one program goes through."""


def hostile_texts(count: int, seed: int = 1, worlds: int = WORLDS) -> Reached:
    """F42: texts of hostile worlds through every screen, captured from a pty, until there were
    this many."""
    texts = 0
    number = 0
    while texts < count:
        _hostile(seed + number, worlds)
        texts += sum(len(strings_of(seed + number + k)) for k in range(worlds))
        number += worlds
    return Reached(texts, seed)


def _hostile(seed: int, worlds: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        arguments = [*DEMO, "--hostile", "--seed", str(seed), "--worlds", str(worlds),
                     "--state", folder, "--hz", "50"]  # fmt: skip
        with Terminal(arguments, columns=120, rows=40) as terminal:
            terminal.wait("PAPER")
            for key in HOSTILE_KEYS:
                terminal.send(key)
                _every_world(terminal, Path(folder) / "worlds", worlds)
            assert terminal.process.poll() is None, terminal.text()[-500:]
            found = unexpected(bytes(terminal.output))
            assert not found, found[:3]
            terminal.process.send_signal(signal.SIGTERM)
            terminal.end()


def _every_world(terminal: Terminal, told: Path, worlds: int) -> None:
    """Wait until each world has been on the screen as it is now."""

    def shown() -> int:
        return int(told.read_text()) if told.exists() else 0

    target, deadline = shown() + worlds + 2, monotonic_ns() + 60 * SECOND
    while shown() < target:
        assert terminal.process.poll() is None, terminal.text()[-500:]
        assert monotonic_ns() < deadline, "the worlds stand still"
        pause(0.01)


def strings_of(seed: int) -> set[str]:
    """The hostile texts in one world."""
    found: set[str] = set()

    def walk(value: object) -> None:
        if isinstance(value, tuple):
            for item in value:
                walk(item)
        elif isinstance(value, str):
            found.add(value)
        elif hasattr(value, "__struct_fields__"):
            for name in value.__struct_fields__:
                walk(getattr(value, name))

    walk(poison(world(), seed))
    return {text for text in found if MARK in text or not text.isprintable()}


def _signalled(kind: int, moment: float, times: int, warm: Warm | None) -> float:
    """One program and one storm, 0 for a hang-up; milliseconds until it had ended."""
    with tempfile.TemporaryDirectory() as folder:
        arguments = [*DEMO, "--rate", "50", "--state", folder]
        with Terminal(arguments, columns=100, rows=30, warm=warm) as terminal:
            terminal.wait("PAPER")
            pause(moment)
            began = monotonic_ns()
            if kind:
                for _ in range(times):
                    terminal.process.send_signal(kind)
            else:
                terminal.hang_up()
            terminal.end(5.0)
            took = (monotonic_ns() - began) / 1e6
            assert took < 1_000, f"signal {kind}: {took:.0f} ms"
            assert (Path(folder) / "flushed").exists(), "the engine was not flushed"
            if kind:
                assert terminal.restored(), bytes(terminal.output[-200:])
    return took


def signals(count: int, seed: int = 1, number: int | None = None) -> Reached:
    """F12, F13: signals and hang-ups at random moments; gone within 1 s of the flush.

    The terminal is as it was before, except after a hang-up, where there is none.
    """
    draws = source(seed, "signals")
    worst = 0.0
    with ExitStack() as stack:
        warm = stack.enter_context(Warm(SCREEN)) if count > 1 else None
        for turn in range(count):
            kind = number or draws.choice((signal.SIGTERM, signal.SIGHUP, signal.SIGINT, 0))
            took = _signalled(kind, draws.random() * 0.8, draws.randint(1, 3),
                              None if turn % COLD_EVERY == 0 else warm)  # fmt: skip
            worst = max(worst, took)
    return Reached(count, seed, worst)


def blocked_terminal(seconds: float) -> Reached:
    """F15: a terminal that stops reading; the program lives on, answers SIGTERM and leaves."""
    with tempfile.TemporaryDirectory() as folder:
        arguments = [*DEMO, "--rate", "100", "--hz", "20", "--symbols", "8", "--state", folder]
        with Terminal(arguments, columns=200, rows=60, answers=False) as terminal:
            terminal.wait("PAPER")
            terminal.reading = False
            pause(0.2)
            for _ in range(200):
                terminal.send("jk2317")
            pause(seconds)
            began = monotonic_ns()
            terminal.process.send_signal(signal.SIGTERM)
            terminal.end(5.0)
            took = (monotonic_ns() - began) / 1e6
            assert took < 2_000, f"{took:.0f} ms"
            assert (Path(folder) / "flushed").exists()
    return Reached(1, 0, took)


KEY_EVERY = 3
KEYS = ("j", "k", "tab", "z", "1", "2", "3", "5", "7", "escape")


def resizes(count: int, seed: int = 1) -> Reached:
    """F14: random resizes down to 1x1 with random keys, no exception, no blind approval."""
    draws = source(seed, "resizes")

    async def main() -> None:
        time, hub = FakeTime(), FakeHub(world())
        with tempfile.TemporaryDirectory() as folder:
            options = AppOptions(hz=0, monotonic=time, seed=1, state_folder=Path(folder))
            app = QuarterdeckApp(hub, options)
            async with app.run_test(size=(120, 40)) as pilot:
                for number in range(count):
                    await pilot.resize_terminal(draws.randint(1, 210), draws.randint(1, 70))
                    time.pass_ms(draws.choice((10, 300, 1_100)))
                    hub.change()
                    app.sampler.step()
                    await pilot.pause()  # a key would find the screen as it is after this
                    blind_approval(app)
                    if number % KEY_EVERY == 0:
                        await pilot.press(draws.choice(KEYS))
                        blind_approval(app)

    asyncio.run(main())
    return Reached(count, seed)


def blind_approval(app: QuarterdeckApp) -> None:
    """Raise when approving is offered, or would act, without size and symbol in view."""
    screen = app.base_screen()
    if screen is None or app.screen is not screen:
        return
    shown = "\n".join(strip.text for strip in screen._compositor.render_strips(app.size))
    proposal = app.state().proposal
    if proposal is not None:
        assert screen.fit is not Fit.NOTE
        assert proposal.symbol in shown, (app.size, shown)
        assert f"{proposal.quantity.normalize():f}" in shown, (app.size, shown)
    elif "a approve" in shown:
        raise AssertionError(f"approve is offered blindly at {app.size}: {shown}")
