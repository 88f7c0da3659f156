"""Overlays of the chart: what a person asked for, computed elsewhere, followed bar by bar.

The screen never computes an indicator. It hands bars to whoever does, looks once a second
whether the answer is there, and draws the last one until the next arrives.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass
from typing import Protocol

from engine.core.errors import QuarterdeckError
from engine.core.types import Bar
from widgets.study import ROLES, Study

Number = float | int | bool

MOST = len(ROLES)
"""Overlays at a time: more than that is no longer a chart."""

NOTHING = ("", "none", "off")

PRICES = frozenset((
    "bollinger_hband", "bollinger_lband", "bollinger_mavg",
    "donchian_channel_hband", "donchian_channel_lband", "donchian_channel_mband",
    "ema_indicator", "ichimoku_a", "ichimoku_b", "ichimoku_base_line",
    "ichimoku_conversion_line", "kama",
    "keltner_channel_hband", "keltner_channel_lband", "keltner_channel_mband",
    "psar_down", "psar_up", "sma_indicator", "volume_weighted_average_price", "wma_indicator",
))  # fmt: skip
"""Indicators of `ta` whose values are prices, so that they belong over the candles."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*")
_OPTION = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(\S+)")


class Overlays(Protocol):
    """Whoever computes indicators; it must not be this process."""

    def request(
        self, name: str, arguments: Mapping[str, Number], bars: Sequence[Bar]
    ) -> Future[dict[str, list[float]]]:
        """The lines of an indicator, a value for each bar.

        The future fails with `QuarterdeckError` for what it can't compute.
        """
        ...


@dataclass(frozen=True)
class Wanted:
    """One overlay as asked for."""

    name: str
    arguments: tuple[tuple[str, Number], ...] = ()

    @property
    def text(self) -> str:
        """As a person writes it."""
        return " ".join((self.name, *(f"{name}={value}" for name, value in self.arguments)))

    @property
    def label(self) -> str:
        """As the chart names it, short."""
        values = " ".join(f"{value}" for _, value in self.arguments)
        return f"{self.name.rpartition('.')[2]} {values}".strip()

    @property
    def on_price(self) -> bool:
        return self.name.rpartition(".")[2] in PRICES


def parse(text: str) -> tuple[Wanted, ...]:
    """Overlays written as `ema_indicator window=50; rsi`; `none` is none.

    Raises `QuarterdeckError` with what is wrong, in words for a person.
    """
    if text.strip().lower() in NOTHING:
        return ()
    found = [_one(part) for part in re.split(r"[;,]", text) if part.strip()]
    if len(found) > MOST:
        raise QuarterdeckError(f"{len(found)} overlays are too many", f"at most {MOST}")
    return tuple(dict.fromkeys(found))


def _one(text: str) -> Wanted:
    name, _, rest = text.strip().partition(" ")
    if not _NAME.fullmatch(name):
        raise QuarterdeckError(f"{name} is no name", "write it as in ema_indicator window=50")
    arguments: dict[str, Number] = {}
    rest = rest.strip()
    while rest:
        option = _OPTION.match(rest)
        value = _number(option[2]) if option else None
        if option is None or value is None:
            raise QuarterdeckError(
                f"{rest.split()[0]} is no argument", "write it as in ema_indicator window=50"
            )
        arguments[option[1]] = value
        rest = rest[option.end() :].strip()
    return Wanted(name, tuple(arguments.items()))


def _number(text: str) -> Number | None:
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return None


@dataclass(frozen=True)
class _Asked:
    """A request under way: for which bars, and the answer to come."""

    state: object
    opened: tuple[int, ...]
    answer: Future[dict[str, list[float]]]


class Studies:
    """The overlays of the chart: one request at a time for each, for the newest closed bar."""

    def __init__(self) -> None:
        self._overlays: Overlays | None = None
        self._wanted: tuple[Wanted, ...] = ()
        self._drawn: dict[Wanted, Study] = {}
        self._asked: dict[Wanted, _Asked] = {}
        self._known: dict[Wanted, object] = {}
        self._symbol = ""

    def computed_by(self, overlays: Overlays | None) -> None:
        """Who computes from now on."""
        self._overlays = overlays

    @property
    def able(self) -> bool:
        """Whether anybody computes."""
        return self._overlays is not None

    @property
    def text(self) -> str:
        """What is drawn, as a person writes it."""
        return "; ".join(wanted.text for wanted in self._wanted)

    def want(self, wanted: Sequence[Wanted]) -> None:
        """Draw these and nothing else."""
        self._wanted = tuple(wanted)
        kept = set(self._wanted)
        self._drawn = {each: made for each, made in self._drawn.items() if each in kept}
        self._asked = {each: made for each, made in self._asked.items() if each in kept}
        self._known = {each: made for each, made in self._known.items() if each in kept}

    def follow(self, symbol: str, bars: Sequence[Bar]) -> tuple[tuple[Study, ...], list[str]]:
        """What to draw over these closed bars now, and what went wrong since the last call.

        An overlay that can't be computed is given up; the others stay.
        """
        if symbol != self._symbol:
            self._symbol = symbol
            self._drawn.clear()
            self._asked.clear()
            self._known.clear()
        troubles: list[str] = []
        if not bars or self._overlays is None:
            return (), troubles
        state = (bars[0].open_ns, bars[-1].open_ns, bars[-1].close)
        for wanted in self._wanted:
            if trouble := self._collect(wanted):
                troubles.append(trouble)
            elif wanted not in self._asked and self._known.get(wanted) != state:
                future = self._overlays.request(wanted.name, dict(wanted.arguments), bars)
                self._asked[wanted] = _Asked(state, tuple(bar.open_ns for bar in bars), future)
        if troubles:
            self.want([each for each in self._wanted if each in self._asked or each in self._drawn])
        return tuple(self._study(wanted) for wanted in self._wanted), troubles

    def _study(self, wanted: Wanted) -> Study:
        waiting = Study(wanted.label, on_price=wanted.on_price, pending=True)
        return self._drawn.get(wanted, waiting)

    def _collect(self, wanted: Wanted) -> str:
        """Take an answer that has come; what is wrong with it, or an empty text."""
        asked = self._asked.get(wanted)
        if asked is None or not asked.answer.done():
            return ""
        del self._asked[wanted]
        self._known[wanted] = asked.state
        try:
            lines = asked.answer.result()
        except QuarterdeckError as error:
            self._drawn.pop(wanted, None)
            return f"{error.message}: {error.hint}" if error.hint else error.message
        except CancelledError:
            return ""
        for line in lines.values():
            values = dict(zip(asked.opened, line, strict=True))
            self._drawn[wanted] = Study(wanted.label, values, wanted.on_price)
        return ""
