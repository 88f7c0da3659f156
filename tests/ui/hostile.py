"""Texts that try to act on a terminal or on a widget, and worlds full of them."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from engine.core.ids import source
from engine.core.views import Snapshot

MARK = "pwned"
SEEDS = (
    f"\x1b]52;c;{MARK}\x07",
    f"\x1b]0;{MARK}\x07",
    "\x1b[2J\x1b[H",
    f"\x1bP{MARK}\x1b\\",
    f"\x9b31m{MARK}\x9d0;{MARK}\x9c",
    "[@click=app.press('a')]click me[/]",
    "[@click=app.approve('P-17')]free money[/]",
    "[/",
    "[TODO] [/bold] [bold",
    "[link=https://example.org]x[/link]",
    "$(reboot) `id`",
    "\u202eevorppa\u202c \u200b\u200d\ufeff",
    "\U000e0041\U000e0042",
    "line\r\nbreak\ttab\x00\x08\x7f",
    "é" + "\u0301" * 50,
    "漢字👩‍👩‍👧‍👦🏳️‍🌈",
    "\ud800",
    "",
)

T = TypeVar("T")


def text(seed: int, number: int) -> str:
    """Hostile text `number` of a seed: some seeds joined, cut and repeated."""
    draws = source(seed, "hostile", number)
    parts = [draws.choice(SEEDS) for _ in range(draws.randint(1, 3))]
    if draws.random() < 0.3:
        parts.append("".join(chr(draws.randrange(0, 0x300)) for _ in range(draws.randint(1, 12))))
    return draws.choice(("", "BUY ", "news: ")).join(parts)


FREE_TEXT = frozenset(
    [
        "reason",
        "reasoning",
        "text",
        "label",
        "venue",
        "detail",
        "note",
        "why_waits",
        "ended",
        "verdict",
        "waiting_for",
        "regime",
        "vol_level",
        "strategy",
        "name",
        "source",
        "winner",
        "journal",
        "profile",
        "version",
        "recovered",
        "journal_state",
        "client_id",
        "exit_reason",
        "indicators",
        "pattern",
        "kind",
        "code",
    ]
)
"""Fields whose text may come from outside, or is drawn as if it did."""


def poison(snapshot: Snapshot, seed: int = 0) -> Snapshot:
    """The same world with every free text of it hostile; ids and symbols stay usable."""
    count = [0]

    def bad() -> str:
        count[0] += 1
        return text(seed, count[0])

    def walk(value: object, field: str) -> object:
        if isinstance(value, msgspec.Struct):
            changes = {name: walk(getattr(value, name), name) for name in value.__struct_fields__}
            return msgspec.structs.replace(value, **changes)
        if isinstance(value, tuple):
            return tuple(walk(item, field) for item in value)
        if type(value) is str and field in FREE_TEXT:
            return bad()
        return value

    poisoned = walk(snapshot, "")
    assert isinstance(poisoned, Snapshot)
    return poisoned
