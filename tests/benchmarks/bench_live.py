"""The live feed: what importing its client costs, and how old a trade is when the kernel has it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from threading import Event

from engine.core.clock import MILLISECOND, SECOND, monotonic_ns
from tests.benchmarks import report
from tests.faults.live import PAIR, Rig

RUNS = report.runs(5)
TRADES = 300


def show(what: str, target: str, values: Sequence[float], unit: str) -> None:
    report.show(what, target, values, unit)


def import_s() -> float:
    """Seconds of a fresh interpreter that imports the client, its own start included."""
    begin = monotonic_ns()
    subprocess.run([sys.executable, "-c", "import ccxt.pro"], check=True)
    return (monotonic_ns() - begin) / SECOND


def latencies_ms() -> list[float]:
    """Milliseconds from the venue's send to `poll`, through loopback, ccxt and the queue."""
    out = []
    woken = Event()
    with Rig() as rig:
        assert rig.follow()
        rig.feed._outlet.wake = woken.set
        for i in range(TRADES):
            rig.pump()
            woken.clear()
            begin = monotonic_ns()
            number = rig.venue.trade(PAIR[0], rig.now_ns + i * 10 * MILLISECOND)
            while number not in rig.ticked:
                woken.wait(1.0)
                woken.clear()
                rig.pump()
            out.append((monotonic_ns() - begin) / MILLISECOND)
    return out


def main() -> None:
    show(
        "import of ccxt.pro, process included",
        "after the first frame",
        [import_s() for _ in range(RUNS)],
        "s",
    )
    show("trade from socket to poll, send included", "< 1 ms", latencies_ms(), "ms")


if __name__ == "__main__":
    main()
