"""The honesty report: fills, what the tape did after them, and the bridge, kept together.

The running engine and a command that reads a journal make it by the same code.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from decimal import Decimal

import msgspec

from engine.core.honesty import Aftermath, HonestFill, HonestyView
from engine.core.types import Fill
from engine.portfolio.bridge import Bridge, cost_bps
from engine.portfolio.holding import Terms
from engine.portfolio.optimism import OptimismTally, optimism_bps

SHOWN = 100
"""Fills that the report lists; days and totals are of all."""


class HonestyReport:
    """Takes fills, funding and aftermaths as they are booked; gives the view at any time."""

    def __init__(self, quote: str, shown: int = SHOWN) -> None:
        self._quote = quote
        self._bridge = Bridge(quote)
        self._tally = OptimismTally()
        self._fills: deque[str] = deque(maxlen=shown)
        self._rows: dict[str, HonestFill] = {}
        self._open: dict[str, tuple[Fill, float]] = {}
        self.version = 0

    def fill(self, fill: Fill, terms: Terms) -> None:
        """A fill was booked by the ledger; each comes once."""
        self._bridge.fill(fill, terms)
        worth = fill.quantity * fill.price * terms.contract_size
        self._open[fill.id] = (fill, float(worth))
        if len(self._fills) == self._fills.maxlen:
            self._rows.pop(self._fills[0], None)
        self._fills.append(fill.id)
        self._rows[fill.id] = HonestFill(
            fill=fill.id,
            symbol=fill.symbol,
            side=fill.side,
            time_ns=fill.time_ns,
            quantity=fill.quantity,
            price=fill.price,
            notional=worth,
            assumptions=fill.assumptions,
            cost_bps=cost_bps(fill),
            optimism_bps=float("nan"),
        )
        self.version += 1

    def fund(self, time_ns: int, amount: Decimal) -> None:
        self._bridge.fund(time_ns, amount)
        self.version += 1

    def aftermath(self, aftermath: Aftermath) -> None:
        """What came of a fill; a later one of the same fill replaces an earlier."""
        known = self._open.get(aftermath.fill)
        if known is None:
            return
        fill, worth = known
        row = self._rows.get(fill.id)
        if row is not None:
            self._rows[fill.id] = msgspec.structs.replace(
                row, aftermath=aftermath, optimism_bps=optimism_bps(fill, aftermath)
            )
        if aftermath.ended:
            self._tally.add(fill, worth, aftermath)
            del self._open[fill.id]
        self.version += 1

    def view(self, marks: Mapping[str, Decimal | float]) -> HonestyView:
        return HonestyView(
            quote=self._quote,
            days=self._bridge.days(),
            total=self._bridge.total(),
            open=self._bridge.open(marks),
            optimism=self._tally.days(),
            overall=self._tally.total(),
            fills=tuple(self._rows[id_] for id_ in reversed(self._fills)),
        )
