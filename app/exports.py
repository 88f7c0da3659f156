"""What `w` writes: a panel as it is shown, as a text file that can be kept or sent on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from engine.core.clock import iso, wall_ns
from engine.core.safetext import SafeText
from widgets.tablepanel import TablePanel

if TYPE_CHECKING:
    from app.chrome import Parts
    from app.feeds import Feeds
    from engine.core.views import Snapshot
    from widgets.panel import Panel


def plain(rows: Sequence[Parts]) -> str:
    """Rows of a dialog as text."""
    return "\n".join("".join(str(SafeText(piece)) for piece, _ in row).rstrip() for row in rows)


def records(name: str, view: Snapshot | None, feeds: Feeds) -> Mapping[str, msgspec.Struct]:
    """What a table's rows were made from, by the keys of the rows; empty for other panels."""
    if view is None:
        return {}
    if name == "positions":
        return {one.position.id: one for one in view.positions}
    if name in ("signals", "market"):
        return {one.symbol: one for one in (view.outlooks if name == "signals" else view.markets)}
    if name == "limits":
        return {one.code: one for one in view.limits}
    if name == "breakers":
        return {one.name: one for one in view.breakers}
    if name == "journal":
        return {str(one.seq): one for one in feeds.lines()}
    if name == "approvals":
        return {one.id: one for one in view.proposals}
    if name == "trades":
        return {one.id: one for one in view.trades}
    if name == "orders":
        return {one.id: one for one in view.orders}
    if name == "counterfactuals":
        return {one.id: one for one in view.counterfactuals}
    return learned(name, view)


def learned(name: str, view: Snapshot) -> Mapping[str, msgspec.Struct]:
    """As `records`, of what learning has to show."""
    if view.learning is None:
        return {}
    if name == "changes":
        return {one.id: one for one in view.learning.changes}
    if name == "scoreboard":
        return {f"{one.who} {one.what}": one for one in view.learning.scoreboard}
    known = view.learning.knowledge
    if known is None:
        return {}
    if name == "coins":
        return {one.symbol: one for one in known.coins}
    if name == "pairs":
        return {f"{one.symbol} {one.strategy}": one for one in known.pairs}
    if name == "patterns":
        return {one.id: one for one in known.patterns}
    if name == "rules":
        return {one.id: one for one in known.rules}
    if name == "insights":
        return {one.id: one for one in known.insights}
    return {}


def record_of(name: str, key: str, view: Snapshot | None, feeds: Feeds) -> msgspec.Struct | None:
    """What the selected row was made from."""
    return records(name, view, feeds).get(key)


def panel_lines(
    name: str, panel: Panel, view: Snapshot | None, feeds: Feeds
) -> tuple[list[str], str]:
    """The lines of a file, and in words what they are.

    Rows that stand for records are written as those, exact, one JSON object a line, in the
    order of the table and only where its filter lets them through; everything else is
    written as text.
    """
    if isinstance(panel, TablePanel):
        known = records(name, view, feeds)
        shown = [known[row.key] for row in panel.table.shown if row.key in known]
        if shown:
            count = f"{len(shown)} of {len(panel.table.rows)}" if panel.needle else f"{len(shown)}"
            lines = [msgspec.json.encode(record).decode() for record in shown]
            return lines, f"{count} rows as JSON lines"
    if panel.nothing():
        return [], ""
    lines = panel.export().splitlines()
    return lines, f"{len(lines)} lines"


def write(folder: Path, name: str, lines: Sequence[str]) -> Path:
    """Write the lines into a new file of this second. Raises `OSError`."""
    folder.mkdir(parents=True, exist_ok=True)
    stamp = iso(wall_ns())[:19].replace(":", "").replace("-", "")
    path = folder / f"quarterdeck-{name}-{stamp}.txt"
    count = 1
    while path.exists():
        count += 1
        path = folder / f"quarterdeck-{name}-{stamp}-{count}.txt"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8", errors="replace")
    return path
