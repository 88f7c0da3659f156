"""Commands for an engine that may not be running: a letter box beside the journal.

Approving from the command line must work while no engine lives, and must reach it exactly
once when it does; so a command is a synced line in a file, taken under a lock and kept until
the engine has journaled it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Container, Iterator
from pathlib import Path

import msgspec

from engine.core.commands import AnyCommand
from engine.core.errors import JournalError
from engine.journal.queries import Reader

_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[AnyCommand] = msgspec.json.Decoder(AnyCommand)


class Mailbox:
    """The letter box of one journal: anybody appends, one engine takes.

    `rejected` collects lines that are no command; they are reported, not obeyed.
    """

    def __init__(self, journal: Path) -> None:
        self._journal = journal
        self.path = journal.with_name(journal.name + ".mailbox")
        self._taken = journal.with_name(journal.name + ".mailbox-taken")
        self._seen: set[str] = set()
        self._looked = False
        self.rejected: list[str] = []

    def append(self, command: AnyCommand) -> None:
        """Put a command in; on disk when this returns. Raises `JournalError`."""
        try:
            with self._locked() as fd:
                size = os.fstat(fd).st_size
                torn = size and os.pread(fd, 1, size - 1) != b"\n"
                # A line cut off by a power failure must not swallow this one.
                os.pwrite(fd, (b"\n" if torn else b"") + _encoder.encode(command) + b"\n", size)
                os.fsync(fd)
        except OSError as error:
            raise JournalError(
                f"can't leave a command for the engine: {error.strerror}",
                "check the journal's folder",
            ) from None

    def waiting(self) -> bool:
        """Whether something may be in the box; a stat, for polling."""
        if not self._looked and self._taken.exists():
            return True
        try:
            return self.path.stat().st_size > 0
        except OSError:
            return False

    def take(self, done: Container[str] = ()) -> list[AnyCommand]:
        """Commands not taken before, oldest first; call `confirm` once they are journaled.

        After a kill between the two they come again, without those that the journal has;
        `done` names further ids that need not come.
        """
        lines = [] if self._looked else self._lines(self._taken)
        if lines:
            self._seen.update(self._journaled())
        self._looked = True
        if self.waiting():
            with self._locked() as fd:
                fresh = os.pread(fd, os.fstat(fd).st_size, 0)
                with open(self._taken, "ab", opener=_private) as taken:
                    taken.write(fresh + b"\n")
                    taken.flush()
                    os.fsync(taken.fileno())
                os.ftruncate(fd, 0)
                os.fsync(fd)
            lines += fresh.splitlines()
        commands: list[AnyCommand] = []
        for line in filter(None, lines):
            try:
                command = _decoder.decode(line)
            except (msgspec.MsgspecError, UnicodeDecodeError):
                self.rejected.append(line.decode("utf-8", "replace"))
                continue
            if command.id not in self._seen and command.id not in done:
                commands.append(command)
            self._seen.add(command.id)
        return commands

    def confirm(self) -> None:
        """All that was taken is journaled and may be forgotten."""
        with contextlib.suppress(FileNotFoundError):
            self._taken.unlink()

    def _journaled(self) -> set[str]:
        """Ids of the commands that a killed engine journaled before it could confirm them."""
        if not self._journal.exists():
            return set()
        with Reader(self._journal) as reader:
            return {record.command.id for record in reader.commands(-1)}

    @staticmethod
    def _lines(path: Path) -> list[bytes]:
        try:
            return path.read_bytes().splitlines()
        except FileNotFoundError:
            return []

    @contextlib.contextmanager
    def _locked(self) -> Iterator[int]:
        fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            yield fd
        finally:
            os.close(fd)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
