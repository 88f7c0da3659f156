"""Rows of a table: cells by column, cleaned and frozen, remade only when their source is new."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from widgets.cells import plain
from widgets.lines import Run

Cell = Run | tuple[Run, ...]
"""A cell: one run, or several of different roles."""


class Row:
    """One row, frozen once made: cells by column, and a value to sort by for each.

    Texts are cleaned here, whatever they came as. `words` dress the whole row.
    """

    __slots__ = ("_found", "cells", "key", "sort", "symbol", "words")

    def __init__(
        self,
        key: str,
        cells: Mapping[str, Cell | str],
        sort: Mapping[str, float | str] | None = None,
        symbol: str = "",
        words: str = "",
    ) -> None:
        self.key = key
        self.cells = {name: _runs(cell) for name, cell in cells.items()}
        self.sort = sort or {}
        self.symbol = symbol
        self.words = words
        self._found: str | None = None

    @property
    def found(self) -> str:
        """What a filter searches: all cells in small letters."""
        if self._found is None:
            self._found = " ".join(
                "".join(text for text, _ in runs) for runs in self.cells.values()
            ).casefold()
        return self._found

    def text(self, key: str) -> str:
        """A cell as plain text."""
        return "".join(text for text, _ in self.cells.get(key, ()))


def _runs(cell: Cell | str) -> tuple[Run, ...]:
    if isinstance(cell, str):
        return ((plain(cell), ""),)
    if len(cell) == 2 and isinstance(cell[0], str) and isinstance(cell[1], str):
        return ((plain(cell[0]), cell[1]),)
    return tuple((plain(part[0]), str(part[1])) for part in cell)


class Rows:
    """Keeps each key's row while what it was made from stays the same objects.

    This is the identity diff: an engine that did not touch a position hands out the same
    object, and then its row, its line and its cells on the screen stay untouched.
    """

    def __init__(self) -> None:
        self._kept: dict[str, tuple[tuple[object, ...], Row]] = {}
        self.built = 0

    def build(
        self, items: Iterable[tuple[str, tuple[Any, ...]]], make: Callable[..., Row]
    ) -> list[Row]:
        """Rows of (key, what it is made from), remade by `make` only where needed."""
        kept: dict[str, tuple[tuple[object, ...], Row]] = {}
        rows = []
        for key, sources in items:
            old = self._kept.get(key)
            if old is None or not same_objects(old[0], sources):
                old = (sources, make(*sources))
                self.built += 1
            kept[key] = old
            rows.append(old[1])
        self._kept = kept
        return rows


def same_objects(old: tuple[object, ...], new: tuple[object, ...]) -> bool:
    """Whether all are the same: values of the engine by identity, texts and numbers by value."""
    return len(old) == len(new) and all(
        one is other or (isinstance(one, (str, int, float)) and one == other)
        for one, other in zip(old, new, strict=True)
    )
