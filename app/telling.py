"""How a command speaks: one JSON object for programs, a table for a person, plain when piped.

Everything that a command prints passes here, because what a journal holds was partly written
by strangers: text is stripped of escapes before a terminal sees it.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any

import msgspec

from engine.core.safetext import SafeText


@dataclass(frozen=True)
class Table:
    """Rows under names; `right` are the columns of numbers, `empty` what no rows mean."""

    title: str
    columns: tuple[str, ...]
    rows: Sequence[Sequence[object]]
    right: frozenset[str] = field(default_factory=frozenset)
    empty: str = "nothing"


def say(text: str = "") -> None:
    """One line on stdout, without anything that a terminal would obey."""
    sys.stdout.write(SafeText(text) + "\n")


def say_json(value: object) -> None:
    """One JSON object; Decimals are text, so that no program rounds them."""
    sys.stdout.write(json.dumps(plain(value), indent=2, ensure_ascii=True) + "\n")


def plain(value: object) -> Any:
    """A value as JSON knows it."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, set | frozenset):
        return sorted(map(plain, value))
    if isinstance(value, msgspec.Struct):
        return {name: plain(getattr(value, name)) for name in value.__struct_fields__}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, float) and not math.isfinite(value):
        return None if value != value else str(value)
    return value


def say_facts(pairs: Iterable[tuple[str, object]]) -> None:
    """Names and values, one pair a line."""
    rows = [(name, _cell(value)) for name, value in pairs]
    width = max((len(name) for name, _ in rows), default=0)
    for name, value in rows:
        say(f"{name:<{width}}  {value}".rstrip())


def say_table(table: Table) -> None:
    """A drawn table on a terminal; aligned columns of whole values in a pipe."""
    rows = [[_cell(value) for value in row] for row in table.rows]
    if not rows:
        say(f"{table.title}: {table.empty}")
    elif sys.stdout.isatty():
        _draw(table, rows)
    else:
        _align(table, rows)


def _draw(table: Table, rows: list[list[str]]) -> None:
    from rich.console import Console
    from rich.table import Table as Drawn
    from rich.text import Text

    drawn = Drawn(title=table.title, title_justify="left", title_style="bold")
    for name in table.columns:
        drawn.add_column(name, justify="right" if name in table.right else "left")
    for row in rows:
        drawn.add_row(*(Text(cell) for cell in row))
    Console(highlight=False, markup=False, emoji=False).print(drawn)


def _align(table: Table, rows: list[list[str]]) -> None:
    lines = [list(table.columns), *rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        cells = [
            cell.rjust(width) if name in table.right else cell.ljust(width)
            for cell, width, name in zip(line, widths, table.columns, strict=True)
        ]
        say("  ".join(cells).rstrip())


def _cell(value: object) -> str:
    if value is None:
        return "—"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, list | tuple):
        return ", ".join(map(_cell, value)) or "none"
    if isinstance(value, dict):
        return ", ".join(f"{key} {_cell(item)}" for key, item in value.items()) or "none"
    return SafeText(value).line()


@contextmanager
def progress(what: str) -> Iterator[Callable[[int], None]]:
    """A count that runs on the terminal's stderr while work goes on; silent elsewhere."""
    if not sys.stderr.isatty():
        yield lambda _done: None
        return
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done: bar.update(task, description=f"{what}: {done}")
