"""In a whole engine: one bet in two symbols is sized and refused as one, and shown as one."""

from __future__ import annotations

import math
from pathlib import Path

import msgspec
import pytest

from engine.core.records import Denied
from engine.core.types import Bar, Proposal
from tests.engine import scripted
from tests.engine.scripted import BTC, ETH, Script, past_bars

LIMIT = 8
"""Percent of equity in a cluster: one entry of the script's account and a part of another."""


@pytest.fixture
def alike(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both symbols have the same past: they move together to the last bar."""

    def same(symbol: str, until_ns: int) -> tuple[Bar, ...]:
        bars = past_bars(BTC, until_ns)
        return tuple(msgspec.structs.replace(bar, symbol=symbol) for bar in bars)

    monkeypatch.setattr(scripted, "past_bars", same)


def factors(proposal: Proposal) -> dict[str, float]:
    return {factor.name: factor.value for factor in proposal.factors}


def share(proposal: Proposal, gate: str) -> float:
    return next(one.value for one in proposal.gates if one.code == gate)


@pytest.mark.usefixtures("alike")
def test_what_the_cluster_has_left_is_what_the_second_entry_may_be(tmp_path: Path) -> None:
    settings = {"risk.max_correlated_pct": LIMIT}
    with Script(tmp_path, symbols=(BTC, ETH), settings=settings) as script:
        first = script.proposed(BTC)
        assert "correlation" not in factors(first)
        assert share(first, "correlated_exposure") == 0.0
        assert script.approve(first).ok
        script.price(script.desk.symbols[BTC].last)
        second = script.proposed(ETH)
        used = script.kernel.entries.appraiser.held()[BTC] / float(script.snapshot.account.equity)
        assert factors(second)["correlation"] < 1.0
        left = factors(second)["correlated headroom"]
        assert left == pytest.approx(LIMIT - used * 100, abs=0.05)
        assert 0.0 < float(second.quantity) < float(first.quantity)
        assert share(second, "correlated_exposure") == pytest.approx(LIMIT, abs=0.05)


@pytest.mark.usefixtures("alike")
def test_a_full_cluster_refuses_by_name_with_the_size_that_was_wanted(tmp_path: Path) -> None:
    with Script(tmp_path, symbols=(BTC, ETH), settings={"risk.max_correlated_pct": 2}) as script:
        script.opened(BTC)
        script.want(symbol=ETH)
        [denied] = script.records(Denied)
        assert (denied.code, denied.gate.hard) == ("correlated_exposure", True)
        assert denied.gate.value > 2.0
        assert denied.gate.detail == f"with {BTC}"
        assert float(denied.quantity) > 0.0


@pytest.mark.usefixtures("alike")
def test_an_entry_on_its_way_counts_before_it_is_filled(tmp_path: Path) -> None:
    with Script(tmp_path, symbols=(BTC, ETH), settings={"risk.max_correlated_pct": 2}) as script:
        assert script.approve(script.proposed(BTC)).ok
        assert not script.desk.book.open()
        around = script.desk.risk.around(ETH, 0.0, script.kernel.entries.appraiser.held())
        assert around.correlated is not None
        assert around.correlated > 0.0


def test_symbols_that_go_their_own_ways_have_their_own_caps(tmp_path: Path) -> None:
    with Script(tmp_path, symbols=(BTC, ETH), settings={"risk.max_correlated_pct": 2}) as script:
        script.opened(BTC)
        second = script.proposed(ETH)
        assert share(second, "correlated_exposure") == 0.0
        assert "correlation" not in factors(second)


def test_without_history_the_gate_says_so_and_the_size_names_what_it_lacks(tmp_path: Path) -> None:
    settings = {"risk.corr_min_samples": 960}
    with Script(tmp_path, symbols=(BTC, ETH), settings=settings) as script:
        proposal = script.proposed(BTC)
        [gate] = [one for one in proposal.gates if one.code == "correlated_exposure"]
        assert gate.passed
        assert math.isnan(gate.value)
        assert gate.detail.endswith("of 960 bars")


@pytest.mark.usefixtures("alike")
def test_the_snapshot_shows_the_cluster_and_what_a_bad_day_would_cost(tmp_path: Path) -> None:
    with Script(tmp_path, symbols=(BTC, ETH), settings={"risk.max_correlated_pct": 12}) as script:
        script.opened(BTC)
        risk = script.desk.risk
        view = script.kernel.publisher._risk._make(float(script.snapshot.account.equity))
        assert view.clusters == ((BTC, ETH),)
        assert view.correlation[0][1] == 1.0
        assert view.n == risk.correlation.current.n >= 96
        assert dict(view.held)[BTC] == pytest.approx(view.sectors[0][1])
        assert view.var_from.startswith("parametric")
        assert 0.0 < view.var_pct < view.cvar_pct < dict(view.held)[BTC]
        assert view.backtest.verdict.startswith("insufficient data")
        [limit] = [one for one in script.snapshot.limits if one.code == "var_limit"]
        assert limit.value == pytest.approx(view.var_pct, abs=0.01)
