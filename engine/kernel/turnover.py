"""Turnover: a stagnant position that makes room for a better one, and trims back to plan.

Both only shrink exposure, and only where nobody has to be asked (approval mode `auto`): a
person who approves each entry decides for themselves what it should replace. A position that
a person took over is never touched.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal

import numpy as np

from engine.core.clock import HOUR
from engine.core.denials import DenialCode
from engine.core.errors import CommandRefused
from engine.core.exits import ExitReason
from engine.core.parameters import declare
from engine.core.types import ApprovalMode, Control, Gate, Position
from engine.kernel.desk import Desk
from engine.kernel.exits import Exits
from engine.portfolio.construction import (
    Displacement,
    Standing,
    displaced,
    minimum_variance,
    rebalance,
    risk_parity,
    score_of,
)
from engine.portfolio.pnl import pnl_pct
from engine.risk.correlation import WINDOW_DAYS as CORRELATION_DAYS
from engine.risk.correlation import shrunk_covariance

CONSTRUCTION = declare(
    "port.construction", "off", choices=("off", "risk_parity", "minimum_variance"), unit="",
    scopes="G", risk=-1, learnable=False,
    doc="Weights that open positions are trimmed back to; off leaves sizes to the entries.",
)  # fmt: skip


class Turnover:
    """Displaces and rebalances. Owned by the kernel thread."""

    def __init__(self, desk: Desk, exits: Exits) -> None:
        self._desk = desk
        self._exits = exits
        self._hour = -1

    def _free(self) -> bool:
        desk = self._desk
        auto = desk.proposals.mode is ApprovalMode.AUTO
        return auto and desk.control.state.severity <= Control.REDUCING.severity

    def make_room(self, symbol: str, confidence: float, gates: tuple[Gate, ...]) -> bool:
        """Close a stagnant position for a candidate that only the lack of room refuses.

        True where one is being closed; the candidate is then worth another look.
        """
        refused = {gate.code for gate in gates if not gate.passed}
        if refused != {DenialCode.OPEN_POSITIONS} or not self._free():
            return False
        desk = self._desk
        found = displaced(
            symbol, score_of(confidence), self._standing(), desk.now_ns, self._last(), desk.params
        )
        return found is not None and self._displace(found)

    def _displace(self, found: Displacement) -> bool:
        position = self._desk.book.get(found.position)
        if position is None:
            return False
        try:
            self._exits.close(position, 1.0, found.reason, reason_code=ExitReason.DISPLACED)
        except CommandRefused:
            return False
        self._desk.note(f"displaced: {found.reason}", ref=position.id, symbol=position.symbol)
        return True

    def _standing(self) -> list[Standing]:
        return [
            Standing(
                position=position.id,
                symbol=position.symbol,
                opened_ns=position.opened_ns,
                pnl_pct=self._pnl_pct(position),
                score=score_of(self._support(position)),
                regime=self._desk.symbols[position.symbol].label or None,
                taken_over=position.taken_over,
            )
            for position in self._desk.book.open()
        ]

    def _pnl_pct(self, position: Position) -> float:
        mark = self._desk.marks()[position.symbol]
        if not math.isfinite(mark):
            return math.nan
        return pnl_pct(position.direction, position.entry_price, Decimal(repr(mark)))

    def _support(self, position: Position) -> float:
        """How much the sources still want it; what it was opened with where nobody speaks."""
        now = self._exits.support(position)
        return position.confidence if math.isnan(now) else now

    def _last(self) -> int | None:
        times = [
            trade.closed_ns
            for trade in self._desk.trades
            if trade.exit_reason == str(ExitReason.DISPLACED)
        ]
        return max(times, default=None)

    def rebalance(self) -> None:
        """Once an hour: trim what has outgrown its weight by more than the drift allowed."""
        desk = self._desk
        method = str(desk.params.get(CONSTRUCTION))
        hour = desk.now_ns // HOUR
        if method == "off" or hour == self._hour or not self._free():
            return
        self._hour = hour
        held = [one for one in desk.book.open() if not one.taken_over]
        weights = self._weights(tuple(one.symbol for one in held), WEIGHTS[method])
        worth = {
            one.symbol: abs(float(one.quantity) * desk.marks()[one.symbol])
            * float(desk.symbols[one.symbol].instrument.contract_size)
            for one in held
        }
        by_symbol = {one.symbol: one for one in held}
        for trim in rebalance(worth, weights, desk.params):
            reason = f"{trim.share_pct:.0f} % of the book, its weight is {trim.target_pct:.0f} %"
            try:
                self._exits.close(
                    by_symbol[trim.symbol],
                    trim.fraction,
                    reason,
                    reason_code=ExitReason.REBALANCED,
                )
            except CommandRefused:
                continue
            desk.note(f"rebalanced: {reason}", symbol=trim.symbol)

    def _weights(
        self, symbols: tuple[str, ...], solve: Callable[[np.ndarray], np.ndarray]
    ) -> dict[str, float]:
        """Weights of what is held; none where fewer than two have enough history."""
        if len(symbols) < 2:
            return {}
        desk = self._desk
        days = float(desk.params.get(CORRELATION_DAYS))
        sample = desk.risk.book.returns(days, desk.risk.correlation.least, symbols)
        if len(sample.symbols) < 2:
            return {}
        try:
            found = solve(shrunk_covariance(sample.rows).matrix)
        except ValueError:
            return {}
        return dict(zip(sample.symbols, found.tolist(), strict=True))


WEIGHTS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "risk_parity": risk_parity,
    "minimum_variance": minimum_variance,
}
