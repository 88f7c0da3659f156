"""The machine's clock under an engine: set forward, set back, put to sleep."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core import clock
from engine.core.clock import HOUR, SECOND, LiveClock


class Machine:
    """The two clocks of a machine, moved by hand."""

    def __init__(self) -> None:
        self.wall, self.mono = 1_000 * HOUR, 5 * HOUR

    def time_ns(self) -> int:
        return self.wall

    def monotonic_ns(self) -> int:
        return self.mono

    def live(self, seconds: float) -> None:
        self.wall += int(seconds * SECOND)
        self.mono += int(seconds * SECOND)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine()
    fake = SimpleNamespace(time_ns=made.time_ns, monotonic_ns=made.monotonic_ns)
    monkeypatch.setattr(clock, "time", fake)
    return made


def test_engine_time_is_the_walls(machine: Machine) -> None:
    live = LiveClock()
    machine.live(90)
    assert live.now_ns() == machine.wall
    assert live.jumped_ns == 0


def test_a_sleep_is_passed_on_at_once_and_told(machine: Machine) -> None:
    live = LiveClock()
    machine.wall += 3 * HOUR
    assert live.now_ns() == machine.wall
    assert live.jumped_ns == 3 * HOUR


def test_after_a_step_back_time_goes_on_a_little_slower_until_the_wall_is_there(
    machine: Machine,
) -> None:
    live = LiveClock()
    before = live.now_ns()
    machine.wall -= HOUR
    assert live.now_ns() == before
    for _ in range(60):
        machine.live(1)
        live.now_ns()
    assert live.now_ns() - before == 54 * SECOND
    assert live.jumped_ns == -HOUR
    machine.live(9 * 3_600)
    assert live.now_ns() > machine.wall
    machine.live(3_600)
    assert live.now_ns() == machine.wall


@given(
    st.lists(
        st.tuples(st.integers(0, 5_000), st.sampled_from((0, 0, 0, -3_600, -5, 2, 7_200))),
        max_size=40,
    )
)
def test_it_never_steps_back_and_never_stands_still(steps: list[tuple[int, int]]) -> None:
    machine = Machine()
    with pytest.MonkeyPatch.context() as patch:
        fake = SimpleNamespace(time_ns=machine.time_ns, monotonic_ns=machine.monotonic_ns)
        patch.setattr(clock, "time", fake)
        live = LiveClock()
        last = live.now_ns()
        for seconds, step in steps:
            machine.live(seconds)
            machine.wall += step * SECOND
            now = live.now_ns()
            assert now - last >= seconds * SECOND * 9 // 10
            last = now
