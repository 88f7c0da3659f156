"""What a recording's name says: its symbol, whether it is a perpetual, and its kind.

Recordings come from many tools, and most say what they hold only in the names of files and
folders; guessing happens here and nowhere else.
"""

from __future__ import annotations

import difflib
import re
from pathlib import Path

from engine.core.errors import DataError
from engine.market.symbols import parse_symbol

_PERPETUAL = frozenset(
    ("perp", "perps", "perpetual", "um", "usdm", "futures", "future", "swap", "swaps", "linear")
)
_SPOT = frozenset(("spot",))
_SUFFIXES = (".gz", ".zip", ".csv", ".parquet", ".pq")
# Folders above the file that may say what it is: data/futures/um/monthly/klines/BTCUSDT/1m.
_FOLDERS = 6


def stem(path: Path) -> str:
    """The file's name without its endings: `BTCUSDT-1m-2025-01` of `….csv.gz`."""
    name = path.name
    while True:
        for suffix in _SUFFIXES:
            if name.lower().endswith(suffix):
                name = name[: -len(suffix)]
                break
        else:
            return name


def symbol_of(path: Path) -> str:
    """The symbol that the path names: `BTC/USDT`, `BTC/USDT:USDT` or, for shares, `SPY/USD`.

    Empty when the name holds none.
    """
    return parse_symbol(stem(path), is_perpetual(path))


def is_perpetual(path: Path) -> bool:
    """Whether the file or the nearest folder that says so names a perpetual contract."""
    for part in (stem(path), *(folder.name for folder in list(path.parents)[:_FOLDERS])):
        words = set(re.split(r"[-_ .]+", part.lower()))
        if words & _PERPETUAL:
            return True
        if words & _SPOT:
            return False
    return False


def files_of(spec: str | Path) -> list[Path]:
    """The recordings behind a file, a folder (with all below it) or a comma list of both.

    Raises `DataError` for what does not exist or holds no recording.
    """
    found: list[Path] = []
    parts = [spec] if isinstance(spec, Path) else [p.strip() for p in str(spec).split(",")]
    for part in parts:
        if not str(part):
            continue
        path = Path(part).expanduser().absolute()
        if path.is_dir():
            inside = sorted(p for p in path.rglob("*") if p.is_file() and _is_recording(p))
            if not inside:
                raise DataError(
                    f"{path} holds no recording",
                    "recordings end in .parquet, .csv, .csv.gz or .zip",
                )
            found += inside
        elif path.is_file():
            if not _is_recording(path):
                raise DataError(
                    f"{path} is no recording by its name",
                    "recordings end in .parquet, .csv, .csv.gz or .zip",
                )
            found.append(path)
        else:
            raise DataError(f"{path} does not exist", _near(path))
    if not found:
        raise DataError("no recording was named", "give a file, a folder or a comma list of them")
    return list(dict.fromkeys(found))


def _is_recording(path: Path) -> bool:
    name = path.name.lower()
    return not name.startswith(".") and name.endswith(
        (".parquet", ".pq", ".csv", ".csv.gz", ".zip")
    )


def _near(path: Path) -> str:
    siblings = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
    near = difflib.get_close_matches(path.name, siblings, n=3)
    return f"did you mean {', '.join(near)}?" if near else "check the path"
