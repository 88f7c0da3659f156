"""Small shares of F12 and F15: what the soak plays for minutes, with the same code."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.blocked import blocked
from tests.faults.drops import drops, hang_ups

pytestmark = pytest.mark.tty


def test_screens_that_are_lost_change_nothing_of_what_the_engine_lived_through(
    tmp_path: Path,
) -> None:
    done = drops(tmp_path, seed=1, count=1)
    assert (done.wrong, done.drops) == ([], 1)


def test_an_engine_that_is_hung_up_on_has_flushed_its_journal(tmp_path: Path) -> None:
    done = hang_ups(tmp_path, seed=1, count=1)
    # How long it took is the soak's to judge: a test asserts no time.
    assert [one for one in done.wrong if "gone after" not in one] == []


def test_an_engine_goes_on_behind_a_terminal_that_does_not_read() -> None:
    found = blocked(0.7, before_s=0.5)
    assert found.during["asked"] > 0
    assert found.during["events"] > found.before["events"]
