"""Parameters: every number that decides a trade, declared once and read through a registry.

A tunable value stands beside the code that uses it (`declare`), so that a reader finds the
number and its use together; the registry holds the values in force, per scope, so that a
person and a learner can move them without touching code.
"""

from __future__ import annotations

import difflib
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from engine.core.errors import ParameterError
from engine.core.regimes import Regime

Kind = Literal["float", "int", "bool", "enum", "list"]
Value = float | int | bool | str | tuple[int, ...]

GLOBAL = "G"
"""Scope letters: G global, R regime, Y symbol, T strategy, M market class."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One tunable value: its bounds, unit, scopes and the direction in which it adds risk.

    `risk` is +1 where raising the value raises risk, −1 where it lowers it, 0 for neither;
    the change ledger uses it to tell tightening from loosening.
    """

    name: str
    default: Value
    low: float | None
    high: float | None
    step: float | None
    unit: str
    scopes: frozenset[str]
    risk: int
    doc: str
    kind: Kind
    choices: tuple[str, ...] = ()
    learnable: bool = True

    def check(self, value: Any) -> Value:
        """Return `value` in the parameter's own type, or raise `ParameterError`.

        Strings are parsed, because values arrive from TOML and from the command line.
        """
        try:
            parsed = self._parse(value)
        except (TypeError, ValueError):
            raise ParameterError(
                f"{self.name} takes {self._wants()}, not {value!r}", self._bounds_hint()
            ) from None
        numbers = parsed if isinstance(parsed, tuple) else (parsed,)
        for number in numbers:
            if isinstance(number, bool | str):
                continue
            if number != number:
                raise ParameterError(f"{self.name} can't be NaN", self._bounds_hint())
            if (self.low is not None and number < self.low) or (
                self.high is not None and number > self.high
            ):
                raise ParameterError(
                    f"{self.name} = {number:g} is outside its bounds", self._bounds_hint()
                )
        return parsed

    def _parse(self, value: Any) -> Value:
        if self.kind == "bool":
            if isinstance(value, bool):
                return value
            text = str(value).strip().lower()
            if text in ("true", "yes", "on", "1"):
                return True
            if text in ("false", "no", "off", "0"):
                return False
            raise ValueError(value)
        if self.kind == "enum":
            text = str(value)
            if text not in self.choices:
                raise ValueError(value)
            return text
        if self.kind == "list":
            parts = value.split(",") if isinstance(value, str) else list(value)
            return tuple(int(part) for part in parts)
        if isinstance(value, bool):
            raise ValueError(value)
        number = float(value)
        if self.kind == "int":
            if number != int(number):
                raise ValueError(value)
            return int(number)
        return number

    def _wants(self) -> str:
        return {
            "float": "a number",
            "int": "a whole number",
            "bool": "true or false",
            "enum": "one of " + ", ".join(self.choices),
            "list": "a list of whole numbers",
        }[self.kind]

    def _bounds_hint(self) -> str:
        if self.low is None or self.high is None:
            return f"default {self.default}"
        return f"from {self.low:g} to {self.high:g} {self.unit}, default {self.default}"


_declared: dict[str, Parameter] = {}


def declare(
    name: str,
    default: Value,
    *,
    low: float | None = None,
    high: float | None = None,
    step: float | None = None,
    unit: str = "",
    scopes: str = GLOBAL,
    risk: int = 0,
    doc: str = "",
    kind: Kind | None = None,
    choices: Iterable[str] = (),
    learnable: bool = True,
) -> Parameter:
    """Declare a parameter at import time and return it; a second, different one is a bug."""
    if kind is None:
        kind = (
            "bool"
            if isinstance(default, bool)
            else "int"
            if isinstance(default, int)
            else "enum"
            if isinstance(default, str)
            else "list"
            if isinstance(default, tuple)
            else "float"
        )
    parameter = Parameter(
        name,
        default,
        low,
        high,
        step,
        unit,
        frozenset(scopes),
        risk,
        doc,
        kind,
        tuple(choices),
        learnable,
    )
    known = _declared.get(name)
    if known is not None and known != parameter:
        raise ValueError(f"parameter {name} is declared twice")
    _declared[name] = parameter
    return parameter


def declared() -> Mapping[str, Parameter]:
    """Every parameter declared by the modules imported so far, by name."""
    return dict(sorted(_declared.items()))


@dataclass(frozen=True, slots=True)
class Scope:
    """Where a value holds; None in a field means everywhere.

    The most specific scope that matches wins; between equally specific ones the order is
    symbol, regime, strategy. A value for a regime holds for its strong grade as well.
    """

    symbol: str | None = None
    regime: str | None = None
    strategy: str | None = None

    def rank(self) -> tuple[int, int, int, int]:
        """How specific this scope is; the larger wins."""
        bits = (self.symbol is not None, self.regime is not None, self.strategy is not None)
        symbol, regime, strategy = map(int, bits)
        return (sum(bits), symbol, regime, strategy)

    def letters(self) -> frozenset[str]:
        named = ((self.symbol, "Y"), (self.regime, "R"), (self.strategy, "T"))
        return frozenset(letter for value, letter in named if value is not None)

    def matches(self, symbol: str | None, regime: str | None, strategy: str | None) -> bool:
        return (
            (self.symbol is None or self.symbol == symbol)
            and (self.regime is None or self.regime in (regime, family_of(regime)))
            and (self.strategy is None or self.strategy == strategy)
        )

    def __str__(self) -> str:
        named = (self.symbol, self.regime, self.strategy)
        return "·".join(part for part in named if part) or "global"


def family_of(regime: str | None) -> str | None:
    """The regime without its grade, for values set for the family; unknown texts as they are."""
    if regime is None:
        return None
    try:
        return Regime(regime).family.value
    except ValueError:
        return regime


EVERYWHERE = Scope()


@dataclass(frozen=True, slots=True)
class Setting:
    """A value in force in one scope, and who set it (`default`, `profile balanced`, ...)."""

    value: Value
    origin: str


_Key = tuple[str, str | None, str | None, str | None]
"""A parameter's name, and the symbol, regime and strategy that it is asked for."""


@dataclass(slots=True)
class Parameters:
    """The values in force. Owned by the kernel thread; everybody else gets copies.

    `version` counts changes, so that whoever derives something from parameters knows when
    to derive it again; `derived` keeps such things by a key of theirs until then.
    """

    version: int = 0
    _set: dict[str, dict[Scope, Setting]] = field(default_factory=dict)
    _cache: dict[_Key, Value] = field(default_factory=dict)
    _found: dict[_Key, Setting] = field(default_factory=dict)
    derived: dict[Hashable, object] = field(default_factory=dict)

    def get(
        self,
        parameter: Parameter,
        symbol: str | None = None,
        regime: str | None = None,
        strategy: str | None = None,
    ) -> Any:
        """The value in force for this symbol, regime and strategy; the default if none is set."""
        key = (parameter.name, symbol, regime, strategy)
        try:
            return self._cache[key]
        except KeyError:
            value = self.setting(parameter.name, symbol, regime, strategy).value
            self._cache[key] = value
            return value

    def setting(
        self,
        name: str,
        symbol: str | None = None,
        regime: str | None = None,
        strategy: str | None = None,
    ) -> Setting:
        """As `get`, by name and with its origin, for screens and `why`."""
        key = (name, symbol, regime, strategy)
        found = self._found.get(key)
        if found is None:
            found = self._found[key] = self._search(name, symbol, regime, strategy)
        return found

    def _search(
        self, name: str, symbol: str | None, regime: str | None, strategy: str | None
    ) -> Setting:
        parameter = find(name)
        best: tuple[tuple[int, ...], Setting] | None = None
        for scope, setting in self._set.get(name, {}).items():
            if scope.matches(symbol, regime, strategy):
                # A value for STRONG_BULL is nearer to it than its family's.
                rank = (*scope.rank(), int(scope.regime == regime))
                if best is None or rank > best[0]:
                    best = (rank, setting)
        return best[1] if best is not None else Setting(parameter.default, "default")

    def set(self, name: str, value: Any, origin: str, scope: Scope = EVERYWHERE) -> Value:
        """Set a value in a scope after checking type, bounds and that the scope is open."""
        parameter = find(name)
        closed = scope.letters() - parameter.scopes
        if closed:
            raise ParameterError(
                f"{name} can't be set for {scope}",
                f"it is open in the scopes {', '.join(sorted(parameter.scopes))}",
            )
        checked = parameter.check(value)
        self._set.setdefault(name, {})[scope] = Setting(checked, origin)
        self._changed()
        return checked

    def unset(self, name: str, scope: Scope = EVERYWHERE) -> None:
        """Take back what was set in exactly this scope; unknown is no error."""
        if self._set.get(find(name).name, {}).pop(scope, None) is not None:
            self._changed()

    def set_in(self, name: str, scope: Scope) -> Setting | None:
        """What is set in exactly this scope; None where nothing is."""
        return self._set.get(find(name).name, {}).get(scope)

    def copy(self) -> Parameters:
        """A registry of its own with the same values, to ask "what if" of."""
        return Parameters(self.version, {name: dict(by) for name, by in self._set.items()})

    def items(self) -> list[tuple[str, Scope, Setting]]:
        """Everything set, by name and scope, in a stable order."""
        return [
            (name, scope, setting)
            for name in sorted(self._set)
            for scope, setting in sorted(self._set[name].items(), key=lambda kv: str(kv[0]))
        ]

    def _changed(self) -> None:
        self.version += 1
        self._cache.clear()
        self._found.clear()
        self.derived.clear()


def find(name: str) -> Parameter:
    """The declared parameter of that name, or an error that offers the nearest ones."""
    parameter = _declared.get(name)
    if parameter is None:
        near = difflib.get_close_matches(name, _declared, n=3)
        hint = f"did you mean {', '.join(near)}?" if near else "`quarterdeck parameters` lists them"
        raise ParameterError(f"there is no parameter {name!r}", hint)
    return parameter
