"""The prices that matter for a trade: entry, stop and targets, drawn across the chart."""

from __future__ import annotations

import math
from dataclasses import dataclass

from engine.core.views import Snapshot


@dataclass(frozen=True)
class Levels:
    """Prices to draw across the chart; NaN and empty are none."""

    entry: float = math.nan
    stop: float = math.nan
    targets: tuple[float, ...] = ()

    @staticmethod
    def of(snapshot: Snapshot, symbol: str) -> Levels | None:
        """The levels of the position in a symbol, else of the proposal that waits there."""
        for view in snapshot.positions:
            if view.position.symbol == symbol:
                held = view.position
                return Levels(
                    float(held.entry_price), float(held.stop), tuple(map(float, held.targets))
                )
        for proposal in snapshot.proposals:
            if proposal.symbol == symbol:
                return Levels(
                    float(proposal.price),
                    float(proposal.stop),
                    tuple(map(float, proposal.targets)),
                )
        return None

    def lines(self) -> list[tuple[str, float, str]]:
        """(name, price, role) of each level that there is."""
        named = [("entry", self.entry, "entry"), ("stop", self.stop, "stop")]
        several = len(self.targets) > 1
        for index, target in enumerate(self.targets, 1):
            named.append((f"target {index}" if several else "target", target, "target"))
        return [each for each in named if math.isfinite(each[1])]
