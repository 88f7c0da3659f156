"""The price process of the simulated market: what makes it look real and earn nothing.

Returns are normal given their volatility, and every log return carries −variance/2, so each
price is an exact martingale: whatever a strategy knows, the expected price is today's. What
moves is the volatility alone: a GARCH(1,1) per process (Bollerslev 1986), minutes whose
scale is drawn so that a minute's return is Student-t (a normal over the root of a chi-square),
and a Markov chain of calm, ordinary and wild hours. One process is common to all symbols.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.core.ids import generator

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

SLOTS = 16
"""Ticks of each symbol in a minute: one every 3.75 s."""

PART = 512
"""Minutes that are made of what was drawn at a time."""

EDGE_MINUTES = 15
"""A planted edge looks back and forward one decision bar of the default timeframe."""

# Shape of the process; chosen to resemble recorded one-minute crypto returns.
_DEGREES = 4.5
_ALPHA, _BETA = 0.06, 0.925
_VARIANCE_BOUNDS = (0.2, 16.0)
_SCALE_BOUND = 6.0
# Per regime: chance a minute of leaving it, multiplier of own and of common volatility.
_REGIMES = ((1 / 360, 0.7, 0.65), (1 / 480, 1.0, 1.0), (1 / 120, 1.6, 1.9))

# Base asset: plausible lowest and highest starting price, volatility per minute, share of its
# variance that is common to all.
_KNOWN = {
    "BTC": (60_000.0, 100_000.0, 0.0006, 0.75),
    "ETH": (2_000.0, 4_000.0, 0.0008, 0.70),
    "BNB": (500.0, 750.0, 0.0007, 0.60),
    "SOL": (120.0, 230.0, 0.0010, 0.60),
    "XRP": (0.5, 2.5, 0.0010, 0.50),
    "ADA": (0.4, 1.1, 0.0010, 0.55),
    "DOGE": (0.1, 0.4, 0.0012, 0.50),
    "AVAX": (20.0, 45.0, 0.0011, 0.55),
    "LINK": (10.0, 25.0, 0.0010, 0.55),
    "DOT": (4.0, 9.0, 0.0010, 0.55),
    "LTC": (70.0, 130.0, 0.0009, 0.55),
}


@dataclass(frozen=True, slots=True)
class Asset:
    """What one base asset starts from: price, volatility per minute, common share."""

    price: float
    sigma: float
    common: float


def asset(base: str, seed: int) -> Asset:
    """A plausible asset for that name; one nobody knows is invented from name and seed."""
    draw = generator(seed, "asset", base)
    if base in _KNOWN:
        low, high, sigma, common = _KNOWN[base]
        return Asset(float(draw.uniform(low, high)), sigma, common)
    price = math.exp(draw.uniform(math.log(0.1), math.log(300.0)))
    return Asset(price, float(draw.uniform(0.0008, 0.0013)), float(draw.uniform(0.35, 0.6)))


@dataclass(frozen=True, slots=True)
class Minutes:
    """A stretch of simulated market: minutes × ticks × assets.

    `sizes` is relative to an ordinary tick, `stress` is each minute's volatility against the
    asset's ordinary one, `buys` says that a buyer crossed the spread.
    """

    prices: Floats
    sizes: Floats
    buys: NDArray[np.bool_]
    stress: Floats


class PriceModel:
    """Draws the market minute by minute; the same seed and calls give the same prices.

    `edge` is the drift planted into a decision bar in the direction of the one before it
    (momentum; negative for reversion), in standard deviations of such a bar; 0 plants none.
    """

    def __init__(self, assets: Sequence[Asset], seed: int, first_minute: int, edge: float) -> None:
        import numpy as np

        self.edge = edge
        self._rng = generator(seed, "prices")
        self._log = np.log([a.price for a in assets])
        self._sigma = np.array([a.sigma for a in assets])
        self._shares = np.array([a.common for a in assets])
        self._variance = np.ones(len(assets) + 1)
        self._boost = np.ones(len(assets))
        self._regime = 1
        self._minute = first_minute
        self._bar_return = np.zeros(len(assets))
        self._direction = np.zeros(len(assets))

    def excite(self, index: int, factor: float) -> None:
        """Make one asset more volatile; it calms down over about twenty minutes."""
        self._boost[index] = max(self._boost[index], factor)

    def advance(self, count: int) -> Iterator[Minutes]:
        """The next `count` minutes, in parts. The model goes on where the last part ended.

        All are drawn before the first part, but only what the later parts need is held: a
        warm-up of weeks made as a whole would be the largest thing that the engine ever holds.
        """
        import numpy as np

        rng, processes = self._rng, len(self._variance)
        normal = rng.standard_normal((count, SLOTS, processes))
        # A t-distributed minute is a normal one over the root of a chi-square's mean.
        chi = rng.chisquare(_DEGREES, (count, processes))
        scale = np.minimum(np.sqrt((_DEGREES - 2) / chi), _SCALE_BOUND)
        shock = scale * normal.sum(axis=1) / math.sqrt(SLOTS)
        sizes = rng.standard_normal((count, SLOTS, processes - 1))
        coin = rng.random((count, SLOTS, processes - 1), dtype=np.float64)
        sigma, drift = self._volatilities(shock, rng.random(count))

        weight = np.sqrt(self._shares) * self._sigma
        begun, moved = self._log, np.zeros(processes - 1)
        for first in range(0, count, PART):
            part = slice(first, first + PART)
            own = normal[part, :, 1:] * (sigma[part, 1:] * scale[part, 1:])[:, None, :]
            common_std = sigma[part, :1] * scale[part, :1]
            joint = (normal[part, :, :1] * common_std[:, None, :]) * weight
            variance = (sigma[part, 1:] * scale[part, 1:]) ** 2 + (common_std * weight) ** 2
            steps = (own + joint) / math.sqrt(SLOTS)
            steps += ((drift[part] - variance / 2) / SLOTS)[:, None, :]

            path = steps.reshape(-1, processes - 1).copy()
            path[0] += moved
            path = path.cumsum(axis=0)
            moved = path[-1].copy()
            path += begun
            self._log = path[-1].copy()
            stress = np.sqrt(sigma[part, 1:] ** 2 + (sigma[part, :1] * weight) ** 2) / self._sigma
            lean = np.tanh(steps / self._sigma * math.sqrt(SLOTS))
            yield Minutes(
                prices=np.exp(path).reshape(-1, SLOTS, processes - 1),
                sizes=np.exp(0.9 * sizes[part]) * stress[:, None, :],
                buys=coin[part] < 0.5 + 0.3 * lean,
                stress=stress,
            )

    def _volatilities(self, shock: Floats, coin: Floats) -> tuple[Floats, Floats]:
        """Volatility of every process and planted drift of every asset, minute by minute.

        The own processes come in units of price; the common one has unit size.
        """
        import numpy as np

        own = self._sigma * np.sqrt(1 - self._shares)
        weight = np.sqrt(self._shares) * self._sigma
        sigma = np.empty_like(shock)
        drift = np.zeros((len(shock), len(own)))
        for i in range(len(shock)):
            leave, own_factor, common_factor = _REGIMES[self._regime]
            if coin[i] < leave:
                self._regime = (1, 2 if coin[i] < leave / 2 else 0, 1)[self._regime]
            sigma[i, 0] = common_factor * math.sqrt(self._variance[0])
            sigma[i, 1:] = own_factor * own * np.sqrt(self._variance[1:]) * self._boost
            grown = (1 - _ALPHA - _BETA) + self._variance * (_ALPHA * shock[i] ** 2 + _BETA)
            self._variance = np.minimum(np.maximum(grown, _VARIANCE_BOUNDS[0]), _VARIANCE_BOUNDS[1])
            self._boost = 1 + (self._boost - 1) * 0.95
            if self.edge:
                drift[i] = self._planted(sigma[i], weight, shock[i])
            self._minute += 1
        return sigma, drift

    def _planted(self, sigma: Floats, weight: Floats, shock: Floats) -> Floats:
        """The edge's drift in this minute, by the direction of the last decision bar."""
        import numpy as np

        if self._minute % EDGE_MINUTES == 0:
            self._direction = np.sign(self._bar_return)
            self._bar_return = np.zeros_like(self._bar_return)
        total = np.sqrt(sigma[1:] ** 2 + (sigma[0] * weight) ** 2)
        drift: Floats = self.edge * self._direction * total / math.sqrt(EDGE_MINUTES)
        self._bar_return = self._bar_return + sigma[1:] * shock[1:] + sigma[0] * shock[0] * weight
        self._bar_return += drift
        return drift
