"""What a person has had before their eyes: the only thing that they can approve or admit.

A row may change, or another may slide under the cursor, in the instant before a key falls.
So the ledger keeps which proposal, in which version and with which digest, the terminal has
painted at the cursor, since when, and whether it replaced another one there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

from engine.core.clock import MILLISECOND
from engine.core.learning import Change
from engine.core.types import Proposal

LOOK_NS = 250 * MILLISECOND
"""How long a proposal must have been on screen before an approval acts on it."""


class Look(StrEnum):
    """Whether a proposal may be approved now."""

    READY = "ready"
    SOON = "soon"
    CHANGED = "changed"
    UNSEEN = "unseen"


T = TypeVar("T")


@dataclass(frozen=True)
class _Seen(Generic[T]):
    item: T
    since_ns: int
    replaced: bool


def same(one: Proposal | None, other: Proposal | None) -> bool:
    """Whether two proposals are the same terms: id, version and digest."""
    if one is None or other is None:
        return one is other
    return (one.id, one.version, one.digest) == (other.id, other.version, other.digest)


def same_change(one: Change | None, other: Change | None) -> bool:
    """Whether two changes are the same wish: id, values and state; figures may have moved."""
    if one is None or other is None:
        return one is other
    return (one.id, one.before, one.after, one.state) == (
        other.id, other.before, other.after, other.state,
    )  # fmt: skip


class AtCursor(Generic[T]):
    """The item at a cursor, as painted; `alike` tells whether two are the same terms."""

    def __init__(self, alike: Callable[[T | None, T | None], bool]) -> None:
        self._alike = alike
        self._seen: _Seen[T] | None = None
        self._drawn: T | None = None
        self._moved = False

    @property
    def item(self) -> T | None:
        """What stands at the cursor on the terminal, not what the engine has by now."""
        return self._seen.item if self._seen else None

    def moved(self) -> None:
        """The person moved the cursor: the next row under it is there by their own hand."""
        self._moved = True

    def draw(self, item: T | None) -> None:
        """The panel has been given this item at its cursor; it is not yet painted."""
        self._drawn = item

    def painted(self, now_ns: int) -> None:
        """The terminal has painted what was drawn last."""
        drawn = self._drawn
        if drawn is None:
            self._seen = None
        elif self._seen is None or not self._alike(self._seen.item, drawn):
            replaced = self._seen is not None and not self._moved
            self._seen = _Seen(drawn, now_ns, replaced)
        self._moved = False

    def look(self, item: T, now_ns: int) -> tuple[Look, int]:
        """Whether these terms may be answered now, and in how many ns if soon."""
        seen = self._seen
        if seen is None or not self._alike(seen.item, item):
            return Look.UNSEEN, 0
        left = seen.since_ns + LOOK_NS - now_ns
        if left <= 0:
            return Look.READY, 0
        return (Look.CHANGED if seen.replaced else Look.SOON), left


class Shown(AtCursor[Proposal]):
    """The proposal at the cursor, as painted."""

    def __init__(self) -> None:
        super().__init__(same)

    @property
    def proposal(self) -> Proposal | None:
        return self.item


class ShownChange(AtCursor[Change]):
    """The change at the cursor of the ledger, as painted."""

    def __init__(self) -> None:
        super().__init__(same_change)
