"""F12: connections drop; what the engine lived through must be what it lives through alone.

A served engine plays a simulated market while screens on it are killed, hung up, frozen and
cut off over SSH. Its journal must say, event by event, what that of the same run without any
screen says: then it missed no tick and did nothing twice. An engine inside its screen must be
gone within a second, its journal flushed and closed.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from app.journals import owner
from engine.core.clock import MINUTE, SECOND, monotonic_ns, pause
from engine.core.ids import source
from engine.core.records import Accounted
from engine.journal.queries import Reader
from tests.tty.harness import Terminal
from tests.tty.line import Line
from tests.tty.served import PROGRAM, Served
from tests.tty.sshd import Sshd, missing
from tests.tty.warm import COLD_EVERY, Warm
from tests.tty.warm import ENGINE as ENGINE_MODULES
from tests.tty.warm import PROGRAM as PROGRAM_MODULES

SPEED = 300.0
A_DROP_S = 6.0
"""Seconds for which the engine's run is planned a drop; a screen takes one or two to come up,
and several where the machine is busy. What is left of the run is not waited for."""

GONE_S = 1.0
"""Within which an engine inside its screen must be gone."""

SCREEN_GONE_S = 2.0
"""Within which a screen alone must be: nothing depends on it, but it must not spin on."""


@dataclass
class Drops:
    """What a turn reached."""

    drops: int = 0
    worst_ms: float = 0.0
    events: int = 0
    wrong: list[str] = field(default_factory=list)


def gone(pid: int) -> bool:
    """Whether this process has ended, also where nobody has asked for its exit code yet."""
    try:
        return not Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return True


def _wait_gone(pid: int, began_ns: int, limit_s: float = 10.0) -> float:
    """Milliseconds from `began_ns` until the process has ended; infinite when it does not."""
    while not gone(pid):
        if monotonic_ns() - began_ns > limit_s * SECOND:
            os.kill(pid, signal.SIGKILL)
            return float("inf")
        pause(0.005)
    return (monotonic_ns() - began_ns) / 1e6


def _serve(folder: Path, seed: int, minutes: int, speed: float) -> Served:
    folder.mkdir(parents=True, exist_ok=True)
    options = [
        "--feed", "sim", "--seed", str(seed), "--approval", "auto", "--for", f"{minutes}m",
        "--speed", f"{speed:g}" if speed else "max",
    ]  # fmt: skip
    return Served(folder, options, "paper-sim.db")


def _lived(engine: Served, until_ns: int = 0) -> tuple[list[str], int]:
    """What happened up to a moment, or to the last words, and when that was.

    A run that is ended by a signal ends somewhere within a moment: the last ones are no matter
    of screens.
    """
    engine.process.wait(600.0)
    with Reader(engine.journal) as reader:
        told = [event.record for event in reader.events(limit=-1)]
    last_ns = max(one.time_ns for one in told) - MINUTE
    until_ns = until_ns or last_ns
    kept = [repr(one) for one in told if one.time_ns < until_ns]
    return kept, last_ns


def drops(folder: Path, seed: int, count: int) -> Drops:
    """Screens on a served engine come and are lost `count` times."""
    done = Drops()
    chance = source(seed, "drops")
    minutes = int(count * A_DROP_S * SPEED / 60) + 5
    alone = _serve(folder / "alone", seed, minutes, 0.0)
    engine = _serve(folder / "watched", seed, minutes, SPEED)
    with ExitStack() as stack:
        stack.callback(alone.close)
        stack.callback(engine.close)
        warm = stack.enter_context(Warm(PROGRAM_MODULES)) if count > COLD_EVERY else None
        ways: list[Callable[[], str]] = [
            lambda: _local(engine, done, "killed", warm),
            lambda: _local(engine, done, "hung up", warm),
            lambda: _local(engine, done, "frozen", warm),
        ]
        if not missing():
            home = folder / "sshd"
            home.mkdir()
            sshd = stack.enter_context(Sshd(home))
            line = stack.enter_context(Line(sshd.port))
            ways.append(lambda: _over_ssh(engine, done, sshd, line))
        while done.drops < count and engine.process.poll() is None:
            found = chance.choice(ways)()
            if found:
                done.wrong.append(f"seed {seed}, drop {done.drops}: {found}")
            done.drops += 1
        if engine.process.poll() is not None and done.drops < count:
            done.wrong.append(f"seed {seed}: the engine had ended before drop {done.drops}")
        engine.process.terminate()
        until_ns = min(_lived(engine)[1], _lived(alone)[1])
        watched, quiet = _lived(engine, until_ns)[0], _lived(alone, until_ns)[0]
        done.events = len(quiet)
        if watched != quiet:
            pairs = enumerate(zip(watched, quiet, strict=False))
            at = next((k for k, (one, other) in pairs if one != other), len(quiet))
            done.wrong.append(f"seed {seed}: with screens another life from event {at} on")
    return done


def _local(engine: Served, done: Drops, how: str, warm: Warm | None) -> str:
    screen = engine.screen("attach", warm=None if done.drops % COLD_EVERY == 0 else warm)
    try:
        screen.wait("SIM", 20.0)
        pid = screen.process.pid
        if how == "frozen":
            # Its buffers fill, the engine lets it go; and so does whoever looks after it.
            os.kill(pid, signal.SIGSTOP)
            pause(0.5)
        began = monotonic_ns()
        if how == "hung up":
            screen.hang_up()
        else:
            screen.process.kill()
        took = _wait_gone(pid, began)
        done.worst_ms = max(done.worst_ms, took)
        return f"{how}: gone after {took:.0f} ms" if took > SCREEN_GONE_S * 1_000 else ""
    finally:
        screen.close()


def _over_ssh(engine: Served, done: Drops, sshd: Sshd, line: Line) -> str:
    """The line is cut; the screen at the far end must not stay."""
    file = sshd.folder / "pid"
    file.unlink(missing_ok=True)
    command = ["sh", "-c", f'echo $$ > {file}; exec "$@"', "sh", *PROGRAM, "attach"]
    with sshd.open(command, port=line.port, env=engine.env) as screen:
        screen.wait("SIM", 20.0)
        pid = int(file.read_text())
        began = monotonic_ns()
        line.cut()
        took = _wait_gone(pid, began)
    done.worst_ms = max(done.worst_ms, took)
    return f"cut: gone after {took:.0f} ms" if took > SCREEN_GONE_S * 1_000 else ""


def hang_ups(folder: Path, seed: int, count: int) -> Drops:
    """An engine inside its screen, hung up on at a random moment: gone, flushed, recovered."""
    done = Drops()
    chance = source(seed, "hang-ups")
    with ExitStack() as stack:
        warm = stack.enter_context(Warm(ENGINE_MODULES)) if count > COLD_EVERY else None
        for number in range(count):
            _hang_up(folder, seed, number, chance.random() * 0.8, done,
                     None if number % COLD_EVERY == 0 else warm)  # fmt: skip
    return done


def _hang_up(
    folder: Path, seed: int, number: int, moment: float, done: Drops, warm: Warm | None
) -> None:
    env = {"XDG_CONFIG_HOME": str(folder), "DATA_DIR": str(folder)}
    journal = folder / "paper-sim.db"
    options = ["--feed", "sim", "--seed", str(seed), "--speed", "120", "--approval", "auto"]
    if number:
        options.append("--resume")
    with Terminal(["-m", "app.main", *options], env=env, warm=warm) as screen:
        screen.wait("ACTIVE", 30.0)
        pause(moment)
        pid = screen.process.pid
        began = monotonic_ns()
        screen.hang_up()
        took = _wait_gone(pid, began)
        screen.process.poll()
    done.drops += 1
    done.worst_ms = max(done.worst_ms, took)
    found = _flushed(journal)
    if took > GONE_S * 1_000:
        found.append(f"gone after {took:.0f} ms")
    done.wrong += [f"seed {seed}, hang-up {number}: {one}" for one in found]


def _flushed(journal: Path) -> list[str]:
    """What is wrong with a journal that was to be flushed and closed."""
    wrong = [] if owner(journal) is None else ["the journal is still owned"]
    with Reader(journal) as reader:
        told = [event.record for event in reader.events(limit=-1)]
    stops = [one.why for one in told if isinstance(one, Accounted)]
    if not stops or stops[-1] != "stop":
        wrong.append(f"the last words are missing: {stops[-2:]}")
    return wrong
