"""What a decision costs, from the closed bar to the gates, and each part of it.

Run it with `python -m tests.benchmarks.bench_decision`.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from decimal import Decimal

from engine.analysis.indicators import warm_up
from engine.core.clock import monotonic_ns
from engine.core.parameters import Parameters
from engine.core.regimes import Regime
from engine.core.types import Action, InstrumentKind
from engine.decision.combine import Combiner
from engine.decision.sources import DecisionContext, TechnicalSource
from engine.risk.gates import evaluate, limits
from engine.risk.sizing import size_entry
from engine.strategies.builtin import builtin_strategies
from engine.strategies.coordination import coordinate
from engine.strategies.expected_value import TradeStatistics
from tests.benchmarks import report
from tests.decision_help import CHEAP, Walk, account, candidate, market, sizing

RUNS = report.runs(5)
BARS = 4000
WARM = 1000


def line(name: str, target: str, took: Sequence[float]) -> None:
    """Min, median and max over the runs, in µs."""
    report.show(name, f"≤ {target}" if target else "", took, "µs")


def whole_decisions() -> tuple[list[float], list[float], list[float]]:
    """Per bar, in µs: everything; strategies to decision only; and everything where one spoke."""
    parameters = Parameters()
    walk = Walk(InstrumentKind.SWAP, parameters)
    strategies, kept = builtin_strategies(), TradeStatistics(parameters)
    combiner = Combiner(parameters, [TechnicalSource()])
    everything, middle, spoken = [], [], []
    for number, bar in enumerate(market(3, BARS)):
        begin = monotonic_ns()
        context = walk.take(bar)
        known = monotonic_ns()
        signals = [strategy.analyze(context) for strategy in strategies]
        said = coordinate(context, signals, kept, lambda: CHEAP)
        decision = combiner.decide("D-1", DecisionContext(context, said))
        decided = monotonic_ns()
        if decision.action is not Action.HOLD:
            size_entry(sizing(confidence=decision.confidence), parameters)
            evaluate(candidate(confidence=decision.confidence), parameters)
        end = monotonic_ns()
        if number >= WARM:
            everything.append((end - begin) / 1000)
            middle.append((decided - known) / 1000)
            if decision.action is not Action.HOLD:
                spoken.append((end - begin) / 1000)
    return everything, middle, spoken


def part(work: Callable[[], object], times: int = 5000) -> float:
    begin = monotonic_ns()
    for _ in range(times):
        work()
    return (monotonic_ns() - begin) / 1000 / times


def main() -> None:
    warm_up()
    market(3, BARS)
    report.heading("from a closed bar to the gates")
    p50, p99, inner, entries = [], [], [], []
    for _ in range(RUNS):
        everything, middle, spoken = whole_decisions()
        p50.append(statistics.median(everything))
        p99.append(statistics.quantiles(everything, n=100)[-1])
        inner.append(statistics.median(middle))
        entries.append(statistics.median(spoken))
    line("decision at a bar's close, p50", "300 µs", p50)
    line("decision at a bar's close, p99", "2000 µs", p99)
    line("  of it strategies, ranks and votes, p50", "60 µs", inner)
    line("decision that enters, with size and gates, p50", "300 µs", entries)
    parameters, asked, now = Parameters(), candidate(), account()
    entry = sizing(stop=Decimal(97), confidence=0.7, regime=Regime.BULL, regime_confidence=0.8)
    for name, target, work in (
        ("all gates of one candidate", "20 µs", lambda: evaluate(asked, parameters)),
        ("standing limits", "10 µs", lambda: limits(now, parameters)),
        ("size of one entry", "30 µs", lambda: size_entry(entry, parameters)),
    ):
        line(name, target, [part(work) for _ in range(RUNS)])


if __name__ == "__main__":
    main()
