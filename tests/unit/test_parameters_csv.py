"""Every declared parameter is the one that was agreed on, to the last bound and scope."""

from __future__ import annotations

import csv
import importlib
import pkgutil
import sys
from pathlib import Path

import pytest

import engine
from engine.core.parameters import Parameter, declared
from tests.recorded import FOLDER

CHOSEN_HERE = frozenset(
    {
        "risk.manager", "size.kelly_min_trades", "size.sizer",
        "cb.half_open_factor", "cb.orders_per_day", "cb.orders_per_parent", "cb.repeat_max",
        "cb.repeat_window_s",
        "ev.prior_payoff", "ev.prior_trades", "ev.prior_win_rate", "ev.regime_trades",
        "lev.adx_boost", "lev.adx_cut", "lev.adx_strong", "lev.adx_weak", "lev.auto_max",
        "lev.confidence_boost", "lev.confidence_cut", "lev.confidence_high",
        "lev.confidence_low", "lev.edge_z", "lev.margin_in_use", "lev.regime_bear",
        "lev.regime_bull", "lev.regime_crash", "lev.regime_high_vol", "lev.regime_sideways",
        "lev.regime_strong_bear", "lev.regime_strong_bull", "lev.trend_boost",
        "lev.trend_cut", "lev.trend_strong", "lev.trend_weak", "lev.vol_boost",
        "lev.vol_cut", "lev.vol_ratio_high", "lev.vol_ratio_low",
        "risk.ceiling_per_trade_pct", "risk.corr_min_samples", "risk.var_min_days",
        "risk.var_window_days", "size.factor_max", "size.scale_trades",
        "size.trend_days",
    }
)  # fmt: skip
"""Parameters of strategies, decision and risk without a row of their own."""

REPORTED: dict[str, list[str]] = {}
"""Differences that are known and wait for the room they stand in; gone when it is right."""

ROOMS = ("ev.", "size.", "risk.", "dec.", "strat.", "cand.", "pos.", "regime.size_", "cb.", "lev.")


def rows() -> dict[str, dict[str, str]]:
    path = Path(FOLDER).parent / "spec" / "parameters.csv"
    if not path.exists():
        pytest.skip("the agreed parameter table is absent (../spec/parameters.csv of the data)")
    with path.open(encoding="utf-8", newline="") as table:
        return {row["name"]: row for row in csv.DictReader(table)}


def all_declared() -> dict[str, Parameter]:
    """Everything that importing the whole engine declares."""
    for module in pkgutil.walk_packages(engine.__path__, "engine."):
        importlib.import_module(module.name)
    return {
        name: parameter for name, parameter in declared().items() if not name.startswith("test.")
    }


def agreed(row: dict[str, str], parameter: Parameter) -> list[str]:
    """What differs between a declaration and its row, in words; empty where nothing does."""
    wrong = []
    kind = {"enum": "enum", "bool": "bool", "int": "int"}.get(row["type"], row["type"])
    if parameter.kind != kind and not (kind.startswith("list") and parameter.kind == "list"):
        wrong.append(f"kind {parameter.kind} for {row['type']}")
    if parameter.kind in ("int", "float"):
        for field in ("default", "low", "high", "step"):
            value = getattr(parameter, field)
            agreed_on = None if row[field] == "-" else float(row[field])
            if value != agreed_on:
                wrong.append(f"{field} {value} for {row[field]}")
    elif parameter.kind == "list":
        listed = tuple(int(x) for x in row["default"].strip("[]").replace("/", ",").split(","))
        if parameter.default != listed:
            wrong.append(f"default {parameter.default} for {row['default']}")
    elif str(parameter.default).lower() != row["default"].lower():
        wrong.append(f"default {parameter.default} for {row['default']}")
    if parameter.unit != row["unit"]:
        wrong.append(f"unit {parameter.unit!r} for {row['unit']!r}")
    scopes = {"M" if scope == "market" else scope for scope in row["scope"].split(",")}
    if set(parameter.scopes) != scopes:
        wrong.append(f"scopes {sorted(parameter.scopes)} for {row['scope']}")
    return wrong


def test_each_declared_parameter_equals_its_row(capsys: pytest.CaptureFixture[str]) -> None:
    table, known = rows(), all_declared()
    wrong = {
        name: difference
        for name, parameter in known.items()
        if name in table and (difference := agreed(table[name], parameter))
    }
    assert wrong == REPORTED
    assert len(set(known) & set(table)) > 100
    with capsys.disabled():
        missing = len(set(table) - set(known))
        sys.stdout.write(f" [{len(known)} parameters, {missing} rows not declared yet] ")


def test_a_parameter_without_a_row_is_a_choice_that_is_named_here() -> None:
    table, known = rows(), all_declared()
    own = {name for name in known if name.startswith(ROOMS) and name not in table}
    assert own == CHOSEN_HERE


def test_each_declared_parameter_says_what_it_is_and_keeps_its_own_bounds() -> None:
    for name, parameter in all_declared().items():
        assert parameter.doc, name
        assert parameter.risk in (-1, 0, 1), name
        parameter.check(parameter.default)
