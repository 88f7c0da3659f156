"""What `w` writes: a panel's rows as a text file that can be kept or sent on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from engine.core.clock import iso, wall_ns
from engine.core.safetext import SafeText

if TYPE_CHECKING:
    from app.chrome import Parts
    from app.feeds import Feeds
    from engine.core.views import Snapshot
    from widgets.panel import Panel


def plain(rows: Sequence[Parts]) -> str:
    """Rows of a dialog as text."""
    return "\n".join("".join(str(SafeText(piece)) for piece, _ in row).rstrip() for row in rows)


def panel_lines(name: str, panel: Panel, view: Snapshot | None, feeds: Feeds) -> list[str]:
    """What a panel stands for: its records as JSON lines where it has any, else its rows."""
    records: Sequence[object] = ()
    if view is not None:
        records = {
            "approvals": (*view.proposals, *view.ended),
            "positions": view.positions,
            "signals": view.outlooks,
            "market": view.markets,
            "trades": view.trades,
            "orders": view.orders,
            "limits": view.limits,
            "equity": feeds.points(),
            "journal": feeds.lines(),
        }.get(name, ())
    if records:
        return [msgspec.json.encode(record).decode() for record in records]
    return [panel.render_line(y).text.rstrip() for y in range(panel.size.height)]


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
