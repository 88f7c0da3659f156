"""A command for an engine, and the answer it is given.

An engine that serves screens is told through its socket, at once. Any other finds the command
in the letter box of its journal, at the latest when it starts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from threading import Event
from typing import Any

from app.journals import Picked, owner
from engine.core import commands as c
from engine.core.clock import SECOND, monotonic_ns
from engine.core.ids import fresh_seed
from engine.core.types import Actor, FeedKind
from engine.journal.mailbox import Mailbox
from engine.journal.queries import Reader
from engine.wire.address import serving
from engine.wire.frames import WireError
from engine.wire.remote import UNREACHABLE, RemoteHub

ANSWER_WAIT_NS = 2 * SECOND
POLL_S = 0.05

Made = Callable[[Reader, dict[str, Any]], c.AnyCommand]
"""Checks against the journal and makes the command from what every command shares."""


@dataclass(frozen=True)
class Outcome:
    """What became of a command: `taken` once the engine has answered."""

    command: c.AnyCommand
    journal: Path
    engine: int | None
    ok: bool
    code: str
    text: str
    ref: str = ""
    taken: bool = False

    def facts(self) -> dict[str, Any]:
        """By stable names."""
        return {
            "id": self.command.id,
            "command": type(self.command).__struct_config__.tag,
            "journal": str(self.journal),
            "engine": self.engine,
            "taken": self.taken,
            "ok": self.ok,
            "code": self.code,
            "text": self.text,
            "ref": self.ref,
        }


def send(make: Made, picked: Picked) -> Outcome:
    base = {"id": f"cli-{fresh_seed():016x}", "actor": Actor.COMMAND_LINE}
    with Reader(picked.path) as reader:
        command = make(reader, base)
        told = _tell(command, picked)
        if told is not None:
            return told
        Mailbox(picked.path).append(command)
        pid = owner(picked.path)
        if pid is None:
            return Outcome(command, picked.path, None, True, "left", _left(reader, picked))
        ack = _answer(reader, command.id)
    if ack is None:
        text = f"left for the engine (process {pid}), which has not answered within 2 s"
        return Outcome(command, picked.path, pid, True, "left", text)
    return Outcome(command, picked.path, pid, ack.ok, ack.code, ack.text, ack.ref, taken=True)


def _tell(command: c.AnyCommand, picked: Picked) -> Outcome | None:
    """Through the socket of an engine that serves, or None where the letter box must do.

    Once the command has left, the letter box is no way any more: it would come twice.
    """
    address = serving(picked.path)
    if address is None:
        return None
    hub = RemoteHub(address, version("quarterdeck"), hz=30.0)
    try:
        if not hub.start(ANSWER_WAIT_NS / SECOND):
            return None
        pid = hub.welcome.pid if hub.welcome is not None else None
        hub.send(command)
        ack = _poll(lambda: hub.ack(command.id))
        text = f"told the engine (process {pid}), which has not answered within 2 s"
        if ack is None:
            return Outcome(command, picked.path, pid, True, "sent", text)
        if ack.code == UNREACHABLE:
            return None
        return Outcome(command, picked.path, pid, ack.ok, ack.code, ack.text, ack.ref, taken=True)
    except WireError:
        return None
    finally:
        hub.close()


def _left(reader: Reader, picked: Picked) -> str:
    again = "" if reader.status().feed == FeedKind.LIVE else " with --resume"
    return (
        f"no engine runs on {picked.path.name} ({picked.because}): "
        f"this takes effect at its next start{again}"
    )


def _answer(reader: Reader, command: str) -> c.Ack | None:
    def look() -> c.Ack | None:
        found = reader.commanded(command)
        return found.ack if found is not None else None

    return _poll(look)


def _poll(look: Callable[[], c.Ack | None]) -> c.Ack | None:
    waiting, deadline = Event(), monotonic_ns() + ANSWER_WAIT_NS
    while monotonic_ns() < deadline:
        ack = look()
        if ack is not None:
            return ack
        waiting.wait(POLL_S)
    return None
