"""Crash reports: a fault of the program ends in a file, never in a traceback on the screen."""

from __future__ import annotations

import platform
import sys
import traceback
from pathlib import Path

from engine.core.clock import iso, wall_ns
from engine.core.errors import QuarterdeckError


def report(error: BaseException, folder: Path, what: str = "") -> Path | None:
    """Write what happened and where; the file's path, or None when nothing can be written."""
    stamp = iso(wall_ns()).replace(":", "").replace("-", "").replace(".", "")
    lines = [
        f"Quarterdeck stopped at {iso(wall_ns())}",
        f"{type(error).__name__}: {error}",
        what,
        f"Python {sys.version.split()[0]} on {platform.platform()}",
        "",
        *traceback.format_exception(error),
    ]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"crash-{stamp}.txt"
        path.write_text("\n".join(lines), encoding="utf-8", errors="replace")
    except OSError:
        return None
    return path


def sentence(error: BaseException, path: Path | None) -> str:
    """What the person reads at the prompt: the error, a hint, and where the report is."""
    if isinstance(error, QuarterdeckError):
        text = str(error)
    else:
        text = f"Quarterdeck stopped because of a fault of its own: {type(error).__name__}: {error}"
    where = f"The report is in {path}" if path else "The report could not be written"
    return f"{text}\n{where}"
