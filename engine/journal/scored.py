"""Which events tell what refusals and approvals were worth, kept as text until a start is done.

Most events of a journal have no part in it; those are told apart by their kind and a word in
their text, so that going through a long journal costs no decoding of what is not needed.
"""

from __future__ import annotations

import msgspec

from engine.core.records import AnyRecord
from engine.journal.codec import decode

KINDS = frozenset(("trade", "counterfactual", "proposal", "opportunity_ended", "position", "fill"))

_APPROVED = '"state":"approved"'
_TAKEN = '"taken_over":true'
_PLAIN = '"size_factor":1.0'


class _Id(msgspec.Struct):
    id: str


class _Position(msgspec.Struct):
    position: _Id


_position = msgspec.json.Decoder(_Position)


class ScoredFold:
    """Takes the events of `KINDS`; keeps approvals, trades, refusals and what was done to
    positions that a person took over."""

    def __init__(self) -> None:
        self._kept: list[str] = []
        self._taken: set[str] = set()

    def event(self, kind: str, body: str) -> None:
        """One event."""
        if kind in ("trade", "counterfactual"):
            self._kept.append(body)
        elif kind == "proposal":
            if _APPROVED in body:
                self._kept.append(body)
        elif kind == "opportunity_ended":
            if _PLAIN not in body:
                self._kept.append(body)
        elif kind == "position":
            if _TAKEN in body:
                name = _position.decode(body).position.id
                if name not in self._taken:
                    self._taken.add(name)
                    self._kept.append(body)
        elif kind == "fill" and self._taken and any(f'"{name}"' in body for name in self._taken):
            self._kept.append(body)

    def result(self) -> tuple[AnyRecord, ...]:
        """Those records, oldest first."""
        return tuple(map(decode, self._kept))
