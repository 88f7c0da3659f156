"""F1, F2 and F7 at small counts, on the real command line; the soak has the large ones."""

from __future__ import annotations

from pathlib import Path

from tests.faults.kill_child import STEPS
from tests.faults.kills import exceptions, random_kills, step_kills


def test_random_kills_lose_and_double_nothing(tmp_path: Path) -> None:
    result = random_kills(tmp_path, seed=1, kills=6)
    assert result.wrong == []
    assert result.kills == 6
    assert result.acknowledged > 20


def test_a_kill_at_each_step_of_an_order_makes_no_second_order(tmp_path: Path) -> None:
    result = step_kills(tmp_path, seed=1, rounds=1)
    assert result.wrong == []
    assert set(result.steps) == {f"{step}, {way}" for step in STEPS for way in ("cold", "warm")}
    assert result.acknowledged > 20


def test_an_exception_anywhere_ends_the_process_and_the_next_start_is_whole(
    tmp_path: Path,
) -> None:
    result = exceptions(tmp_path, seed=1, count=8)
    assert result.wrong == []
    assert result.kills >= 6
