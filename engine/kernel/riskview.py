"""The portfolio's risk as a screen sees it: clusters, value at risk, sectors, betas.

Made apart from the snapshot because it costs a millisecond where a position moved; it is
looked at once a second and made anew only where what it is made of changed.
"""

from __future__ import annotations

import math

import msgspec

from engine.core.clock import SECOND, monotonic_ns
from engine.core.types import Account
from engine.core.views import BacktestView, BetaView, RiskView
from engine.kernel.appraisal import Appraiser
from engine.kernel.desk import Desk
from engine.risk.correlation import THRESHOLD
from engine.risk.exposure import betas, concentration, sector_exposures
from engine.risk.var import Backtest, Tail, backtest

_encode = msgspec.msgpack.encode

EVERY_NS = SECOND
"""Screens don't read figures of the whole portfolio faster than that."""


class RiskViewer:
    """Keeps the last view. Owned by the kernel thread."""

    def __init__(self, desk: Desk, appraiser: Appraiser) -> None:
        self._desk = desk
        self._appraiser = appraiser
        self._at = 0
        self._view: RiskView | None = None
        self._estimate = -1
        self._matrix: tuple[tuple[float, ...], ...] = ()
        self._tested: tuple[object, ...] = ()
        self._backtest = backtest(())
        self._betas: tuple[BetaView, ...] = ()

    def view(self, account: Account) -> RiskView:
        """The view of now, or the last one where less than a second has passed."""
        now = monotonic_ns()
        if self._view is not None and now - self._at < EVERY_NS:
            return self._view
        self._at = now
        made = self._make(float(account.equity))
        # As encoded bytes, because NaN stands for "not known" and equals nothing.
        if self._view is None or _encode(made) != _encode(self._view):
            self._view = made
        return self._view

    def _make(self, equity: float) -> RiskView:
        desk, risk = self._desk, self._desk.risk
        held = self._appraiser.held()
        self._estimates(held)
        known = risk.correlation.current
        tail, source = risk.var.asked(held)
        normal = risk.var.parametric(held)
        return RiskView(
            at_ns=known.at_ns,
            symbols=known.symbols,
            correlation=self._matrix,
            clusters=known.groups,
            threshold=float(desk.params.get(THRESHOLD)),
            shrinkage=known.shrinkage,
            n=known.n,
            short=tuple(sorted(known.short.items())),
            least=risk.correlation.least,
            held=tuple((name, _share(worth, equity)) for name, worth in sorted(held.items())),
            sectors=tuple(
                (name, _share(worth, equity)) for name, worth in sector_exposures(held).items()
            ),
            concentration=concentration(held),
            var_pct=_share(_var(tail), equity),
            cvar_pct=_share(_cvar(tail), equity),
            var_from=source if held else "nothing is held",
            normal_var_pct=_share(_var(normal), equity),
            normal_cvar_pct=_share(_cvar(normal), equity),
            backtest=_backtest_view(self._backtest),
            betas=self._betas,
        )

    def _estimates(self, held: dict[str, float]) -> None:
        """What only changes with an estimate or with the positions and is dear to make."""
        risk = self._desk.risk
        if risk.estimates != self._estimate:
            matrix = risk.correlation.current.matrix
            self._matrix = tuple(tuple(row) for row in matrix.round(4).tolist())
            self._estimate = risk.estimates
            self._tested = ()
        # Weights that moved by less than a tenth have the same exceptions and betas.
        scale = sum(map(abs, held.values())) or 1.0
        weights = tuple((name, round(worth / scale, 1)) for name, worth in sorted(held.items()))
        if (risk.estimates, weights) != self._tested:
            self._tested = (risk.estimates, weights)
            self._backtest = risk.var.backtest(held)
            self._betas = tuple(
                BetaView(
                    factor=beta.factor,
                    value=round(beta.value, 3),
                    error=round(beta.error, 3),
                    n=beta.n,
                )
                for beta in betas(risk.factors(), held)
            )


def _var(tail: Tail | None) -> float:
    return tail.var if tail is not None else math.nan


def _cvar(tail: Tail | None) -> float:
    return tail.cvar if tail is not None else math.nan


def _share(amount: float, equity: float) -> float:
    return round(amount / equity * 100.0, 2) if equity > 0.0 else math.nan


def _backtest_view(found: Backtest) -> BacktestView:
    return BacktestView(
        n=found.n,
        exceptions=found.exceptions,
        kupiec_p=found.kupiec.p,
        independence_p=found.independence.p,
        coverage_p=found.coverage.p,
        verdict=found.verdict,
    )
