"""Where funding rates and mark prices of a run come from: a path given, beside the recording,
the simulated market, or nowhere, which is said.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from engine.core.types import FeedKind
from engine.market.funding import Marks, NoRates, Rates, RecordedRates, SimulatedRates, beside


def funding_sources(
    kind: FeedKind,
    symbols: Iterable[str],
    seed: int,
    recording: str = "",
    funding: Path | None = None,
    marks: Path | None = None,
) -> tuple[Rates, Marks]:
    """Rates and marks for the perpetuals among `symbols`.

    Paths that were given must hold; what is looked for beside a recording may be missing.
    Raises `DataError` for files that can't be read.
    """
    perpetuals = [symbol for symbol in symbols if ":" in symbol]
    if not perpetuals:
        return NoRates("no perpetual is traded"), Marks.none()
    first = Path(recording.split(",")[0].strip()) if kind is FeedKind.REPLAY else None
    if first is not None:
        funding = funding or beside(first, "funding")
        marks = marks or beside(first, "mark_price")
    prices = Marks.load(marks, perpetuals) if marks is not None else Marks.none()
    if funding is not None:
        return RecordedRates.load(funding, perpetuals), prices
    if kind is FeedKind.SIM:
        return SimulatedRates(seed), prices
    if kind is FeedKind.REPLAY:
        return NoRates("no funding lies beside the recording; --funding PATH names it"), prices
    return NoRates("this feed brings no funding; --funding PATH names recorded rates"), prices
