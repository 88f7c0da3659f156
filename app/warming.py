"""Compiled functions made ready, so that neither the first bar nor the first stop compiles.

`make setup` runs it as a program: what it leaves in numba's cache makes the first start as
quick as every later one. An engine runs it behind its first frame, where it loads what is
cached and compiles what an upgrade has changed.
"""

from __future__ import annotations

from engine.analysis.indicators import warm_up as warm_indicators
from engine.position.warm import warm_up as warm_position


def warm_up() -> None:
    """Load or compile all of them; some tenths of a second with a cache, half a minute without."""
    warm_indicators()
    warm_position()


if __name__ == "__main__":
    warm_up()
