"""The portfolio layers in one: what is held around a candidate, by correlation, sector and VaR.

They share one returns book and one moment of refresh, so that a gate, a size and the screen
never speak of different histories.
"""

from __future__ import annotations

from collections.abc import Mapping

from engine.core.clock import HOUR
from engine.core.parameters import Parameters
from engine.core.types import Bar
from engine.risk.contexts import Around
from engine.risk.correlation import (
    MAX_CORRELATED,
    MIN_SAMPLES,
    WINDOW_DAYS,
    CorrelationEngine,
    adjustment,
)
from engine.risk.exposure import (
    MAX_SECTOR,
    Factors,
    factors,
    sector_exposures,
    sector_of,
)
from engine.risk.returns import ReturnsBook
from engine.risk.var import VAR_DAYS, VarModel


class PortfolioRisk:
    """Correlation, sector and VaR of what is held. Owned by the kernel thread.

    `held` everywhere are signed notionals in quote currency by symbol, longs positive, with
    the entries on their way.
    """

    def __init__(self, span_ns: int, parameters: Parameters) -> None:
        days = max(int(one.high or 0) for one in (VAR_DAYS, WINDOW_DAYS))
        self._parameters = parameters
        self.book = ReturnsBook(span_ns, days)
        self.correlation = CorrelationEngine(self.book, parameters)
        self.var = VarModel(self.book, parameters)
        self.estimates = 0
        self._factors: Factors | None = None
        self._factors_hour = -1

    def closed(self, bar: Bar) -> None:
        """A decision bar closed."""
        self.book.add(bar.symbol, bar.close_ns, bar.close)

    def refresh(self) -> None:
        """Estimate anew where it is due. Called at fixed points of engine time only, so that
        a replay decides by the same figures however often a screen looks."""
        if self.correlation.refresh():
            self.var.refresh(self.correlation.bars)
            self.estimates += 1

    def around(self, symbol: str, candidate: float, held: Mapping[str, float]) -> Around:
        """What is held around an entry of this signed notional (0 before it is sized)."""
        gross = {name: abs(worth) for name, worth in held.items()}
        beside = self.correlation.beside(symbol, gross)
        sector = sector_of(symbol)
        after = dict(held)
        if candidate:
            after[symbol] = after.get(symbol, 0.0) + candidate
        tail, source = self.var.asked(after)
        others = ", ".join(beside.others)
        return Around(
            correlated=beside.exposure,
            correlated_with=beside.why or (f"with {others}" if others else "alone in its cluster"),
            sector=sector,
            sector_exposure=sector_exposures(held).get(sector, 0.0),
            var=tail.var if tail is not None else None,
            var_from=source,
        )

    def size_factor(self, around: Around, notional: float, equity: float) -> float | None:
        """The correlation factor of a candidate of this size: the limit over what its cluster
        would hold with it, 1 where nothing else is held there, None where that isn't known."""
        if not around.correlated:
            return None if around.correlated is None else 1.0
        limit = float(self._parameters.get(MAX_CORRELATED))
        return adjustment(limit, (around.correlated + notional) / equity * 100.0)

    def headroom(
        self, around: Around, equity: float, regime: str | None
    ) -> tuple[tuple[str, float], ...]:
        """What cluster and sector have left, in percent of equity, where there is any.

        Where there is none the size stays as it is, and the gate refuses by its own name with
        the figures of the entry that was wanted.
        """
        p, found = self._parameters, []
        if around.correlated:
            left = float(p.get(MAX_CORRELATED)) - around.correlated / equity * 100.0
            found.append(("correlated headroom", left))
        left = float(p.get(MAX_SECTOR, regime=regime)) - around.sector_exposure / equity * 100.0
        found.append(("sector headroom", left))
        return tuple((name, left) for name, left in found if left > 0.0)

    def factors(self) -> Factors:
        """The factor returns, built at most once an hour of bars; for the screen."""
        hour = self.book.last_ns // HOUR
        if self._factors is None or hour != self._factors_hour:
            p = self._parameters
            self._factors = factors(self.book, int(p.get(WINDOW_DAYS)), int(p.get(MIN_SAMPLES)))
            self._factors_hour = hour
        return self._factors

    def standing(self, held: Mapping[str, float]) -> tuple[float | None, float, float | None, str]:
        """Largest cluster and sector in quote, VaR in quote, and what the VaR is from."""
        tail, source = self.var.asked(held)
        most = next(iter(sector_exposures(held).values()), 0.0)
        gross = {name: abs(worth) for name, worth in held.items()}
        var = tail.var if tail is not None else None
        return self.correlation.largest(gross), most, var, source if held else ""
