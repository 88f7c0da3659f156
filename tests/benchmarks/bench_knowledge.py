"""What a closed trade costs the learners at once, and what an entry pays for being told.

Run it with `python -m tests.benchmarks.bench_knowledge`.
"""

from __future__ import annotations

import statistics

from engine.core.clock import monotonic_ns
from engine.core.ids import source
from engine.core.learning import Rule, RuleAction
from engine.core.parameters import Parameters
from engine.learning.memory import Memory
from engine.learning.quick import QuickUpdate
from tests.benchmarks import report
from tests.knowledge_help import START, closed, entered

RUNS = report.runs(5)
TRADES = 5_000
SYMBOLS = tuple(f"C{number}/USDT" for number in range(20))
STRATEGIES = ("technical", "ma_crossover", "rsi_reversion", "strategist_rules")


def lived() -> tuple[Memory, list[float]]:
    """A memory after five thousand trades in twenty symbols, and what each cost in µs."""
    memory, chance = Memory(Parameters()), source(1, "trades")
    quick, took = QuickUpdate(memory), []
    for number in range(TRADES):
        one = closed(
            chance.choice((-1.0, -1.0, 2.1)),
            number,
            symbol=chance.choice(SYMBOLS),
            strategy=chance.choice(STRATEGIES),
            regime=chance.choice(("BULL", "BEAR", "SIDEWAYS")),
        )
        context = entered(one)
        quick.opened(context)
        begin = monotonic_ns()
        quick.process_trade_close(one, context, one.trade.closed_ns)
        took.append((monotonic_ns() - begin) / 1000)
    return memory, took


def bearing(memory: Memory) -> float:
    """One entry's question with ten rules, in µs."""
    for number in range(10):
        memory.rules.set(
            Rule(id=f"R-{number}", description="x", action=RuleAction.CAUTION, hours=(number,))
        )
    begin = monotonic_ns()
    for number in range(5_000):
        memory.bearing(
            SYMBOLS[number % 20], "technical", "technical·BULL·LONG", "NORMAL", START + number
        )
    return (monotonic_ns() - begin) / 1000 / 5_000


def main() -> None:
    report.heading("knowledge: a close taken in, an entry told")
    p50, p99, worst, asked, context = [], [], [], [], []
    for _ in range(RUNS):
        memory, took = lived()
        p50.append(statistics.median(took))
        p99.append(report.percentile(took, 0.99))
        worst.append(max(took))
        asked.append(bearing(memory))
        begin = monotonic_ns()
        memory.get_knowledge_context(START)
        context.append((monotonic_ns() - begin) / 1000)
    earlier = "an earlier design < 5 ms"
    report.show("quick update on a trade close, p50", "", p50, "µs")
    report.show("quick update on a trade close, p99", "≤ 500 µs", p99, "µs", earlier)
    report.show("quick update on a trade close, worst of 5,000", "", worst, "µs")
    report.show("what an entry has to know, ten rules", "≤ 20 µs", asked, "µs")
    report.show("the whole knowledge context", "", context, "µs")


if __name__ == "__main__":
    main()
