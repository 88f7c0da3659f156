"""A typist who means harm: every key at once, pastes, a mouse and a window of any size.

The program runs with a real engine in a pseudo terminal. Bursts reach it as fast as the
terminal takes them, also while it starts, while a dialog opens and while it leaves.
"""

from __future__ import annotations

import os
import random  # noqa: TID251  the type only; every source is drawn from a seed
import signal
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from engine.core.clock import pause
from engine.core.ids import source
from engine.core.records import Noted
from engine.core.types import Control
from engine.journal.queries import Reader
from tests.tty.harness import Terminal
from tests.tty.served import Served

SIZES = ((1, 1), (9, 2), (40, 10), (60, 15), (80, 24), (120, 40), (200, 60), (300, 100))
MARKS = ("\x1b[A", "\x1b[B", "\x1b[C", "\x1b[D", "\x1b[H", "\x1b[F", "\x1b[5~", "\x1b[6~",
         "\x1b[3~", "\x1b[Z", "\x1bOP", "\x1b[15~", "\x1b", "\r", "\t", "\x7f")  # fmt: skip
CONTROLS = "".join(chr(code) for code in range(1, 27) if chr(code) not in "\x1a")
"""ctrl+a to ctrl+y; ctrl+z stops a program under a shell, and here nobody would wake it."""
HOSTILE = ("\x1b]52;c;AAAA\x07", "[@click=app.quit]x[/]", "\u202e\u200b", "'; DROP TABLE events;--",
           "\x1b[2J", "%s%n", "9" * 400, "💥" * 50, "\x00\x9b31m")  # fmt: skip
OPTIONS = ("--feed", "sim", "--speed", "60", "--seed", "9",
           "--symbols", "BTC/USDT,ETH/USDT,SOL/USDT")  # fmt: skip
JOURNAL = "paper-sim.db"
CALM = b"\x1b"
STARTED = "\x1b[?1049h"
_STATES = tuple(state.value.encode() for state in Control)
_LEFT = (0, 130, -signal.SIGINT, 143)
"""Codes of a program that left: a ctrl+c after it gave the terminal back is the shell's."""


@dataclass
class Typed:
    """What a drive came to: bursts typed, starts it took, and what was wrong."""

    bursts: int = 0
    starts: int = 0
    wrong: list[str] = field(default_factory=list)


def typed(folder: Path, seed: int, count: int, attached: bool = False) -> Typed:
    """Type so many bursts; start the program again whenever one of them has made it leave.

    `attached` screens are those of one served engine, which no key of theirs may end.
    """
    done = Typed()
    chance = source(seed, "typist")
    with ExitStack() as stack:
        engine = Served(folder, OPTIONS, JOURNAL) if attached else None
        if engine is not None:
            stack.callback(engine.close)
        while done.bursts < count and not done.wrong:
            done.starts += 1
            _sitting(folder, chance, count, done, ["attach"] if attached else OPTIONS)
            if engine is not None and engine.process.poll() is not None:
                done.wrong.append(f"the engine ended with {engine.process.returncode}")
    return done


def _sitting(
    folder: Path, chance: random.Random, count: int, done: Typed, arguments: Sequence[str]
) -> None:
    """From one start to its end, which is ours or that of a key that leaves."""
    env = {"XDG_CONFIG_HOME": str(folder / "config"), "XDG_STATE_HOME": str(folder),
           "DATA_DIR": str(folder)}  # fmt: skip
    where = f"after burst {done.bursts}, start {done.starts}"
    with Terminal(["-m", "app.main", *arguments], env=env, folder=folder) as screen:
        # Before its first frame the terminal itself obeys ctrl+c.
        screen.wait(STARTED, 60.0)
        if chance.random() < 0.5:
            screen.wait(lambda out: any(state in out for state in _STATES), 60.0)
        last = ""
        while done.bursts < count and screen.process.poll() is None:
            last = _burst(screen, chance)
            done.bursts += 1
            if done.bursts % 25 == 0 and (found := _answers(screen)):
                done.wrong.append(f"burst {done.bursts}, last {last!r}: {found}")
                return
        if screen.process.poll() is None:
            screen.process.terminate()
        code = screen.end(20.0)
        said = screen.text()
        if code not in _LEFT or "fault of its own" in said or "Traceback" in said:
            done.wrong.append(f"{where}: ended with {code} by {last!r}: {said[-600:]!r}")
        elif not screen.left_screen():
            done.wrong.append(f"{where}: the terminal was left as the program had it")
    for report in folder.glob("**/crash-*.txt"):
        done.wrong.append(f"{where}: {report.read_text(encoding='utf-8')[-1_500:]}")
    if (folder / JOURNAL).exists():
        with Reader(folder / JOURNAL) as reader:
            told = [event.record for event in reader.events(limit=-1)]
        done.wrong += [f"{where}: {one.text}" for one in told
                       if isinstance(one, Noted) and "engine fault" in one.text]  # fmt: skip


def _burst(screen: Terminal, chance: random.Random) -> str:
    """One burst; what it was."""
    kind = chance.choices(("keys", "controls", "paste", "mouse", "size", "raw", "leave"),
                          (20, 6, 2, 4, 6, 2, 1))[0]  # fmt: skip
    if chance.random() < 0.4:
        pause(chance.choice((0.02, 0.1, 0.4)))
    if kind == "size":
        columns, rows = chance.choice(SIZES)
        screen.resize(columns, rows)
        return f"{columns}x{rows}"
    if kind == "leave":
        screen.send("\x1b\x1bq")
        pause(0.4)
        text = "".join(chance.choice("yefd\x1b\r") for _ in range(chance.randint(1, 5)))
    elif kind == "keys":
        text = "".join(
            chance.choice(MARKS) if chance.random() < 0.2 else chr(chance.randint(32, 126))
            for _ in range(chance.randint(1, 24))
        )
    elif kind == "controls":
        text = "".join(chance.choice(CONTROLS) for _ in range(chance.randint(1, 6)))
    elif kind == "paste":
        inside = "".join(chance.choice(HOSTILE) for _ in range(chance.randint(1, 60)))
        text = f"\x1b[200~{inside[: chance.choice((40, 10_000))]}\x1b[201~"
    elif kind == "mouse":
        text = "".join(
            f"\x1b[<{chance.choice((0, 1, 2, 32, 35, 64, 65))};{chance.randint(0, 310)};"
            f"{chance.randint(0, 110)}{chance.choice('Mm')}"
            for _ in range(chance.randint(1, 8))
        )
    else:
        text = os.fsdecode(chance.randbytes(chance.randint(1, 40))).replace("\x1a", "")
    screen.send(os.fsencode(text))
    return text[:120]


def _answers(screen: Terminal) -> str:
    """Whether a person could still work with it: closes what is open and asks for help."""
    screen.resize(120, 40)
    for _ in range(6):
        screen.send(CALM)
        screen.settle(0.15, 3.0)
        if screen.process.poll() is not None:
            return ""
    since = len(screen.output)
    try:
        screen.send("?")
        screen.wait("Keys of the", 10.0, since)
    except AssertionError as error:
        return "" if screen.process.poll() is not None else f"no help came: {error}"
    screen.send(CALM)
    return ""
