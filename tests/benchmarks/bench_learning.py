"""What learning costs the kernel: a candidate, an end with its comparisons, a search, a snapshot.

Run: `python -m tests.benchmarks.bench_learning`. Asserts nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from engine.core.clock import DAY, HOUR, MINUTE, monotonic_ns
from engine.core.learning import ChangeKind, Evidence, Lean, Suggestion
from engine.core.parameters import Parameters
from engine.learning.adjust import parameter
from engine.learning.exits import LEARNED, ExitLearner, on_grid
from engine.learning.paths import Bars, packed, unpacked
from engine.learning.school import School
from engine.learning.simulate import Simulator
from tests.benchmarks import report
from tests.property.test_learning_walk import START, opportunity, walked

CANDIDATES = 200
CHANGES = 8
DAY_OF_MINUTES = 1_440


def timed(work: Callable[[], object]) -> float:
    """Microseconds of one call."""
    before = monotonic_ns()
    work()
    return (monotonic_ns() - before) / 1_000


class _Told:
    def kind_of(self, one: object) -> str:
        return "filled"

    def tick_of(self, symbol: str) -> float:
        return 0.01


def _school(params: Parameters) -> School:
    numbers = iter(range(1, 1_000_000))
    school = School(params, "balanced", lambda: f"C-{next(numbers)}")
    for one in LEARNED[:CHANGES]:
        assert one.low is not None
        school.suggest(
            [
                Suggestion(
                    target=parameter(one.name), after=str(on_grid(one, one.low)),
                    kind=ChangeKind.TRIAL, lean=Lean.TIGHTENS, who="bench", reason="bench",
                    evidence=Evidence(metric="none", unit="R", n=0, mean=0.0), lasts_ns=60 * DAY,
                )
            ],
            START - DAY,
        )  # fmt: skip
    return school


def candidates_and_ends() -> None:
    """A candidate that is followed, and its end a day later beside eight changes in force."""
    params = Parameters()
    school, bars = _school(params), walked(3, DAY_OF_MINUTES)
    began, ended = [], []
    for k in range(CANDIDATES):
        at = START + k * 25 * HOUR
        one = opportunity(id=f"X-{k}", opened_ns=at)
        began.append(timed(partial(school.want, one)))
        for row, time in zip(bars.prices.tolist(), bars.times.tolist(), strict=True):
            school._wanted.on_bar(one.symbol, (time - START + at, *row), MINUTE)
        ended.append(timed(partial(school.look, at + 24 * HOUR, _Told())))
        while school.work(at) is not None:
            pass
    report.show("a candidate is followed", "p50 ≤ 0.3 ms", [float(np.median(began))], "µs")
    report.show(
        f"its day ends: valued, packed, compared under {CHANGES} changes",
        "p50 ≤ 5 ms",
        [float(np.median(ended))],
        "µs",
    )
    report.show("   the same, p99", "p99 ≤ 5 ms", [float(np.quantile(ended, 0.99))], "µs")
    views = [timed(school.ledger.changes) for _ in range(200)]
    report.show("the ledger for a snapshot, once a second", "", sorted(views), "µs")


def search() -> None:
    """The daily search over two hundred days of minutes, in its pieces."""
    params = Parameters()
    simulator, past = Simulator("balanced"), []
    for k in range(CANDIDATES):
        bars = walked(k, DAY_OF_MINUTES)
        at = START + k * 6 * HOUR
        one = opportunity(id=f"X-{k}", opened_ns=at)
        moved = Bars(bars.prices, bars.times - START + at, bars.span_ns)
        outcome = simulator.run(one, moved, params)
        assert outcome is not None
        past.append((one, packed(moved, at, 0.01), outcome))
    learner = ExitLearner(params, simulator)
    pieces, whole = [], monotonic_ns()
    work = learner.daily(past, past[-1][0].opened_ns + DAY)
    while True:
        before = monotonic_ns()
        if next(work, StopIteration) is StopIteration:
            break
        pieces.append((monotonic_ns() - before) / 1_000)
    took_ms = (monotonic_ns() - whole) / 1e6
    report.show("daily search, 200 candidates new to it", "", [took_ms], "ms")
    report.show("   a piece of it, p50", "", [float(np.median(pieces))], "µs")
    report.show("   a piece of it, p99", "p99 ≤ 5 ms", [float(np.quantile(pieces, 0.99))], "µs")
    again = timed(lambda: list(learner.daily(past, past[-1][0].opened_ns + DAY)))
    report.show("   the same the next day", "", [again / 1_000], "ms")


def one_run() -> None:
    params, bars = Parameters(), walked(3, DAY_OF_MINUTES)
    simulator, one = Simulator("balanced"), opportunity(stop=90.0)
    runs = sorted(timed(lambda: simulator.run(one, bars, params)) for _ in range(400))
    report.show("one candidate through the step, a day of minutes", "", runs, "µs")
    path = packed(bars, START, 0.01)
    report.show("   its prices packed", "", [len(path.prices) / 1_000], "kB")
    opened = sorted(timed(lambda: unpacked(path)) for _ in range(200))
    report.show("   and unpacked", "", opened, "µs")


def main() -> None:
    one_run()
    candidates_and_ends()
    search()


if __name__ == "__main__":
    main()
