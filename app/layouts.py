"""Where panels stand: which a screen has, and how they share a window of a size.

Sizes are decided here by the window alone, so that live data never moves a border: three
columns from 180x45, two from 120x40, tabs from 80x24, one panel below, a note under 60x15.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

from textual.geometry import NULL_OFFSET, NULL_SPACING, Region, Size
from textual.layout import ArrangeResult, Layout, WidgetPlacement
from textual.widget import Widget


class Fit(StrEnum):
    """How much of a screen fits into the window."""

    WIDE = "wide"
    FULL = "full"
    TABS = "tabs"
    ONE = "one"
    NOTE = "note"


LEAST = {
    Fit.WIDE: Size(180, 45),
    Fit.FULL: Size(120, 40),
    Fit.TABS: Size(80, 24),
    Fit.ONE: Size(60, 15),
}
"""The least window of each layout, the largest first."""


def fit_of(size: Size) -> Fit:
    """The layout for a window."""
    for fit, least in LEAST.items():
        if size.width >= least.width and size.height >= least.height:
            return fit
    return Fit.NOTE


@dataclass(frozen=True)
class Place:
    """A column and a height in rows at the least window; 0 rows take what is left.

    Of the rows beyond the least window a panel `grows` by so many in a hundred.
    """

    column: int
    rows: int = 0
    grows: int = 0

    def height(self, more: int) -> int:
        """Its rows with so many more than in the least window."""
        return self.rows + max(0, more) * self.grows // 100 if self.rows else 0


@dataclass(frozen=True)
class Slot:
    """A panel of a screen: its place among two columns (none: only among three) and three.

    The partner stands below the panel where only tabs fit, and follows its selection; it is
    a panel further down the list.
    """

    id: str
    title: str
    place: Place | None
    wide: Place
    partner: str = ""

    def at(self, fit: Fit) -> Place | None:
        """Its place in a layout of columns; elsewhere whether it has a tab."""
        return self.wide if fit is Fit.WIDE else self.place


LAYOUTS: dict[str, tuple[Slot, ...]] = {
    "desk": (
        Slot("approvals", "Approvals", Place(0, 11, 20), Place(0, 13, 25), "chart"),
        Slot("positions", "Positions", Place(0, 9, 20), Place(0, 9, 25), "chart"),
        Slot("signals", "Signals", Place(0), Place(0), "chart"),
        Slot("risk", "Risk", Place(0, 8, 35), Place(0, 9, 35)),
        Slot("chart", "Chart", Place(1), Place(1)),
        Slot("market", "Market", None, Place(1, 11, 20)),
        Slot("reasoning", "Reasoning", Place(1, 8, 20), Place(2)),
        Slot("adaptations", "Adaptations", Place(1, 7, 10), Place(2, 11, 35)),
        Slot("equity", "Equity", Place(1, 6, 20), Place(2, 12, 30)),
    ),
    "signals": (
        Slot("market", "Market", Place(0, 12, 30), Place(0, 13, 10), "waterfall"),
        Slot("signals", "Signals", Place(0), Place(0), "waterfall"),
        Slot("waterfall", "Why not", Place(1), Place(1)),
        Slot("decision", "Decision", None, Place(2)),
        Slot("counterfactuals", "Not made", None, Place(2, 16, 50)),
    ),
    "reasoning": (
        Slot("reasoning", "Reasoning", Place(0), Place(0)),
        Slot("decision", "Decision", Place(1), Place(1)),
        Slot("machine", "Time machine", Place(1, 15), Place(2)),
        Slot("llm", "Language model", Place(0, 16), Place(1, 22, 50)),
    ),
    "learning": (
        Slot("changes", "Ledger", Place(0), Place(0), "trajectory"),
        Slot("scoreboard", "Scoreboard", Place(0, 10, 20), Place(0, 14, 40)),
        Slot("insights", "Insights", Place(0, 7, 20), Place(1)),
        Slot("trajectory", "Trajectory", Place(1, 11, 35), Place(1, 15, 40)),
        Slot("coins", "Coins", Place(1), Place(2, 10, 20)),
        Slot("pairs", "Pairs", Place(1, 6, 25), Place(2)),
        Slot("patterns", "Patterns", Place(1, 6, 20), Place(2, 12, 40)),
        Slot("rules", "Rules", Place(1, 6, 10), Place(1, 8, 15)),
    ),
    "risk": (
        Slot("risk", "Risk", Place(0, 13, 20), Place(0, 20, 20)),
        Slot("portfolio", "Portfolio", Place(0, 8, 5), Place(1, 9, 15)),
        Slot("equity", "Equity", Place(0), Place(1)),
        Slot("limits", "Limits", Place(1), Place(0)),
        Slot("breakers", "Breakers", Place(1, 10, 25), Place(2, 15, 20)),
        Slot("correlation", "Correlation", Place(1, 12, 55), Place(2)),
    ),
    "journal": (
        Slot("journal", "Journal", Place(0), Place(0)),
        Slot("honesty", "Honesty", Place(0, 13, 30), Place(2)),
        Slot("counterfactuals", "Not made", Place(0, 10, 30), Place(2, 13, 40)),
        Slot("trades", "Trades", Place(1), Place(1)),
        Slot("orders", "Orders", Place(1, 9, 40), Place(1, 18, 40)),
        Slot("health", "Health", Place(1, 13), Place(0, 13)),
    ),
}  # fmt: skip

_SHARES: dict[str, tuple[int, int, int]] = {
    "desk": (36, 36, 28), "signals": (33, 36, 31), "journal": (39, 31, 30),
    "learning": (40, 28, 32),
}  # fmt: skip
"""What the three columns take of the width, in a hundred, where it is not a third each."""


def columns_of(screen: str, fit: Fit, size: Size) -> list[Region]:
    """The columns of a screen, as wide as they are in this window."""
    shares = _SHARES.get(screen, (1, 1, 1)) if fit is Fit.WIDE else (1, 1)
    edges = [size.width * sum(shares[:count]) // sum(shares) for count in range(len(shares) + 1)]
    return [Region(left, 0, right - left, size.height) for left, right in pairwise(edges)]


def in_columns(screen: str, fit: Fit, size: Size, window: int) -> dict[str, Region]:
    """Where each panel stands in columns, in an area of this size in a window so high."""
    regions: dict[str, Region] = {}
    more = window - LEAST[fit].height
    for number, column in enumerate(columns_of(screen, fit, size)):
        placed = [(slot.id, place) for slot in LAYOUTS[screen]
                  if (place := slot.at(fit)) is not None and place.column == number]  # fmt: skip
        left = size.height - sum(place.height(more) for _, place in placed)
        y = 0
        for name, place in placed:
            height = place.height(more) or left
            regions[name] = Region(column.x, y, column.width, height)
            y += height
    return regions


def in_a_pile(names: Sequence[str], size: Size) -> dict[str, Region]:
    """Panels below each other, with the same height; a row that is over goes to the last."""
    regions: dict[str, Region] = {}
    each = size.height // max(1, len(names))
    for index, name in enumerate(names):
        height = size.height - each * index if index == len(names) - 1 else each
        regions[name] = Region(0, each * index, size.width, height)
    return regions


class Shared(Layout):
    """Puts each widget into the region that a plan gives it in a size."""

    name = "shared"

    def __init__(self, plan: Callable[[Size], dict[Widget, Region]]) -> None:
        self._plan = plan

    def arrange(
        self, parent: Widget, children: list[Widget], size: Size, greedy: bool = True
    ) -> ArrangeResult:
        regions = self._plan(size)
        return [
            WidgetPlacement(regions[child], NULL_OFFSET, NULL_SPACING, child)
            for child in children
            if child in regions
        ]


class Area(Widget):
    """The part of a screen in which panels stand."""

    DEFAULT_CSS = "Area { height: 1fr; width: 1fr; }"

    def __init__(self, plan: Callable[[Size], dict[Widget, Region]], *, id: str) -> None:
        super().__init__(id=id)
        self._shared = Shared(plan)

    @property
    def layout(self) -> Layout:
        return self._shared
