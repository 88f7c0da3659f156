"""The program over a hand-written engine: what the pty tests start.

`python -m tests.tty.demo [--bare] [--rate EVENTS] [--hz HZ] [--flush SECONDS] ...`
"""

from __future__ import annotations

import argparse
import sys
import threading
from pathlib import Path


def main() -> int:
    """Run the screen; the engine is a script in a thread."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--bare", action="store_true", help="no engine at all")
    parser.add_argument("--rate", type=float, default=0.0, help="snapshots a second")
    parser.add_argument("--writing", action="store_true", help="a reply of the model streams")
    parser.add_argument("--still", action="store_true", help="publish, and change nothing")
    parser.add_argument("--symbols", type=int, default=3)
    parser.add_argument("--hz", type=float, default=None)
    parser.add_argument("--flush", type=float, default=0.0, help="seconds that flushing takes")
    parser.add_argument("--patience", type=float, default=10.0, help="how long to wait for it")
    parser.add_argument("--state", type=Path, default=Path("/tmp/quarterdeck-demo"))
    parser.add_argument("--hostile", action="store_true", help="every text tries to escape")
    parser.add_argument("--worlds", type=int, default=0, help="so many hostile worlds in turn")
    parser.add_argument("--seed", type=int, default=0, help="of the hostile texts")
    parser.add_argument("--raise", dest="fault", default="", help="where a fault is planted")
    parser.add_argument("--ignore-hup", action="store_true")
    options = parser.parse_args()

    from app import driver
    from app.app import QuarterdeckApp
    from app.options import AppOptions
    from app.session import run
    from engine.core.clock import pause

    driver.FLUSH_SECONDS = options.patience
    flushed = options.state / "flushed"
    options.state.mkdir(parents=True, exist_ok=True)
    flushed.unlink(missing_ok=True)

    def shutdown() -> None:
        if options.flush:
            pause(options.flush)
        flushed.write_text("yes")

    app = QuarterdeckApp(
        None,
        AppOptions(hz=options.hz, state_folder=options.state, export_folder=options.state,
                   seed=1, shutdown=shutdown, first_run=True),
    )  # fmt: skip

    def engine() -> None:
        from tests.tty.demo_engine import play

        play(app, options)

    if not options.bare:
        app.after_first_frame = lambda: threading.Thread(target=engine, daemon=True).start()
    return run(app)


if __name__ == "__main__":
    sys.exit(main())
