"""Every parameter of the exit rules decides something."""

from __future__ import annotations

import math
from typing import Any

import pytest

from engine.core.parameters import Parameter, Parameters, declared
from engine.position import settings as numbers
from engine.position.plan import plan_exits
from engine.position.watch import PositionWatch
from tests.position_help import MINUTE, START, entry


def _declared_here() -> list[str]:
    """Names of all parameters that the settings of this room declare."""
    groups = [
        tuple(value.values()) if isinstance(value, dict) else value
        for value in vars(numbers).values()
        if isinstance(value, dict | tuple | Parameter)
    ]
    flat = [each for group in groups for each in (group if isinstance(group, tuple) else (group,))]
    return sorted(each.name for each in flat if isinstance(each, Parameter))


OURS = _declared_here()

DAY = 1440 * MINUTE

PATHS: tuple[tuple[int, tuple[float, ...]], ...] = (
    (MINUTE, tuple(100 + 0.1 * k for k in range(260))),
    (MINUTE, (*(100 + 0.05 * k for k in range(30)), *(101.5 - 0.05 * k for k in range(300)))),
    (MINUTE, (*(100 + 0.25 * k for k in range(120)), *(130 - 0.25 * k for k in range(160)))),
    (MINUTE, tuple(100 - 0.1 * k for k in range(300))),
    (20 * MINUTE, (100.3, 100.2, 100.1, 100.2) * 60),
    (20 * MINUTE, (100.9, 100.6) * 1500),
    (2 * 60 * MINUTE, tuple(100 - 0.12 * k for k in range(200))),
    (DAY // 2, (101.0, 101.2) * 15),
    (DAY // 2, (101.2, 102.3, 103.4, 104.4, 104.2, *(104.1, 104.3) * 13)),
)
"""Rises, falls, returns and long waits, each with the time between its prices."""


def scenarios(parameters: Parameters) -> list[str]:
    """What every profile does on every path, in words that show prices, lots and times."""
    told = []
    variants: list[dict[str, Any]] = [{"regime": r} for r in ("BULL", "BEAR", "CRASH", "HIGH_VOL")]
    variants += [{}, {"stop": 80.0}, {"diamond": True}, {"strategy": None}, {"atr": 0.3}]
    variants += [{"regime": None}]
    cases = [{"profile": profile, **more} for profile in numbers.PROFILES for more in variants]
    for case in cases:
        told += _told(parameters, case, PATHS)
    for name, value in BESIDE:
        if parameters.setting(name).origin == "default":
            parameters.set(name, value, "beside")
            for profile in numbers.PROFILES:
                told += _told(parameters, {"profile": profile, "stop": 80.0}, PATHS[2:3])
            parameters.unset(name)
    return told


BESIDE = (
    ("exit.partial_exits", False),
    ("exit.scale_out_frac_1", 0),
    ("exit.partial_frac_1", 0),
    ("exit.ladder_name", "flow"),
)
"""Settings under which others matter that do not with the defaults."""


def _told(
    parameters: Parameters, case: dict[str, Any], paths: tuple[tuple[int, tuple[float, ...]], ...]
) -> list[str]:
    told = []
    made = plan_exits(parameters, entry(score=0.8, fee=0.0, spread=0.0, **case))
    for span, path in paths:
        held = PositionWatch.open(made)
        now = START
        for k, price in enumerate(path):
            now += span
            for event in held.on_price(price, now):
                told.append(f"{event.code} {event.price} {event.lots} {now} {event.urgency}")
                if event.reason is None:
                    held.add(event.lots, event.price)
            if held.closed:
                break
            if k % 5 == 4:
                regime = "BEAR" if k > 60 else case.get("regime", "SIDEWAYS")
                held.refresh(case.get("atr", 1.0), 0.8 * (0.9 if k < 40 else 0.5), regime)
        told.append(f"{held.stop} {held.lots}")
    return told


@pytest.fixture(scope="module")
def default() -> list[str]:
    return scenarios(Parameters())


def ends(parameter: Parameter) -> tuple[object, ...]:
    if parameter.kind == "bool":
        return (not parameter.default,)
    if parameter.kind == "enum":
        return tuple(c for c in parameter.choices if c != parameter.default)
    return (parameter.low, parameter.high)


@pytest.mark.parametrize("name", OURS)
def test_moving_it_changes_what_happens(name: str, default: list[str]) -> None:
    parameter = declared()[name]
    for value in ends(parameter):
        assert value is not None
        if value == parameter.default:
            continue
        parameters = Parameters()
        parameters.set(name, value, "test")
        assert scenarios(parameters) != default, f"{name} = {value} changes nothing"


def test_weights_follow_the_order_of_the_signals() -> None:
    names = [w.name.rpartition(".")[2] for w in numbers.SIGNAL_WEIGHTS]
    assert tuple(names) == numbers.SIGNAL_NAMES


def test_ladder_shares_add_up() -> None:
    for fractions in (numbers.FLOW_FRACTIONS, numbers.ML_FRACTIONS):
        assert math.fsum(float(str(f.default)) for f in fractions) == 100
    assert 3 * float(str(numbers.LADDER_FRACTION.default)) == 75
