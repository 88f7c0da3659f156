"""An engine without a screen that screens can come to: `quarterdeck serve`.

The kernel runs in the main thread and the socket in another. A hang-up of the terminal that
it was started from means nothing to it; an interrupt or a termination ends it in order.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from importlib.metadata import version
from pathlib import Path
from types import FrameType
from typing import Any

from app.compose import Engine, build
from app.dashboard import Dashboard
from app.options import RunOptions
from app.session import settle_memory
from engine.core.clock import wall_ns
from engine.core.config import Config
from engine.core.errors import QuarterdeckError
from engine.wire.address import Door, address_of
from engine.wire.server import HubServer

HANG_UP = (signal.SIGHUP,)
ENDING = (signal.SIGINT, signal.SIGTERM)


def serve(
    config: Config,
    options: RunOptions,
    address: Path | None,
    *,
    port: int | None = None,
    as_json: bool,
) -> int:
    """Run an engine and let screens attach until a signal ends it; the exit code.

    With a `port` the web view stands beside it. Raises `QuarterdeckError` when the engine
    can't be built or can't listen.
    """
    for number in HANG_UP:
        signal.signal(number, signal.SIG_IGN)
    release = version("quarterdeck")
    engine = build(config, options, release)
    try:
        door = Door(address or address_of(engine.path))
    except BaseException:
        engine.desk.feed.stop()
        engine.journal.close()
        raise
    server = HubServer(
        engine.hub,
        door,
        engine=f"{os.getpid()}-{wall_ns()}",
        version=release,
        journal=str(engine.path.absolute()),
    )

    def end(_signal: int, _frame: FrameType | None) -> None:
        engine.kernel.request_stop()

    for number in ENDING:
        signal.signal(number, end)
    server.start()
    settle_memory()
    facts = _began(engine, door.address)
    view = Dashboard(port) if port is not None else None
    if view is not None:
        facts["web"] = _look_in(view, door.address)
    _say(", ".join(f"{k} {v}" for k, v in facts.items()) + f"\n{_NEXT}", facts, as_json)
    try:
        engine.kernel.run()
    finally:
        if view is not None:
            view.stop()
        server.stop()
    fault = engine.kernel.fault
    text = f"the engine stopped by a fault: {fault}" if fault is not None else "ended in order"
    _say(text, {"ended": fault is None, "fault": str(fault or "")}, as_json)
    if fault is None:
        return 0
    return fault.exit_code if isinstance(fault, QuarterdeckError) else 1


_NEXT = "attach a screen with `quarterdeck attach`, end it with ctrl+c or SIGTERM"


def _look_in(view: Dashboard, address: Path) -> str:
    """Open the web view, or say why there is none: the engine runs with or without it."""
    try:
        return view.start(socket=address)
    except QuarterdeckError as error:
        return error.message


def _began(engine: Engine, address: Path) -> dict[str, Any]:
    return {
        "serving": str(address),
        "journal": str(engine.path),
        "process": os.getpid(),
        "mode": str(engine.desk.settings.mode),
        "feed": str(engine.desk.feed.kind),
        "market": "answers" if engine.answered else "can't be reached yet; entries are blocked",
    }


def _say(text: str, facts: dict[str, Any], as_json: bool) -> None:
    """A line for whoever started it, who may have gone with the terminal since."""
    try:
        print(json.dumps(facts) if as_json else text, flush=True)  # noqa: T201 - its voice
    except OSError:
        # Standard output went with its terminal; nothing may follow from that, not even the
        # interpreter's own flush at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
