"""Profiles: within bounds, different in effect, and never over what a person set by name."""

from __future__ import annotations

from decimal import Decimal

import pytest

from app.tunables import configured_parameters
from engine.core.config import Config, EngineSection
from engine.core.errors import ParameterError
from engine.core.parameters import Parameters, find
from engine.core.profiles import AGGRESSIVE, CONSERVATIVE, PROFILES, RiskProfile, apply_profile
from engine.position.settings import PROFILES as EXITS
from engine.risk.gates import admitted, evaluate
from engine.risk.limits import max_open, position_cap_pct, risk_pct
from engine.risk.managers import manager_of
from engine.risk.sizers import sizer_of
from engine.risk.sizing import size_entry
from tests.decision_help import account, candidate, sizing


def tuned(name: str) -> Parameters:
    parameters = Parameters()
    apply_profile(parameters, name)
    return parameters


@pytest.mark.parametrize("profile", PROFILES.values(), ids=lambda profile: profile.name)
def test_each_value_is_within_bounds_differs_from_the_default_and_names_its_origin(
    profile: RiskProfile,
) -> None:
    for name, value in profile.values.items():
        parameter = find(name)
        assert parameter.check(value) == value
        assert value != parameter.default
    parameters = tuned(profile.name)
    origins = {setting.origin for _, _, setting in parameters.items()}
    assert origins <= {f"profile {profile.name}"}


@pytest.mark.parametrize(("profile", "sign"), [(CONSERVATIVE, -1), (AGGRESSIVE, 1)])
def test_each_value_moves_risk_in_the_profiles_direction(profile: RiskProfile, sign: int) -> None:
    for name, value in profile.values.items():
        parameter = find(name)
        assert parameter.risk * (value - parameter.default) * sign > 0, name  # type: ignore[operator]


def test_profiles_change_sizes_and_what_is_admitted() -> None:
    sizes = {
        name: size_entry(sizing(confidence=0.8, stop=Decimal(90)), tuned(name)).pct
        for name in PROFILES
    }
    assert sizes["conservative"] < sizes["balanced"] < sizes["aggressive"]
    doubtful = candidate(confidence=0.45)
    assert not admitted(evaluate(doubtful, tuned("conservative")))
    assert admitted(evaluate(doubtful, tuned("balanced")))
    busy = candidate(account=account(open_positions=12))
    assert not admitted(evaluate(busy, tuned("balanced")))
    assert admitted(evaluate(busy, tuned("aggressive")))


def test_only_the_aggressive_profile_lifts_the_hard_cap() -> None:
    caps = {name: tuned(name).get(find("size.max_position_pct")) for name in PROFILES}
    assert [name for name, cap in caps.items() if cap > 25] == ["aggressive"]


def test_an_unknown_profile_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ParameterError, match="balanced"):
        apply_profile(Parameters(), "reckless")


STYLES = ("flow", "ml", "sniper")


@pytest.mark.parametrize("name", STYLES)
def test_a_style_has_an_exit_profile_of_its_name_and_a_run_accepts_it(name: str) -> None:
    assert name in EXITS
    config = Config(engine=EngineSection(profile=name))
    origins = {setting.origin for _, _, setting in configured_parameters(config).items()}
    assert origins == {f"profile {name}"}


def test_each_style_picks_its_own_parts_and_limits() -> None:
    flow, ml, sniper = tuned("flow"), tuned("ml"), tuned("sniper")
    assert manager_of(flow, "technical", "core").name == "fixed"
    assert max_open(flow) == 16
    assert risk_pct(flow, diamond=False) == 1.5
    assert sizer_of(ml, "technical", "confidence_scaled").name == "confidence_weighted"
    assert position_cap_pct(ml) == 25.0
    assert sizer_of(sniper, "technical", "confidence_scaled").name == "fixed_fraction"
    assert max_open(sniper) == 5
