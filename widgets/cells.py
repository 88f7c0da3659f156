"""Text measured in terminal cells: cleaned, cut, aligned and wrapped.

Panels align by cells and not by characters, because a Chinese headline takes two cells a
character and a combining mark none. Everything drawn passes through `plain`.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from functools import lru_cache

from rich.cells import cell_len, chop_cells, set_cell_size

from engine.core.safetext import SafeText

ELLIPSIS = "…"

# Marks stacked on one letter beyond this draw over the rows above and below.
_MARKS_PER_LETTER = 2


def plain(text: object) -> str:
    """One line of text that a terminal can only draw: cleaned as SafeText, flattened.

    Besides what SafeText drops, newlines and tabs become spaces, and characters on whose
    width terminals disagree (variation selectors, piles of combining marks) are left out.
    """
    raw = text if isinstance(text, str) else str(text)
    return raw if raw.isascii() and raw.isprintable() else _cleaned(raw)


@lru_cache(maxsize=8_192)
def _cleaned(raw: str) -> str:
    safe = SafeText(raw).replace("\n", " ").replace("\t", " ")
    return safe if safe.isascii() else "".join(_of_known_width(safe))


def _of_known_width(text: str) -> Iterator[str]:
    marks = 0
    for char in unicodedata.normalize("NFC", text):
        category = unicodedata.category(char)
        if category in ("Mn", "Me"):
            marks += 1
            if marks > _MARKS_PER_LETTER or "\ufe00" <= char <= "\ufe0f":
                continue
        else:
            marks = 0
            if category == "Zs":
                char = " "
            elif category in ("Zl", "Zp"):
                continue
        yield char


def width_of(text: str) -> int:
    """How many cells the text takes."""
    return len(text) if text.isascii() else cell_len(text)


@lru_cache(maxsize=4_096)
def cut(text: str, width: int) -> str:
    """The text in at most `width` cells, ending in an ellipsis where something was lost."""
    if width <= 0:
        return ""
    if width_of(text) <= width:
        return text
    if width == 1:
        return ELLIPSIS
    return set_cell_size(text, width - 1).rstrip() + ELLIPSIS


def fit(text: str, width: int, align: str = "left") -> str:
    """The text in exactly `width` cells: cut, or padded on the side that `align` leaves."""
    if width <= 0:
        return ""
    text = cut(text, width)
    space = width - width_of(text)
    if align == "right":
        return " " * space + text
    if align == "center":
        return " " * (space // 2) + text + " " * (space - space // 2)
    return text + " " * space


def wrap(text: str, width: int, limit: int = 200) -> list[str]:
    """The text broken at spaces into lines of at most `width` cells; at most `limit` lines.

    Line breaks of the text stay; a word longer than a line is broken where it must be.
    """
    if width <= 0:
        return []
    lines: list[str] = []
    for paragraph in SafeText(text).split("\n"):
        lines += _wrapped(paragraph, width, limit + 1 - len(lines))
        if len(lines) > limit:
            return [*lines[: limit - 1], cut(f"{lines[limit - 1]} {ELLIPSIS}", width)]
    return lines


def _wrapped(paragraph: str, width: int, limit: int) -> list[str]:
    lines: list[str] = []
    line = ""
    for word in plain(paragraph).split():
        for piece in chop_cells(word, width) if width_of(word) > width else (word,):
            if not line:
                line = piece
            elif width_of(line) + 1 + width_of(piece) <= width:
                line += f" {piece}"
            else:
                lines.append(line)
                line = piece
        if len(lines) >= limit:
            return lines
    return [*lines, line]
