"""Faults for minutes: every driver in turn, towards the design's counts, each with its seed.

    python -m tests.soak --minutes 10
    python -m tests.soak --minutes 2 --only kills,F7 --seed 5

Prints what each reached and exits with 1 when anything went wrong; the seed of a failing turn
repeats it.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import traceback
from dataclasses import dataclass, field
from pathlib import Path

from engine.core.clock import MINUTE, SECOND, monotonic_ns
from engine.core.ids import derive
from tests.soak.drivers import Driver, Outcome, chosen, names


@dataclass
class Run:
    """One driver's life in this soak."""

    driver: Driver
    reached: int = 0
    turns: int = 0
    spent_ns: int = 0
    note: str = ""
    wrong: list[str] = field(default_factory=list)

    @property
    def open(self) -> bool:
        """Whether it has more to reach; what failed has shown what it had to."""
        return self.reached < self.driver.target and not self.wrong

    @property
    def owed(self) -> float:
        """Time spent beside its share; the smallest plays next."""
        return self.spent_ns / self.driver.weight


def play(run: Run, seed: int) -> None:
    """One turn with a seed of its own, so that a failure can be repeated alone."""
    own = derive(seed, "soak", run.driver.name, run.turns) % 1_000_000
    count = min(run.driver.turn, run.driver.target - run.reached)
    began = monotonic_ns()
    try:
        # Beside the project rather than in memory: a sync must be a sync.
        with tempfile.TemporaryDirectory(prefix=".soak-", dir=Path.cwd()) as folder:
            outcome = run.driver.play(Path(folder), own, count)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001 - told with its seed, and the others go on
        last = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{Path(last.filename).name}:{last.lineno}"
        outcome = Outcome(0, [f"{type(error).__name__} at {where}: {error}"])
    run.spent_ns += monotonic_ns() - began
    run.turns += 1
    run.reached += outcome.count
    run.note = outcome.note or run.note
    run.wrong += [f"seed {own}, count {count}: {wrong}" for wrong in outcome.wrong]


def soak(drivers: tuple[Driver, ...], minutes: float, seed: int) -> list[Run]:
    """Play until the time is over or every target is reached; every driver once at least."""
    runs = [Run(driver) for driver in drivers]
    end = monotonic_ns() + int(minutes * MINUTE)
    while True:
        waiting = [run for run in runs if run.open]
        if not waiting or (monotonic_ns() >= end and all(run.turns for run in runs)):
            return runs
        run = min(waiting, key=lambda one: (one.turns > 0, one.owed))
        play(run, seed)
        state = "WRONG" if run.wrong else "ok"
        print(
            f"{run.driver.fault:8} {run.driver.name:15} {run.reached:>8,} of "
            f"{run.driver.target:>8,}  {state}",
            flush=True,
        )


def table(runs: list[Run], minutes: float, seed: int) -> str:
    """The result as Markdown."""
    lines = [
        f"`python -m tests.soak --minutes {minutes:g} --seed {seed}`",
        "",
        "| fault | what | reached | of | s | result | measured |",
        "|---|---|--:|--:|--:|---|---|",
    ]
    for run in runs:
        driver = run.driver
        result = f"**{len(run.wrong)} wrong**" if run.wrong else "nothing wrong"
        lines.append(
            f"| {driver.fault} | {driver.what} (`{driver.name}`) | {run.reached:,} | "
            f"{driver.target:,} | {run.spent_ns / SECOND:.0f} | {result} | {run.note} |"
        )
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--only", default="", help=f"names or faults: {', '.join(names())}")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    drivers = chosen(given.only)
    if not drivers:
        print(f"there is no driver {given.only!r}; known: {', '.join(names())}", file=sys.stderr)
        return 2
    runs = soak(drivers, given.minutes, given.seed)
    print()
    print(table(runs, given.minutes, given.seed))
    failed = [wrong for run in runs for wrong in run.wrong]
    for run in runs:
        for wrong in run.wrong[:20]:
            print(f"\n{run.driver.name}: {wrong}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
