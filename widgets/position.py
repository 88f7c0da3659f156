"""One position in full: where it stands between its stop and its targets, and its costs."""

from __future__ import annotations

from collections.abc import Sequence

from engine.core.types import ZERO
from engine.core.views import PositionView, Snapshot
from widgets import numbers, words
from widgets.document import DocumentPanel
from widgets.facts import Fact, heading, listed
from widgets.frame import Frame
from widgets.lines import BLANK, Line, Run, run, spread


class PositionDetail(DocumentPanel):
    """A position's protection, result and history."""

    title = "Position"
    empty = ("No position is selected.", "Select one under Positions.")

    def __init__(self, *, id: str | None = None, frame: Frame = Frame.BOX) -> None:
        super().__init__(id=id, frame=frame)
        self._key = ""

    def select(self, key: str) -> bool:
        """Show the position with this id, or the one in this symbol."""
        views = self.snapshot.positions if self.snapshot else ()
        for view in views:
            if key in (view.position.id, view.position.symbol):
                self._key = view.position.id
                self.redraw()
                return True
        return False

    @property
    def position(self) -> PositionView | None:
        """What is shown: the chosen position, else the first."""
        views = self.snapshot.positions if self.snapshot else ()
        chosen = (view for view in views if view.position.id == self._key)
        return next(chosen, views[0] if views else None)

    @property
    def selected_key(self) -> str | None:
        return self.position.position.id if self.position else None

    @property
    def selected_symbol(self) -> str:
        return self.position.position.symbol if self.position else ""

    def parts(self, snapshot: Snapshot) -> tuple[object, ...]:
        return (*snapshot.positions, self._key)

    def nothing(self) -> bool:
        return self.position is None

    def document(self, width: int) -> Sequence[Line]:
        view = self.position
        return position_lines(view, width) if view else ()


def position_lines(view: PositionView, width: int) -> list[Line]:
    """The whole text about a position, for the panel and for a dialog."""
    position = view.position
    head = [
        run(position.symbol, "bold"),
        ("  ", ""),
        words.side(position.direction),
        run(f"  {numbers.quantity(position.quantity)}", "bold"),
        ("  ", ""),
        words.change(view.unrealised, numbers.money(view.unrealised, sign=True)),
        (f"  {numbers.percent(view.pnl_pct)}", numbers.role(view.pnl_pct)),
        (f"  {numbers.number(view.r_multiple, 2, sign=True)} R", numbers.role(view.r_multiple)),
    ]
    lines: list[Line] = [spread(head, [run(position.id, "muted")], width)]
    lines += [BLANK, ladder(view, width), *ladder_names(view, width), BLANK]
    return [*lines, heading("Position", width), *listed(_facts(view), width)]


def ladder(view: PositionView, width: int) -> Line:
    """Stop, entry, mark and targets on one line, in proportion."""
    marks = _marks(view, width)
    cells: list[Run] = [("─", "frame")] * width
    for place, sign, _, words_ in marks:
        cells[place] = (sign, words_)
    return tuple(cells)


def ladder_names(view: PositionView, width: int) -> list[Line]:
    """The names and prices under the ladder's marks, as far as they do not collide."""
    rows: list[list[Run]] = []
    for row in (0, 1):
        runs: list[Run] = []
        used = 0
        for place, _, text, words_ in _marks(view, width):
            label = text.split("\n")[row]
            start = max(0, min(place - len(label) // 2, width - len(label)))
            if start < used:
                continue
            runs += [(" " * (start - used), ""), run(label, words_ if row == 0 else "soft")]
            used = start + len(label) + 1
            runs.append((" ", ""))
        rows.append(runs)
    return [tuple(r for r in runs if r[0]) for runs in rows]


def _marks(view: PositionView, width: int) -> list[tuple[int, str, str, str]]:
    """(cell, sign, label, role) of each price, cheapest first."""
    position = view.position
    prices: list[tuple[float, str, str, str]] = [
        (float(position.stop), "┫", "stop", "stop"),
        (float(position.entry_price), "┼", "entry", "entry"),
        *((float(target), "┣", "target", "target") for target in position.targets),
    ]
    if numbers.known(view.mark):
        prices.append((view.mark, "◆", "mark", "bold"))
    low, high = min(p[0] for p in prices), max(p[0] for p in prices)
    span = high - low or 1.0
    decimals = numbers.decimals_of(position.entry_price)
    return [
        (
            max(0, min(width - 1, round((value - low) / span * (width - 1)))),
            sign,
            f"{name}\n{numbers.price(value, decimals)}",
            role,
        )
        for value, sign, name, role in sorted(prices)
        if width > 0
    ]


def _margin(view: PositionView) -> list[Fact]:
    """What only a position with margin has: what it may lose, and where that is lost."""
    if view.margin is None:
        return []
    danger = "danger" if view.margin_ratio >= 0.5 else ""
    facts: list[Fact] = [
        (
            "Margin",
            [
                (numbers.money(view.margin), ""),
                (f"  {numbers.share(view.margin_ratio, 1)} of it needed", danger or "muted"),
            ],
        ),
    ]
    if view.liquidation_price is not None:
        decimals = numbers.decimals_of(view.position.entry_price)
        stages = (
            f"  reduced at {numbers.price(view.danger_price, decimals)}, "
            f"left at {numbers.price(view.guard_price, decimals)}"
        )
        facts.append(
            (
                "Liquidation",
                [
                    (numbers.price(view.liquidation_price, decimals), ""),
                    (f"  {numbers.percent(view.liquidation_distance_pct, sign=False)} away", ""),
                    (stages, "muted"),
                ],
            )
        )
    paid = view.funding_paid
    funding = numbers.money(paid) if paid is not None else "not known"
    return [*facts, ("Funding", [(funding, "" if paid is not None else "warn")]),
            ("", [run(view.margin_note, "muted")])]  # fmt: skip


def _facts(view: PositionView) -> list[Fact]:
    position = view.position
    managed: Run = (
        ("you: the machine keeps liquidation protection only", "mark")
        if position.taken_over
        else ("the engine", "")
    )
    moved = position.stop != position.initial_stop
    return [
        ("Managed by", [managed]),
        (
            "To the stop",
            [
                (numbers.percent(view.stop_distance_pct, sign=False), ""),
                (
                    f"  moved from {numbers.price(position.initial_stop)}" if moved else "",
                    "muted",
                ),
            ],
        ),
        ("To the target", [(numbers.percent(view.target_distance_pct, sign=False), "")]),
        ("Held", [(numbers.held(view.held_ns), "")]),
        (
            "Best, worst",
            [
                (numbers.percent(position.mfe_pct), numbers.role(position.mfe_pct)),
                ("  ", ""),
                (numbers.percent(-position.mae_pct), numbers.role(-position.mae_pct)),
            ],
        ),
        ("Realised", [(numbers.money(position.realised or ZERO, sign=True), "")]),
        ("Fees", [(numbers.money(position.fees), "")]),
        ("Leverage", [(f"{position.leverage}×", "")]),
        *_margin(view),
        ("Strategy", [run(position.strategy)]),
        ("Regime", [run(position.regime.replace("_", " ").lower() or numbers.NONE)]),
        ("From", [run(f"{position.proposal or numbers.NONE}  {position.decision}", "muted")]),
    ]
