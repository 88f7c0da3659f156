"""The ports of learning: who proposes changes, and who carries them out.

A learner never writes a parameter, a status or a rule itself; it suggests, and the ledger
decides, applies through an `Applier`, watches and takes back.
"""

from __future__ import annotations

from abc import ABC
from collections.abc import Iterable, Sequence
from typing import Protocol

from engine.core.learning import Closed, Opportunity, Outcome, Path, Suggestion, Target, Trials
from engine.core.records import AnyRecord


class Applier(Protocol):
    """Sets targets of one kind, and tells how they stand. Values are JSON texts."""

    def current(self, target: Target) -> str:
        """What is set now; `null` where nothing is set in exactly this scope."""
        ...

    def standing(self, target: Target) -> str:
        """What holds there now, set in this scope or not: a default, a wider scope's value."""
        ...

    def apply(self, target: Target, value: str, by: str, now_ns: int) -> Iterable[AnyRecord]:
        """Set it, or with `null` take back what was set. `by` names the change or person.

        Returns the records that say so; they are journaled with the change's own.
        """
        ...


class Learner(ABC):
    """Something that learns. Owned by the kernel thread; pure computation, no clock, no I/O.

    Life cycle: `closed` for every trade as it closes and `ended` for every opportunity as
    its prices end, both in order; `daily` once a day of engine time. Each returns what it
    would like changed. After a restart the same history is given again in the same order, so
    that nothing needs to be stored but the journal. The same history gives the same
    suggestions.
    """

    name: str

    def closed(self, trade: Closed) -> Iterable[Suggestion]:
        """A trade closed. Must take less than half a millisecond."""
        return ()

    def ended(self, opportunity: Opportunity, path: Path, outcome: Outcome) -> Iterable[Suggestion]:
        """An opportunity's prices have ended."""
        return ()

    def daily(
        self, past: Sequence[tuple[Opportunity, Path, Outcome]], now_ns: int
    ) -> Iterable[Suggestion | Trials | None]:
        """A day is over; `past` are the opportunities still remembered, oldest first.

        May be a generator: whoever asks takes one item at a time, and None says that a piece
        of a few milliseconds is done. A search tells its `Trials`, whatever it found.
        """
        return ()
