"""Parameters as the ledger moves them: a value in exactly one scope, set and given back."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from engine.core.learning import Target, TargetKind
from engine.core.parameters import Parameters, Scope
from engine.core.records import AnyRecord, ParameterSet

UNSET = "null"


def scope_of(target: Target) -> Scope:
    return Scope(target.symbol, target.regime, target.strategy)


def parameter(name: str, scope: Scope | None = None) -> Target:
    """The target that is a parameter in a scope, by default everywhere."""
    scope = scope or Scope()
    return Target(
        kind=TargetKind.PARAMETER,
        name=name,
        symbol=scope.symbol,
        regime=scope.regime,
        strategy=scope.strategy,
    )


def text_of(value: object) -> str:
    """A value as the ledger writes it."""
    return msgspec.json.encode(value).decode()


def put(params: Parameters, target: Target, value: str, origin: str) -> None:
    """Set a target in a registry; `null` takes back what was set in exactly its scope."""
    scope = scope_of(target)
    if value == UNSET:
        params.unset(target.name, scope)
    else:
        params.set(target.name, msgspec.json.decode(value), origin, scope)


class ParameterApplier:
    """Moves the registry in force, and journals it as any other move of a parameter."""

    def __init__(self, params: Parameters) -> None:
        self._params = params

    def current(self, target: Target) -> str:
        setting = self._params.set_in(target.name, scope_of(target))
        return UNSET if setting is None else text_of(setting.value)

    def standing(self, target: Target) -> str:
        scope = (target.symbol, target.regime, target.strategy)
        return text_of(self._params.setting(target.name, *scope).value)

    def apply(self, target: Target, value: str, by: str, now_ns: int) -> Iterable[AnyRecord]:
        before = self.standing(target)
        put(self._params, target, value, by)
        scope = (target.symbol, target.regime, target.strategy)
        return [
            ParameterSet(
                time_ns=now_ns, name=target.name, scope=scope, before=before, after=value, who=by
            )
        ]
