"""One session at the terminal: everything around the application's life.

The order matters (what is drawn, what is flushed, what is restored), so it is written once
for every command that opens a screen.
"""

from __future__ import annotations

import gc
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from app import crash
from app.driver import Exit, QuarterdeckDriver, require_terminal

if TYPE_CHECKING:
    from app.app import QuarterdeckApp

# Half a millisecond: an engine thread that computes hands the interpreter to a key press
# after this long rather than after Python's five milliseconds.
SWITCH_INTERVAL = 0.0005
GC_THRESHOLDS = (5_000, 20, 100_000)
LOG_NAME = "terminal.log"
LOG_BYTES = 1_000_000
"""A log larger than this is put aside at the next start, over the one before it."""
NOT_ENDED = "The engine did not end in time and was stopped; the next start recovers its journal."


def settle_memory() -> None:
    """Take what the imports left out of the collector's sight and make it run rarely.

    Called once everything heavy is imported; default settings cost a live screen pauses of
    hundreds of milliseconds.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)


class Diverted:
    """Sends what C libraries and loggers print into a file while the screen is drawn.

    File descriptors 1 and 2 are replaced, because a warning printed by compiled code knows
    nothing of Python's streams. The driver has its own copy of the terminal by then.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._saved: list[tuple[int, int]] = []

    def start(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        log = self._folder / LOG_NAME
        if log.exists() and log.stat().st_size > LOG_BYTES:
            log.replace(log.with_suffix(".log.1"))
        target = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        for fd in (1, 2):
            self._saved.append((fd, os.dup(fd)))
            os.dup2(target, fd)
        os.close(target)

    def end(self) -> None:
        for fd, saved in self._saved:
            os.dup2(saved, fd)
            os.close(saved)
        self._saved.clear()


def run(app: QuarterdeckApp) -> int:
    """Run the application at this terminal until it ends; the exit code.

    Flushes the engine once on every way out and leaves the terminal as it was. Raises
    `QuarterdeckError` before anything is drawn when there is no terminal.
    """
    if not app.options.web:
        require_terminal()
    sys.setswitchinterval(SWITCH_INTERVAL)
    way_out = Exit(app.options.shutdown)
    QuarterdeckDriver.way_out = way_out
    diverted = Diverted(app.options.state_folder)
    app.before_first_frame = diverted.start
    error: BaseException | None = None
    try:
        app.run(mouse=app.options.mouse)
    except BaseException as fault:  # noqa: BLE001 - the terminal comes first, then the report
        error = fault
    finally:
        ended = way_out.flush()
        way_out.left.set()
        diverted.end()
    if not ended:
        print(NOT_ENDED, file=sys.stderr)  # noqa: T201 - the prompt is back
        sys.stderr.flush()
        os._exit(128 + way_out.signal if way_out.signal else 1)
    error = error or app.fault or way_out.fault
    if isinstance(error, (KeyboardInterrupt, SystemExit)):
        return 130
    if error is not None:
        path = app.crash_path or crash.report(error, app.options.state_folder)
        print(crash.sentence(error, path), file=sys.stderr)  # noqa: T201 - the prompt is back
        return 1
    return app.return_code or 0
