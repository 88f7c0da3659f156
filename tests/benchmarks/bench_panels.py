"""What one sample costs the screen's thread: panels told, rows compared, runs marked.

Run it with `python -m tests.benchmarks.bench_panels`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from engine.core.clock import monotonic_ns
from engine.core.views import Snapshot
from tests.benchmarks import report
from tests.ui import gallery
from widgets.chart import PriceChart
from widgets.equity import EquityLine
from widgets.journal import JournalPanel
from widgets.panel import Panel

RUNS = report.runs(7)
SAMPLES = 200
replace = msgspec.structs.replace


def line(name: str, target: str, took: Sequence[float]) -> None:
    """Min, median and max over the runs, in µs a sample."""
    report.show(name, f"≤ {target}", took, "µs")


def desk(page: int) -> list[Panel]:
    """The panels of a gallery page at half of 120x40, fed once."""
    panels = [cls() for cell in gallery.PAGES[page] for cls in cell]
    for panel in panels:
        panel.fit(60, 12)
    gallery.fill(panels, gallery.world())
    return panels


def moved(world: Snapshot, number: int) -> Snapshot:
    """The world with a new price in every symbol and position."""
    step = 1 + (number % 17) * 1e-4
    return replace(
        world,
        version=number + 2,
        markets=tuple(replace(m, last=round(m.last * step, 6)) for m in world.markets),
        positions=tuple(
            replace(p, mark=round(p.mark * step, 2), pnl_pct=p.pnl_pct + number % 17 / 100)
            for p in world.positions
        ),
    )


def measure(act: Callable[[int], object]) -> list[float]:
    """µs for one call, in each of the runs."""
    took = []
    for _ in range(RUNS):
        begin = monotonic_ns()
        for number in range(SAMPLES):
            act(number)
        took.append((monotonic_ns() - begin) / SAMPLES / 1000)
    return took


def main() -> None:
    """Print each figure beside its target."""
    world = gallery.world()
    worlds = [moved(world, number) for number in range(SAMPLES)]
    for page, name in ((0, "Desk: eight panels"), (1, "Signals: four panels")):
        panels = desk(page)

        def show(snapshot: Snapshot, panels: list[Panel] = panels) -> None:
            for panel in panels:
                panel.show(snapshot, 0)

        line(f"{name}, nothing changed", "100", measure(lambda _, show=show: show(world)))  # type: ignore[misc]
        line(f"{name}, every price changed", "2000",
             measure(lambda number, show=show: show(worlds[number])))  # type: ignore[misc]  # fmt: skip
    chart, equity, journal = PriceChart(), EquityLine(), JournalPanel()
    for panel in (chart, equity, journal):
        panel.fit(100, 30)
    bars, points, lines = gallery.bars_of("BTC/USDT"), gallery.points(), gallery.journal()
    forming = gallery.forming("BTC/USDT")

    def draw(number: int) -> None:
        last = replace(forming, close=forming.close * (1 + number % 9 * 1e-4))
        chart.show_bars("BTC/USDT", bars, last, None, "15m")

    line("Chart of 100x30, the last bar moved", "5000", measure(draw))
    line("Equity of 100x30, 1,920 points", "5000", measure(lambda _: equity.show_points(points)))
    line("Journal of 120 lines, none new", "1000", measure(lambda _: journal.show_lines(lines)))


if __name__ == "__main__":
    main()
