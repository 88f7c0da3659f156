"""A command left for an engine, and the answer it is given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
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
        Mailbox(picked.path).append(command)
        pid = owner(picked.path)
        if pid is None:
            return Outcome(command, picked.path, None, True, "left", _left(reader, picked))
        ack = _answer(reader, command.id)
    if ack is None:
        text = f"left for the engine (process {pid}), which has not answered within 2 s"
        return Outcome(command, picked.path, pid, True, "left", text)
    return Outcome(command, picked.path, pid, ack.ok, ack.code, ack.text, ack.ref, taken=True)


def _left(reader: Reader, picked: Picked) -> str:
    again = "" if reader.status().feed == FeedKind.LIVE else " with --resume"
    return (
        f"no engine runs on {picked.path.name} ({picked.because}): "
        f"this takes effect at its next start{again}"
    )


def _answer(reader: Reader, command: str) -> c.Ack | None:
    waiting, deadline = Event(), monotonic_ns() + ANSWER_WAIT_NS
    while monotonic_ns() < deadline:
        found = reader.commanded(command)
        if found is not None:
            return found.ack
        waiting.wait(POLL_S)
    return None
