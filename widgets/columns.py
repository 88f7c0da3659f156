"""Columns and how they share a width: the important ones whole, the others as they fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_NICE_TO_HAVE = 5
_GAP = 3
_NARROW_GAP = 1
_READABLE = 48
"""Cells which a column that grows gets before the gaps between columns widen."""


@dataclass(frozen=True)
class Column:
    """One column. Rank 0 never gives way; of the others the highest rank goes first.

    A column is `width` cells, or as wide as its widest cell so far up to `most`: it grows
    and never shrinks, so that rows do not jump. One that `grows` takes what room is left.
    """

    key: str
    title: str
    width: int
    align: str = "left"
    rank: int = 0
    most: int = 0
    grows: bool = False


@dataclass(frozen=True)
class Layout:
    """Which columns are shown and how wide, and the gap between them."""

    columns: tuple[tuple[Column, int], ...]
    gap: int


def lay_out(columns: Sequence[Column], widest: Mapping[str, int], width: int) -> Layout:
    """Take columns by rank as long as they fit, then share out what is left or missing."""
    inner = width - 1
    widths = {column.key: widest.get(column.key, column.width) for column in columns}
    taken: set[str] = set()
    used = -_NARROW_GAP
    for column in sorted(columns, key=lambda c: c.rank):
        more = widths[column.key] + _NARROW_GAP
        # What is nice to have must not crowd the rest.
        airy = len(taken) if column.rank >= _NICE_TO_HAVE else 0
        if column.rank == 0 or used + more + airy <= inner:
            taken.add(column.key)
            used += more
    kept = [column for column in columns if column.key in taken]
    spare = inner - used
    growing = [column.key for column in kept if column.grows]
    # A text that is cut wants the room more than the gaps do.
    wanted = max([0, *(_READABLE - widths[key] for key in growing)])
    gap = _NARROW_GAP
    while gap < _GAP and spare - wanted >= len(kept) - 1:
        gap += 1
        spare -= len(kept) - 1
    if growing and spare > 0:
        widths[growing[0]] += spare
    for column in reversed(kept):
        given = min(widths[column.key], max(0, -spare))
        widths[column.key] -= given
        spare += given
    return Layout(tuple((c, widths[c.key]) for c in kept if widths[c.key] > 0), gap)
