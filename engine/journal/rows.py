"""What projections are made of: a statement with its values, and values as JSON columns."""

from __future__ import annotations

from typing import Any

import msgspec

Row = tuple[str, tuple[Any, ...]]


def into(table: str, columns: int, verb: str = "INSERT OR REPLACE") -> str:
    """The statement that writes a row; append-only tables take a plain `INSERT`."""
    return f"{verb} INTO {table} VALUES ({', '.join('?' * columns)})"


def text(value: Any) -> str:
    """A value as the JSON of one column."""
    return msgspec.json.encode(value, order="deterministic").decode()
