"""What a journal says was learned: changes, their evidence, and what is being followed.

Bodies are kept as text until the end, since most of what was followed is history by then.
"""

from __future__ import annotations

from collections import deque

import msgspec

from engine.core.learning import Change, Compared, Opportunity, Outcome, Path
from engine.core.records import (
    ChangeMoved,
    ComparedOn,
    Frozen,
    OpportunityBegan,
    OpportunityEnded,
    TrialsRun,
)
from engine.core.types import Value
from engine.journal.codec import decode

KINDS = frozenset(("opportunity", "opportunity_ended", "change", "compared", "trials", "frozen"))

RECENT_ENDED = 400
"""Ended opportunities handed back: as many as searches look at."""


class Learned(Value, frozen=True):
    """State at the last event. `changes` are in the order in which they were made, `ended` the
    last of them with their prices, oldest first; `trials` counts all values ever tried."""

    changes: tuple[Change, ...] = ()
    compared: tuple[Compared, ...] = ()
    frozen: tuple[str, ...] = ()
    following: tuple[Opportunity, ...] = ()
    ended: tuple[tuple[Opportunity, Path, Outcome], ...] = ()
    ended_count: int = 0
    trials: int = 0


class _Id(msgspec.Struct):
    id: str


class _Named(msgspec.Struct):
    opportunity: _Id


_named = msgspec.json.Decoder(_Named)


class LearnedFold:
    """Takes the learning kinds of events one by one."""

    def __init__(self) -> None:
        self._changes: dict[str, Change] = {}
        self._compared: list[Compared] = []
        self._frozen: dict[str, None] = {}
        self._following: dict[str, str] = {}
        self._ended: deque[str] = deque(maxlen=RECENT_ENDED)
        self._ended_count = 0
        self._trials = 0

    def event(self, kind: str, body: str) -> str:
        """Take one event; returns the id that it names, which is used up."""
        if kind == "opportunity":
            name = _named.decode(body).opportunity.id
            self._following[name] = body
            return name
        if kind == "opportunity_ended":
            name = _named.decode(body).opportunity.id
            self._following.pop(name, None)
            self._ended.append(body)
            self._ended_count += 1
            return name
        record = decode(body)
        if isinstance(record, ChangeMoved):
            self._changes[record.change.id] = record.change
            return record.change.id
        if isinstance(record, ComparedOn):
            self._compared.append(record.compared)
        elif isinstance(record, TrialsRun):
            self._trials += len(record.trials.values)
        elif isinstance(record, Frozen):
            if record.frozen:
                self._frozen[record.target] = None
            else:
                self._frozen.pop(record.target, None)
        return ""

    def result(self) -> Learned:
        live = {name for name, change in self._changes.items() if change.state.in_force}
        began = map(decode, self._following.values())
        over = map(decode, self._ended)
        return Learned(
            changes=tuple(self._changes.values()),
            compared=tuple(row for row in self._compared if row.change in live),
            frozen=tuple(self._frozen),
            following=tuple(r.opportunity for r in began if isinstance(r, OpportunityBegan)),
            ended=tuple(
                (r.opportunity, r.path, r.outcome) for r in over if isinstance(r, OpportunityEnded)
            ),
            ended_count=self._ended_count,
            trials=self._trials,
        )
