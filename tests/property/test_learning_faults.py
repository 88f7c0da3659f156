"""F38 to F40 at small counts; `make soak` goes on with the same drives."""

from __future__ import annotations

from tests.faults import learning


def test_a_market_without_an_edge_teaches_no_verdict() -> None:
    lesson = learning.Market(7, 14).play()
    assert lesson.opportunities > 150
    assert lesson.trials > 0
    assert lesson.changes
    assert lesson.false == []


def test_the_same_market_teaches_the_same() -> None:
    first, again = learning.Market(8, 8).play(), learning.Market(8, 8).play()
    assert first.changes == again.changes
    assert first.opportunities == again.opportunities


def test_a_planted_edge_is_found_in_time_and_let_go_when_it_is_gone() -> None:
    report = learning.planted(40, seed=2)
    soon = [at for at in report.found if at <= 500]
    assert len(soon) / report.tried >= 0.85
    assert len(report.released) >= len(report.found) - 1


def test_a_change_without_worth_is_seldom_called_something() -> None:
    report = learning.planted(40, seed=3, effect=0.0, patience=300)
    assert len(report.found) + len([w for w in report.wrong if "rolled back" in w]) <= 3


def test_poison_comes_back_exactly_and_within_the_budget() -> None:
    assert learning.poisoned(150, seed=1) == []


def test_the_bound_on_a_share_is_the_exact_one() -> None:
    assert abs(learning.upper_bound(0, 200) - (1 - 0.05 ** (1 / 200))) < 1e-9
    assert learning.upper_bound(4, 200) > 0.02
