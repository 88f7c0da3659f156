"""How simulated prices reach the tape: when ticks come, and how an instrument rounds them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from engine.core.clock import MILLISECOND, MINUTE, SECOND
from engine.core.ids import generator
from engine.core.types import Instrument
from engine.market.simmodel import SLOTS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SLOT_NS = MINUTE // SLOTS
BOOK_LEVELS = 10
# Between the symbols' ticks of one slot: too short to trade on what the first one shows.
_STAGGER_NS = 20 * MILLISECOND


class Timing:
    """When the ticks of a minute come and how much stands at the touch.

    One tick a slot, anywhere in it, so that no symbol is silent for two slots and none ticks
    like a clock.
    """

    def __init__(self, seed: int, symbols: int) -> None:
        self._draws = generator(seed, "timing")
        self._symbols = symbols
        self.stagger_ns = min(_STAGGER_NS, SECOND // (2 * symbols))
        self._spare = SLOT_NS - self.stagger_ns * symbols - 1

    def minute(self) -> tuple[list[int], list[list[list[float]]]]:
        """Offsets into each slot in nanoseconds, and (slot, symbol, side) relative depth."""
        offsets = self._draws.random(SLOTS) * self._spare
        depth = self._draws.lognormal(0.0, 0.6, (SLOTS, self._symbols, 2))
        return [int(offset) for offset in offsets], depth.tolist()


class Rounding:
    """An instrument's filters in floats, because simulated prices are market data."""

    def __init__(self, instrument: Instrument) -> None:
        self.tick = float(instrument.price_tick)
        self._decimals = max(0, -int(instrument.price_tick.as_tuple().exponent))
        self._lot = float(instrument.lot_step)
        self._lot_decimals = max(0, -int(instrument.lot_step.as_tuple().exponent))

    def price(self, raw: float) -> float:
        return round(max(1, round(raw / self.tick)) * self.tick, self._decimals)

    def prices(self, raw: NDArray[np.float64]) -> NDArray[np.float64]:
        import numpy as np

        ticks = np.maximum(1, np.round(raw / self.tick))
        rounded: NDArray[np.float64] = np.round(ticks * self.tick, self._decimals)
        return rounded

    def below(self, raw: float) -> float:
        return round(max(1, math.floor(raw / self.tick + 1e-9)) * self.tick, self._decimals)

    def above(self, raw: float) -> float:
        return round(max(2, math.ceil(raw / self.tick - 1e-9)) * self.tick, self._decimals)

    def size(self, raw: float) -> float:
        return round(max(1, round(raw / self._lot)) * self._lot, self._lot_decimals)

    def ladder(self, best: float, step: float, size: float) -> tuple[tuple[float, float], ...]:
        """Depth from the best price outwards; size grows by a quarter of the best a level."""
        # What `price` and `size` say, written out: every quote of a market costs two of these.
        tick, decimals = self.tick, self._decimals
        lot, lot_decimals = self._lot, self._lot_decimals
        levels: list[tuple[float, float]] = []
        last = 0
        for level in range(BOOK_LEVELS):
            ticks = round((best + level * step) / tick)
            if ticks < 1:
                ticks = 1
            if ticks == last:
                break
            last = ticks
            lots = round(size * (1 + level / 4) / lot) or 1
            levels.append((round(ticks * tick, decimals), round(lots * lot, lot_decimals)))
        return tuple(levels)
