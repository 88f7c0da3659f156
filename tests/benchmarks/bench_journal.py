"""What the journal costs: a durable commit, a bulk of rows, an append, a start after a kill.

Run it with `python -m tests.benchmarks.bench_journal`.
"""

from __future__ import annotations

import os
import signal
import tempfile
from pathlib import Path

from engine.core.clock import monotonic_ns
from engine.core.ids import source
from engine.core.records import Filled
from tests.benchmarks import report
from tests.faults.journal import ROOT, child, open_paper
from tests.faults.story import Story, note

ROUNDS = report.runs(3)
COMMITS = 2_000
BULK = 200_000
EVENTS = 100_000


def told(name: str, target: str, samples: list[float], unit: str) -> None:
    """One line: min, median and max beside the target."""
    report.show(name, target, samples, unit)


def durable(folder: Path) -> None:
    """A fill with what belongs to it, appended and waited for, one after the other."""
    fills = [
        group
        for group in Story(source(1, "bench")).groups(COMMITS)
        if any(isinstance(record, Filled) for record in group)
    ][:COMMITS]
    middles, tails = [], []
    for number in range(ROUNDS):
        with open_paper(folder / f"durable-{number}.db") as journal:
            took = []
            for group in fills:
                begin = monotonic_ns()
                journal.append_all(group)
                journal.barrier()
                took.append((monotonic_ns() - begin) / 1_000)
        took.sort()
        middles.append(took[len(took) // 2])
        tails.append(took[int(len(took) * 0.99)])
    told("durable commit of a fill (FULL), p50", "", middles, "µs")
    told("durable commit of a fill (FULL), p99", "≤ 1,000", tails, "µs")


def bulk(folder: Path) -> None:
    """As fast as it goes: plain events, and a trading day with all its tables."""
    plain, mixed, cost = [], [], []
    record = note("something happened that a person may want to read about")
    groups = list(Story(source(2, "bench")).groups(2_000))
    for number in range(ROUNDS):
        with open_paper(folder / f"bulk-{number}.db") as journal:
            begin = monotonic_ns()
            for _ in range(BULK):
                journal.append(record)
            journal.barrier(60)
            plain.append(BULK / (monotonic_ns() - begin) * 1e9)
            begin = monotonic_ns()
            rows = 0
            for group in groups:
                journal.append_all(group)
                rows += len(group)
            cost.append((monotonic_ns() - begin) / 1_000 / rows)
            journal.barrier(60)
            mixed.append(rows / (monotonic_ns() - begin) * 1e9)
    told("bulk, events alone", "≥ 200,000", plain, "rows/s")
    told("bulk, trading events each with its table rows", "", mixed, "rows/s")
    told("append, seen from the kernel, while the writer works", "< 5", cost, "µs")


def start(folder: Path) -> None:
    """Open after SIGKILL: everything still in the log, nothing closed."""
    took = []
    for number in range(ROUNDS):
        path = folder / f"start-{number}.db"
        child_id = os.fork()
        if child_id == 0:
            journal = open_paper(path)
            story = Story(source(3, "bench"))
            while journal.seq < EVENTS:
                for group in story.trade():
                    journal.append_all(group)
            journal.barrier(60)
            os.kill(os.getpid(), signal.SIGKILL)
        os.waitpid(child_id, 0)
        begin = monotonic_ns()
        with open_paper(path) as journal:
            took.append((monotonic_ns() - begin) / 1e6)
            assert journal.recovered.last_seq >= EVENTS
    told(f"recover {EVENTS:,} events after SIGKILL", "≤ 1,000", took, "ms")
    begin = monotonic_ns()
    process = child("own", folder / "start-0.db")
    assert process.stdout is not None
    process.stdout.readline()
    whole = (monotonic_ns() - begin) / 1e6
    process.kill()
    process.communicate()
    told("the same in a new process, with its imports", "", [whole], "ms")


def main() -> None:
    report.heading("the journal")
    # Beside the project rather than in memory: a sync must be a sync.
    with tempfile.TemporaryDirectory(dir=ROOT, prefix=".bench-journal-") as name:
        durable(Path(name))
        bulk(Path(name))
        start(Path(name))


if __name__ == "__main__":
    main()
