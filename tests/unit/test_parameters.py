from __future__ import annotations

import pytest

from engine.core.errors import ParameterError
from engine.core.parameters import Parameters, Scope, declare, declared, find

SIZE = declare(
    "test.size", 10.0, low=1.0, high=20.0, step=1.0, unit="%", scopes="GRYT", risk=1, doc="x"
)
COUNT = declare("test.count", 3, low=1, high=9, step=1, unit="count", scopes="G", doc="x")
MODE = declare("test.mode", "max", choices=("pct", "atr", "max"), scopes="G", doc="x")
FLAG = declare("test.flag", False, scopes="G", doc="x")
LIST = declare("test.list", (9, 12), low=5, high=200, scopes="G", doc="x")


def test_the_default_holds_until_a_value_is_set_and_again_after_it_is_unset() -> None:
    params = Parameters()
    assert params.get(SIZE) == 10.0
    params.set("test.size", "12.5", "test")
    assert params.get(SIZE) == 12.5
    params.unset("test.size")
    assert params.get(SIZE) == 10.0


def test_the_most_specific_scope_wins_and_ties_go_symbol_regime_strategy() -> None:
    params = Parameters()
    where = {"symbol": "BTC/USDT", "regime": "BULL", "strategy": "ma"}
    params.set("test.size", 2, "t", Scope(strategy="ma"))
    assert params.get(SIZE, **where) == 2
    params.set("test.size", 3, "t", Scope(regime="BULL"))
    assert params.get(SIZE, **where) == 3
    params.set("test.size", 4, "t", Scope(symbol="BTC/USDT"))
    assert params.get(SIZE, **where) == 4
    params.set("test.size", 5, "t", Scope(regime="BULL", strategy="ma"))
    assert params.get(SIZE, **where) == 5
    params.set("test.size", 6, "t", Scope(symbol="BTC/USDT", strategy="ma"))
    assert params.get(SIZE, **where) == 6
    params.set("test.size", 7, "t", Scope(symbol="BTC/USDT", regime="BULL"))
    assert params.get(SIZE, **where) == 7
    assert params.get(SIZE, symbol="ETH/USDT") == 10.0


def test_a_change_is_counted_and_seen_through_the_cache() -> None:
    params = Parameters()
    before = params.version
    assert params.get(COUNT) == 3
    params.set("test.count", 5, "t")
    assert params.get(COUNT) == 5
    assert params.version > before


@pytest.mark.parametrize("bad", ["nan", "21", "0.5", "much", None, True])
def test_values_outside_their_kind_or_bounds_are_refused_and_change_nothing(bad: object) -> None:
    params = Parameters()
    with pytest.raises(ParameterError):
        params.set("test.size", bad, "t")
    assert params.get(SIZE) == 10.0


def test_kinds_are_read_from_text() -> None:
    params = Parameters()
    assert params.set("test.flag", "yes", "t") is True
    assert params.set("test.mode", "atr", "t") == "atr"
    assert params.set("test.list", "9, 21", "t") == (9, 21)
    assert params.set("test.count", "4", "t") == 4
    for name, bad in (("test.flag", "maybe"), ("test.mode", "most"), ("test.count", "4.5"),
                      ("test.list", "9,400")):  # fmt: skip
        with pytest.raises(ParameterError):
            params.set(name, bad, "t")


def test_a_scope_that_is_not_open_is_refused() -> None:
    with pytest.raises(ParameterError, match="can't be set for"):
        Parameters().set("test.count", 4, "t", Scope(symbol="BTC/USDT"))


def test_an_unknown_name_offers_the_nearest() -> None:
    with pytest.raises(ParameterError, match=r"test\.size"):
        find("test.siez")


def test_the_same_name_with_other_bounds_is_a_bug() -> None:
    with pytest.raises(ValueError, match="declared twice"):
        declare("test.size", 11.0, low=1.0, high=20.0, scopes="G")
    assert declared()["test.size"].default == 10.0


def test_origin_tells_who_set_a_value() -> None:
    params = Parameters()
    params.set("test.size", 11, "profile aggressive")
    params.set("test.size", 12, "person", Scope(symbol="BTC/USDT"))
    assert params.setting("test.size").origin == "profile aggressive"
    assert params.setting("test.size", symbol="BTC/USDT").origin == "person"
    assert [str(scope) for _, scope, _ in params.items()] == ["BTC/USDT", "global"]


def test_a_strong_grade_has_its_familys_value_until_it_has_its_own() -> None:
    params = Parameters()
    params.set("test.size", 3, "t", Scope(regime="BULL"))
    assert params.get(SIZE, regime="STRONG_BULL") == 3
    params.set("test.size", 4, "t", Scope(regime="STRONG_BULL"))
    assert params.get(SIZE, regime="STRONG_BULL") == 4
    assert params.get(SIZE, regime="BULL") == 3
