"""A bar as the path a position is shown."""

from __future__ import annotations


def bar_path(
    open_: float, high: float, low: float, close: float, direction: int
) -> tuple[float, float, float, float]:
    """The four prices of a bar in the order in which a position is shown them.

    What happened first inside a bar is unknown, so the worse is assumed: the adverse
    extreme comes before the favourable one.
    """
    return (open_, low, high, close) if direction > 0 else (open_, high, low, close)


def path_times(open_ns: int, close_ns: int) -> tuple[int, int, int, int]:
    """When the four prices of a bar's path are taken to have been traded."""
    third = (close_ns - open_ns) // 3
    return open_ns, open_ns + third, open_ns + 2 * third, close_ns
