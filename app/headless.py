"""A run without a screen: the engine in this thread, ended by the market or by a signal."""

from __future__ import annotations

import json
import signal
import sys
from importlib.metadata import version
from types import FrameType
from typing import Any

from app.compose import Engine, build
from app.options import RunOptions
from engine.core.clock import iso
from engine.core.config import Config
from engine.core.errors import QuarterdeckError
from engine.journal.queries import Reader


def run_headless(config: Config, options: RunOptions, *, as_json: bool) -> int:
    """Run to the end, print what happened, return the exit code.

    SIGINT, SIGTERM and SIGHUP end the run in order: the journal is flushed and closed. A
    fault of the engine is told in one sentence and gives exit code 1.
    """
    engine = build(config, options, version("quarterdeck"))

    def end(_signal: int, _frame: FrameType | None) -> None:
        engine.kernel.request_stop()

    before = {number: signal.signal(number, end) for number in _SIGNALS}
    try:
        engine.kernel.run()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    result = summary(engine)
    if as_json:
        print(json.dumps(result, indent=2))  # noqa: T201 - what was asked for
    else:
        _tell(result)
    fault = engine.kernel.fault
    if fault is not None:
        text = str(fault) if isinstance(fault, QuarterdeckError) else repr(fault)
        print(f"quarterdeck: the engine stopped by a fault: {text}", file=sys.stderr)  # noqa: T201
        return fault.exit_code if isinstance(fault, QuarterdeckError) else 1
    return 0


_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def summary(engine: Engine) -> dict[str, Any]:
    """The closing object of a run; `digest` is that of the journal as it is on disk."""
    desk, tally = engine.desk, engine.desk.tally
    account = desk.ledger.account(desk.now_ns, desk.marks())
    with Reader(engine.path) as reader:
        digest = reader.digest()
    return {
        "mode": str(desk.settings.mode),
        "feed": str(desk.feed.kind),
        "symbols": list(desk.symbols),
        "from": iso(engine.kernel.first_ns) if engine.kernel.first_ns else None,
        "to": iso(desk.now_ns) if desk.now_ns else None,
        "bars": tally.bars,
        "ticks": tally.ticks,
        "signals": tally.signals,
        "decisions": tally.decisions,
        "proposals": tally.proposals,
        "approvals": tally.approvals,
        "orders": tally.orders,
        "fills": tally.fills,
        "trades": tally.trades,
        "denials": dict(sorted(tally.denials.items())),
        "open_positions": len(desk.book.open()),
        "equity": str(account.equity),
        "realised_pnl": str(account.realised),
        "fees": str(account.fees),
        "quote": account.quote,
        "invariants_ok": engine.kernel.fault is None and account.checked,
        "control": str(desk.control.state),
        "faults": list(desk.faults),
        "journal": str(engine.path),
        "seed": desk.settings.seed,
        "digest": digest,
    }


def _tell(result: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(show_header=False, box=None, pad_edge=False)
    for key, value in result.items():
        if isinstance(value, dict):
            value = ", ".join(f"{name} {count}" for name, count in value.items()) or "none"
        elif isinstance(value, list):
            value = ", ".join(map(str, value)) or "none"
        table.add_row(key.replace("_", " "), str(value))
    Console(highlight=False).print(table)
