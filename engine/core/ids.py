"""The only place where ids and random numbers come from.

A run is repeatable when its ids and its draws are, so both are derived from the run's
seed; live runs draw the seed from the machine once and journal it.
"""

from __future__ import annotations

import hashlib
import random
import secrets
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


def fresh_seed() -> int:
    """A seed from the operating system, for runs that were given none."""
    return secrets.randbits(63)


def derive(seed: int, *names: str | int) -> int:
    """A 63-bit seed for one named purpose; the same names always give the same seed."""
    text = ":".join(map(str, (seed, *names)))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def source(seed: int, *names: str | int) -> random.Random:
    """A random source of its own for one named purpose, independent of all others."""
    return random.Random(derive(seed, *names))


class Ids:
    """Readable, unique ids of one run: `P-17`, `O-4`, `T-2`; never used twice in a journal.

    `run` is the journal's own tag, so that client order ids stay unique at a venue across
    restarts and journals. Counters start where the journal left them (`resume`).
    """

    def __init__(self, run: str, counters: dict[str, int] | None = None) -> None:
        self.run = run
        self._counters = dict(counters or {})

    def next(self, kind: str) -> str:
        """The next id of a kind, such as `P` for proposals."""
        number = self._counters.get(kind, 0) + 1
        self._counters[kind] = number
        return f"{kind}-{number}"

    def client_order_id(self, order_id: str) -> str:
        """What the venue sees; within Binance's `^[a-zA-Z0-9-_]{1,36}$`."""
        return f"qd{self.run}{order_id}"[:36]

    def counters(self) -> dict[str, int]:
        return dict(self._counters)

    def resume(self, counters: dict[str, int]) -> None:
        """Go on after the highest number seen, never before it."""
        for kind, number in counters.items():
            self._counters[kind] = max(self._counters.get(kind, 0), number)


def run_tag(seed: int) -> str:
    """Eight characters that tell one journal's client ids from another's."""
    return f"{derive(seed, 'run'):016x}"[:8]


def generator(seed: int, *names: str | int) -> np.random.Generator:
    """As `source`, for numpy: one independent generator for one named purpose.

    Numpy is imported here, because the screen needs ids before its first frame and no numpy.
    """
    import numpy as np

    return np.random.default_rng(derive(seed, *names))
