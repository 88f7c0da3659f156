"""What the portfolio layers cost: an estimate for twenty symbols, and one candidate.

Run it with `python -m tests.benchmarks.bench_risk`.
"""

from __future__ import annotations

from collections.abc import Callable

from engine.core.clock import MINUTE, monotonic_ns
from engine.core.parameters import Parameters
from engine.risk.portfolio import PortfolioRisk
from tests.benchmarks import report
from tests.benchmarks.bench_decision import line
from tests.risk_help import fill, moves

SYMBOLS = tuple(f"S{number:02d}/USDT" for number in range(20))
RUNS = 50


def timed(act: Callable[[], object], times: int = 1) -> list[float]:
    """Microseconds of one call, over the runs."""
    took = []
    for _ in range(RUNS):
        began = monotonic_ns()
        for _ in range(times):
            act()
        took.append((monotonic_ns() - began) / 1000 / times)
    return took


def main() -> None:
    """Twenty symbols, 250 days of quarter hours, ten of them held."""
    parameters = Parameters()
    risk = PortfolioRisk(15 * MINUTE, parameters)
    fill(risk.book, moves(1, 250 * 96, (0.85,) * 20, 0.002), SYMBOLS)
    risk.refresh()
    held = dict.fromkeys(SYMBOLS[:10], 1000.0)

    def estimate() -> None:
        parameters.version += 1
        risk.correlation.refresh()

    report.heading("portfolio risk")
    line("correlations and clusters of 20 symbols", "2000 µs", timed(estimate))
    line("value-at-risk model of 20 symbols", "5000 µs", timed(risk.var.refresh))
    line("what is held around one candidate", "100 µs",
         timed(lambda: risk.around(SYMBOLS[15], 1_000.0, held), 20))  # fmt: skip
    line("backtest of 220 days", "5000 µs", timed(lambda: risk.var.backtest(held)))


if __name__ == "__main__":
    main()
