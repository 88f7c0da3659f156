"""Commands on their way to the engine, until each has come back with its ack.

A key press is a wish; only the ack says what became of it, and that is what a person is
told. What is not answered is said as well, because silence looks like success.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from engine.core.clock import SECOND
from engine.core.commands import Ack, AnyCommand, Approve
from engine.core.ids import fresh_seed, run_tag
from engine.hub import Hub

PATIENCE_NS = 5 * SECOND
"""After this long without an ack a person is told that the engine has not answered."""

Answered = Callable[[Ack], None]


@dataclass
class Sent:
    """A command under way: what it was meant to do and who wants to know."""

    command: AnyCommand
    what: str
    sent_ns: int
    answered: Answered | None = None
    late: bool = False


class Outbox:
    """Sends commands under ids of its own and finds their acks."""

    def __init__(self, seed: int = 0) -> None:
        self._tag = run_tag(seed or fresh_seed())
        self._count = 0
        self._pending: dict[str, Sent] = {}

    def next_id(self) -> str:
        """A command id that no other screen uses."""
        self._count += 1
        return f"{self._tag}-{self._count}"

    @property
    def pending(self) -> bool:
        return bool(self._pending)

    def approving(self, digest: str) -> bool:
        """Whether an approval of these very terms is under way already."""
        return any(
            isinstance(sent.command, Approve) and sent.command.digest == digest
            for sent in self._pending.values()
        )

    def send(
        self, hub: Hub, command: AnyCommand, what: str, now_ns: int, answered: Answered | None
    ) -> None:
        """Hand a command to the engine and remember it until its ack."""
        self._pending[command.id] = Sent(command, what, now_ns, answered)
        hub.send(command)

    def collect(self, hub: Hub, now_ns: int) -> tuple[list[tuple[Sent, Ack]], list[Sent]]:
        """Acks that have arrived since, and commands that have just become late."""
        acked: list[tuple[Sent, Ack]] = []
        late: list[Sent] = []
        for key, sent in list(self._pending.items()):
            ack = hub.ack(key)
            if ack is not None:
                del self._pending[key]
                acked.append((sent, ack))
            elif not sent.late and now_ns - sent.sent_ns > PATIENCE_NS:
                sent.late = True
                late.append(sent)
        return acked, late
