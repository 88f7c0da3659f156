"""The program as it is, with a probe of its engine's lag: what the test of a blocked terminal runs.

`python -m tests.tty.blocked_child FILE ARGUMENTS…` runs the command line with these arguments
and writes what the probe has seen to the file, as JSON, again and again.
"""

from __future__ import annotations

import json
import sys
import threading
from pathlib import Path
from typing import Any

from engine.core.clock import monotonic_ns, pause

EVERY_S = 0.02
LATE_MS = (10, 20, 50, 100)


class Probe:
    """Wakes the kernel and measures how long it takes until it takes a turn.

    That is what a price, a command and a protective exit wait for. A turn that was already
    under way counts as the lag that it is.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._asked_ns = 0
        self._lags_ns: list[int] = []
        self._turns_ns: list[int] = []

    def watch(self, kernel_type: type[Any]) -> None:
        """Put the probe around the kernel's turn and start asking."""
        step = kernel_type.step
        probe = self

        def timed(kernel: Any) -> bool:
            began, asked = monotonic_ns(), probe._asked_ns
            if asked:
                probe._lags_ns.append(began - asked)
                probe._asked_ns = 0
            moved: bool = step(kernel)
            probe._turns_ns.append(monotonic_ns() - began)
            probe._kernel = kernel
            return moved

        self._kernel: Any = None
        kernel_type.step = timed
        threading.Thread(target=self._ask, daemon=True, name="probe").start()

    def _ask(self) -> None:
        told_ns = monotonic_ns()
        while True:
            pause(EVERY_S)
            kernel = self._kernel
            if kernel is not None and not self._asked_ns:
                self._asked_ns = monotonic_ns()
                kernel.wake()
            if monotonic_ns() - told_ns > 500_000_000:
                told_ns = monotonic_ns()
                self._tell()

    def _tell(self) -> None:
        again = self._file.with_suffix(".again")
        if again.exists():
            self._lags_ns.clear()
            self._turns_ns.clear()
            again.unlink()
            return
        lags, turns = sorted(self._lags_ns), sorted(self._turns_ns)
        if not lags:
            return
        facts = {
            "asked": len(lags),
            "p99_ms": lags[int(len(lags) * 0.99)] / 1e6,
            "worst_ms": lags[-1] / 1e6,
            "late": {str(ms): sum(lag > ms * 1e6 for lag in lags) for ms in LATE_MS},
            "worst_turn_ms": turns[-1] / 1e6,
            "events": self._kernel.desk.tally.events,
        }
        part = self._file.with_suffix(".part")
        part.write_text(json.dumps(facts))
        part.replace(self._file)


def main() -> int:
    file, *arguments = sys.argv[1:]
    from engine.kernel.loop import Kernel

    Probe(Path(file)).watch(Kernel)
    from app.main import main as program

    sys.argv[1:] = arguments
    return program()


if __name__ == "__main__":
    sys.exit(main())
