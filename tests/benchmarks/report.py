"""How a measurement is told: least, middle and most of its runs, beside target and reference.

Nothing is asserted: a slow machine is no defect. What a row met or missed stands beside it.
"""

from __future__ import annotations

import os
import re
import statistics
from collections.abc import Sequence
from pathlib import Path

import msgspec

ROWS = "QUARTERDECK_BENCH_ROWS"
"""Environment variable: a file that gets every row as a line of JSON, for the summary."""

QUICK = "QUARTERDECK_BENCH_QUICK"
"""Environment variable: set where fewer and shorter runs are enough."""

_BOUND = re.compile(r"(≤|<=|<|≥|>=|>)\s*([\d,]*\.?\d+)\s*([µmnk]?s|M|k|MB|[a-z/]*)")
_SECONDS = {"ns": 1e-9, "µs": 1e-6, "ms": 1e-3, "s": 1.0}


class Row(msgspec.Struct, frozen=True):
    """One measurement. `runs` are in `unit`; `target` is a text such as `p99 ≤ 5 ms`.

    `reference` is what others reach on such a machine, in words.
    """

    what: str
    target: str
    reference: str
    runs: tuple[float, ...]
    unit: str

    @property
    def ratio(self) -> float | None:
        """How many times the target the middle run is, above 1 for better; None without one."""
        found = _BOUND.search(self.target)
        middle = statistics.median(self.runs)
        if found is None or not middle:
            return None
        sign, number, unit = found.groups()
        bound = float(number.replace(",", "")) * _factor(unit, self.unit)
        return bound / middle if sign in "≤<=" else middle / bound


def _factor(of: str, unit: str) -> float:
    """What a target's unit is in the row's: a bound of 0.3 ms is 300 for a row in µs."""
    if of in _SECONDS and unit in _SECONDS:
        return _SECONDS[of] / _SECONDS[unit]
    return 1.0


def quick() -> bool:
    return bool(os.environ.get(QUICK))


def runs(usual: int) -> int:
    """How many times to measure."""
    return 1 if quick() else usual


def show(what: str, target: str, samples: Sequence[float], unit: str, reference: str = "") -> Row:
    """Print a row and keep it for the summary."""
    row = Row(what, target, reference, tuple(samples), unit)
    low, middle, high = min(samples), statistics.median(samples), max(samples)
    ratio = row.ratio
    beside = "" if ratio is None else f"  {ratio:6.2f}x"
    print(
        f"{what:58} {number(low):>11} {number(middle):>11} {number(high):>11} {unit:9}"
        f" {target or '-':16}{beside}",
        flush=True,
    )
    if path := os.environ.get(ROWS):
        with open(path, "ab") as stream:
            stream.write(msgspec.json.encode(row) + b"\n")
    return row


def heading(title: str) -> None:
    """The line above a module's rows."""
    print(f"\n{title:58} {'min':>11} {'median':>11} {'max':>11} {'':9} target", flush=True)


def number(value: float) -> str:
    """As many digits as say something."""
    if abs(value) >= 1_000:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.3f}"


def percentile(samples: Sequence[float], share: float) -> float:
    """The value that `share` of the samples do not exceed."""
    ordered = sorted(samples)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def markdown(path: Path) -> str:
    """The rows of a file as a table."""
    lines = [
        "| what | min | median | max | unit | target | times the target | others |",
        "|---|--:|--:|--:|---|---|--:|---|",
    ]
    for line in path.read_bytes().splitlines():
        row = msgspec.json.decode(line, type=Row)
        low, middle, high = min(row.runs), statistics.median(row.runs), max(row.runs)
        ratio = row.ratio
        told = "" if ratio is None else f"{ratio:.2f}" if ratio >= 1 else f"**{ratio:.2f}**"
        lines.append(
            f"| {row.what} | {number(low)} | {number(middle)} | {number(high)} | {row.unit} | "
            f"{row.target} | {told} | {row.reference} |"
        )
    return "\n".join(lines)
