"""A grid of single cells, drawn into at places and read out as rows of runs."""

from __future__ import annotations

from widgets.lines import Line, Run


class Grid:
    """Characters of one cell each, with their role words."""

    def __init__(self, width: int, height: int) -> None:
        self.width = max(0, width)
        self.height = max(0, height)
        self._chars = [[" "] * self.width for _ in range(self.height)]
        self._words = [[""] * self.width for _ in range(self.height)]

    def put(self, x: int, y: int, char: str, words: str = "") -> None:
        """Set one cell; places outside are left out."""
        if 0 <= x < self.width and 0 <= y < self.height:
            self._chars[y][x] = char
            self._words[y][x] = words

    def write(self, x: int, y: int, text: str, words: str = "") -> None:
        """Set cells from left to right; only for text of single-cell characters."""
        for offset, char in enumerate(text):
            self.put(x + offset, y, char, words)

    def at(self, x: int, y: int) -> str:
        """The character in a cell; blank outside."""
        return self._chars[y][x] if 0 <= x < self.width and 0 <= y < self.height else " "

    def row(self, y: int) -> Line:
        """One row, neighbours of one role joined into runs."""
        runs: list[Run] = []
        chars, words = self._chars[y], self._words[y]
        start = 0
        for x in range(1, self.width + 1):
            if x == self.width or words[x] != words[start]:
                runs.append(("".join(chars[start:x]), words[start]))
                start = x
        return tuple(runs) if self.width else ()

    def rows(self) -> list[Line]:
        """All rows, from the top."""
        return [self.row(y) for y in range(self.height)]
