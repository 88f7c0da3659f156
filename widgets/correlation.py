"""Correlation: which symbols are one bet, as a heat map with its clusters."""

from __future__ import annotations

from collections.abc import Sequence

from engine.core.views import RiskView, Snapshot
from widgets import numbers
from widgets.cells import fit
from widgets.lines import BLANK, Line, Run, crop, run
from widgets.panel import Panel, said

_CELL, _WIDE_CELL = 4, 6
_NAME = 6
_SHADES = " ░▒▓█"


class CorrelationPanel(Panel):
    """The shrunk correlations below their diagonal, cluster by cluster."""

    title = "Correlation"

    def parts(self, snapshot: Snapshot) -> tuple[object, ...]:
        risk = snapshot.risk
        if risk is None:
            return ()
        return (risk.correlation, risk.clusters, risk.short, tuple(name for name, _ in risk.held))

    def body(self, width: int, height: int) -> Sequence[Line]:
        risk = self.snapshot.risk if self.snapshot is not None else None
        if risk is None or not risk.symbols:
            return said(_missing(risk), width, height)
        words = [*_clusters(risk, width), *_short(risk, width)]
        order = [name for group in _largest_first(risk) for name in group]
        columns = max(0, min(len(order), (width - _NAME) // _CELL))
        rows = min(columns, height - len(words) - 2)
        lines: list[Line] = []
        if rows >= 2:
            cell = _WIDE_CELL if width >= _NAME + len(order) * _WIDE_CELL else _CELL
            lines = [*heat_map(risk, order[:rows], width, cell, self.monochrome), BLANK]
            if rows < len(order):
                words.append(((f"{len(order) - rows} symbols more: z gives them room", "muted"),))
        return [*lines, *words][:height]

    def note(self) -> Sequence[Run]:
        risk = self.snapshot.risk if self.snapshot is not None else None
        if risk is None or not risk.symbols:
            return ()
        return ((f"n={risk.n} bars, shrunk {numbers.share(risk.shrinkage, 0)}", "muted"),)


def _missing(risk: RiskView | None) -> tuple[str, str]:
    if risk is None:
        return "The engine has told nothing of its portfolio yet.", ""
    have = max((count for _, count in risk.short), default=0)
    return (
        f"Not known yet: {have} of {risk.least} bars in common.",
        "Until then no correlation limits an entry, and its gate says so.",
    )


def _largest_first(risk: RiskView) -> list[tuple[str, ...]]:
    return sorted(risk.clusters, key=lambda group: (-len(group), group[0]))


def heat_map(
    risk: RiskView, order: Sequence[str], width: int, cell: int, monochrome: bool
) -> list[Line]:
    """One row a symbol; what is above the threshold stands out by weight and ground too."""
    index = {name: at for at, name in enumerate(risk.symbols)}
    held = dict(risk.held)
    lines: list[Line] = []
    for at, name in enumerate(order):
        row = risk.correlation[index[name]]
        runs: list[Run] = [run(fit(_base(name), _NAME), "bold" if name in held else "soft")]
        runs += [_cell(row[index[other]], risk.threshold, cell, monochrome) for other in order[:at]]
        runs.append(("1".center(cell), "muted"))
        lines.append(crop(runs, width))
    names: list[Run] = [(" " * _NAME, "")]
    names += [run(fit(_base(name), cell - 1, "center") + " ", "muted") for name in order]
    return [*lines, crop(names, width)]


def _cell(value: float, threshold: float, cell: int, monochrome: bool) -> Run:
    """A correlation on a ground as warm as it is strong; shades where there are no colours."""
    level = max(0, min(len(_SHADES) - 1, int(value * len(_SHADES))))
    text = f"{value:.2f}".replace("0.", ".").rjust(3)[:3]
    shade = _SHADES[level] if monochrome else " "
    said = f"{shade}{text}".ljust(cell)
    if value > threshold:
        return said, "bold reverse loss"
    words = "" if level > 1 else "muted"
    return said, words if monochrome or not level else f"{words} on:heat{level}".strip()


def _clusters(risk: RiskView, width: int) -> list[Line]:
    """Each cluster of two or more with what is held in it."""
    held = dict(risk.held)
    lines: list[Line] = []
    for group in _largest_first(risk):
        if len(group) < 2:
            continue
        worth = [abs(held[name]) for name in group if name in held]
        share = f"{sum(worth):.1f} % held in {len(worth)}" if worth else "nothing held"
        names = " ".join(map(_base, group))
        lines.append(
            crop([run(f"{share}: ", "bold" if len(worth) > 1 else "soft"), run(names)], width)
        )
    above = f"ρ > {risk.threshold:g}"
    if not lines:
        return [crop([run(f"No two symbols move together ({above}).", "soft")], width)]
    return [crop([run(f"One bet where {above}, % of equity", "muted")], width), *lines]


def _short(risk: RiskView, width: int) -> list[Line]:
    if not risk.short:
        return []
    names = ", ".join(f"{_base(name)} {count}" for name, count in risk.short)
    return [crop([run(f"Too few bars (of {risk.least}): {names}", "warn")], width)]


def _base(symbol: str) -> str:
    return symbol.split("/", 1)[0]
