"""The journal as files for other programs: state, and one JSON line per thing that happened.

Names and folders are those that earlier designs gave them, so that an analysis written for
one of them finds its file. Keys are sorted and amounts are decimal text, so that the same
journal always gives the same bytes.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from engine.core.clock import iso
from engine.core.errors import JournalError
from engine.core.types import Value
from engine.journal.codec import encode
from engine.journal.export_rows import (
    adaptations,
    attribution,
    blocked,
    composite,
    execution_quality,
    governance,
    live_orders,
    model_calls,
    orders,
    portfolio_events,
    state,
    watchdog,
)
from engine.journal.queries import Reader

Rows = Callable[[Reader], Iterable[dict[str, Any]]]

_encoder = msgspec.json.Encoder(order="sorted")


def _table(name: str) -> Rows:
    return lambda reader: reader.table(name)


LINES: dict[str, Rows] = {
    "logs/orders.jsonl": orders,
    "data/live_orders.jsonl": live_orders,
    "data/blocked_trades.jsonl": blocked,
    "data/execution_quality.jsonl": execution_quality,
    "logs/composite_attribution.jsonl": composite,
    "logs/exits.jsonl": lambda reader: attribution(reader, exits=True),
    "logs/attribution.jsonl": attribution,
    "logs/telemetry.jsonl": _table("telemetry"),
    "data/governance_events.jsonl": governance,
    "logs/watchdog_events.jsonl": watchdog,
    "data/portfolio_events.jsonl": portfolio_events,
    "data/signals.jsonl": _table("signals"),
    "logs/decisions.jsonl": _table("decisions"),
    "logs/approvals.jsonl": _table("approvals"),
    "logs/params.jsonl": _table("param_history"),
    "logs/llm.jsonl": model_calls,
    "logs/adaptations.jsonl": adaptations,
    "data/trade_journal.jsonl": _table("trade_journal"),
    "data/coin_scores.jsonl": _table("coin_scores"),
    "data/pair_scores.jsonl": _table("pair_scores"),
    "data/trading_patterns.jsonl": _table("trading_patterns"),
    "data/regime_rules.jsonl": _table("regime_rules"),
    "data/insights.jsonl": _table("insights"),
    "data/news_items.jsonl": _table("news_items"),
    "data/performance_snapshots.jsonl": _table("performance_snapshots"),
    "data/strategy_performance.jsonl": _table("strategy_performance"),
}
"""File by file what it holds; all of them are written, also when they are empty."""

ABSENT = (
    "logs/reconcile.jsonl",
    "logs/uw_daemon.jsonl",
    "logs/uw_errors.jsonl",
    "data/uw_api_quota.jsonl",
)
"""Files of the same family that nothing in the journal can fill yet; they are not written."""


class Exported(Value, frozen=True):
    """What was written: (name, rows), which of them are empty, and which have no source yet."""

    folder: Path
    files: tuple[tuple[str, int], ...]
    empty: tuple[str, ...]
    absent: tuple[str, ...]


def export(journal: Path, folder: Path, *, everything: bool = False) -> Exported:
    """Write the state files and logs, with `everything` also each table as `tables/NAME.jsonl`.

    Files that exist are replaced, each at once. Raises `JournalError` when the folder can't
    be written.
    """
    with Reader(journal) as reader:
        files: list[tuple[str, int]] = []
        for name, value in state(reader).items():
            _write(folder / name, [_encoder.encode(value)])
            files.append((name, len(value) if isinstance(value, list) else 1))
        for name, rows in LINES.items():
            files.append((name, _write(folder / name, _lines(rows(reader)))))
        if everything:
            for table in reader.tables():
                name = f"tables/{table}.jsonl"
                files.append((name, _write(folder / name, _lines(reader.table(table)))))
    return Exported(
        folder=folder,
        files=tuple(files),
        empty=tuple(name for name, count in files if count == 0),
        absent=ABSENT,
    )


def _lines(rows: Iterable[dict[str, Any]]) -> Iterator[bytes]:
    for row in rows:
        plain = {key: _plain(value) for key, value in row.items()}
        if isinstance(plain.get("timestamp"), int):
            plain["time"] = iso(plain["timestamp"])
        yield _encoder.encode(plain)


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, msgspec.Struct):
        return msgspec.json.decode(encode(value))
    return value


def _write(path: Path, lines: Iterable[bytes]) -> int:
    part = path.with_name(path.name + ".part")
    count = 0
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(part, "wb") as file:
            for line in lines:
                file.write(line + b"\n")
                count += 1
        os.replace(part, path)
    except OSError as error:
        raise JournalError(f"can't write {path}: {error.strerror}", "check the folder") from None
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
    return count
