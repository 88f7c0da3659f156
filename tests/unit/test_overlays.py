"""Overlays: any indicator by name, from a process of its own that may die."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import ta
from numpy.typing import NDArray

from engine.analysis.overlay_child import MODULES, catalogue
from engine.analysis.overlays import OverlayWorker
from engine.core.errors import ConfigError, DataError
from tests.indicator_reference import random_market

WAIT_S = 60.0


@pytest.fixture(scope="module")
def worker() -> Iterator[OverlayWorker]:
    overlays = OverlayWorker()
    yield overlays
    assert overlays.close(10.0)


@pytest.fixture(scope="module")
def bars() -> NDArray[np.float64]:
    prices, opened = random_market(1, 300, 60_000_000_000)
    return np.column_stack((opened, prices))


def test_a_named_overlay_equals_the_library(
    worker: OverlayWorker, bars: NDArray[np.float64]
) -> None:
    lines = worker.request("ema_indicator", {"window": 21}, bars).result(WAIT_S)
    expected = ta.trend.ema_indicator(pd.Series(bars[:, 4]), 21)
    np.testing.assert_allclose(lines["ema_indicator"], expected, rtol=1e-12)
    money = worker.request("ta.volume.money_flow_index", None, bars).result(WAIT_S)
    columns = [pd.Series(column) for column in bars[:, 2:].T]
    expected = ta.volume.money_flow_index(*columns)
    np.testing.assert_allclose(money["money_flow_index"], expected, rtol=1e-12)


def test_every_indicator_of_the_library_can_be_asked_for(
    worker: OverlayWorker, bars: NDArray[np.float64]
) -> None:
    names = sorted(name for name in catalogue() if "." in name)
    assert len(names) > 70
    assert {name.partition(".")[0] for name in names} == set(MODULES)
    for name in names:
        (line,) = worker.request(name, {}, bars).result(WAIT_S).values()
        assert len(line) == len(bars), name
        assert not np.isnan(line).all(), name


@pytest.mark.parametrize(
    ("name", "arguments", "message", "hint"),
    [
        ("bolinger_hband", {}, "no indicator 'bolinger_hband'", "did you mean bollinger_hband"),
        ("trend.kts", {}, "no indicator", "trend.kst"),
        ("os.system", {}, "no indicator", ""),
        ("rsi", {"widow": 3}, "no argument 'widow'", "window"),
        ("rsi", {"close": 3}, "no argument 'close'", "window"),
        ("ema_indicator", {"window": -3}, "can't be computed", "window"),
        ("rsi", {"window": "3; import os"}, "is no number", "window=20"),
    ],
)
def test_a_request_that_can_not_be_answered_says_why(
    worker: OverlayWorker,
    bars: NDArray[np.float64],
    name: str,
    arguments: dict[str, object],
    message: str,
    hint: str,
) -> None:
    with pytest.raises(ConfigError) as caught:
        worker.request(name, arguments, bars).result(WAIT_S)
    assert message in caught.value.message
    assert hint in caught.value.hint


def test_bars_of_another_shape_are_refused(worker: OverlayWorker) -> None:
    for wrong in (np.ones((5, 5)), np.ones(6), np.ones((0, 6))):
        with pytest.raises(DataError, match="shape"):
            worker.request("rsi", {}, wrong).result(WAIT_S)


def test_a_lost_child_fails_one_request_and_the_next_gets_another(
    bars: NDArray[np.float64],
) -> None:
    worker = OverlayWorker()
    before = worker.pid
    assert before is None
    worker.request("rsi", {}, bars).result(WAIT_S)
    first = worker.pid
    assert first is not None
    assert os.getpriority(os.PRIO_PROCESS, first) >= 10
    os.kill(first, signal.SIGKILL)

    def answered() -> bool:
        try:
            worker.request("rsi", {"window": 5}, bars).result(WAIT_S)
        except DataError:
            return False
        return True

    # The death is noticed before the next request is sent or by its missing answer.
    assert answered() or answered()
    assert worker.pid not in (None, first)
    assert worker.close(10.0)
    assert worker.pid is None


def test_a_child_that_takes_too_long_is_ended(bars: NDArray[np.float64]) -> None:
    worker = OverlayWorker(answer_s=0.001)
    with pytest.raises(DataError, match="too long"):
        worker.request("rsi", {}, bars).result(WAIT_S)
    assert worker.pid is None
    assert worker.close(10.0)


def test_an_answer_is_kept_and_is_the_askers_own(bars: NDArray[np.float64]) -> None:
    worker = OverlayWorker()
    first = worker.request("kst", {}, bars).result(WAIT_S)
    child = worker.pid
    assert child is not None
    os.kill(child, signal.SIGKILL)
    first["kst"][-1] = -1.0
    again = worker.request("kst", {}, bars).result(WAIT_S)
    assert again["kst"][:-1] == pytest.approx(first["kst"][:-1], nan_ok=True)
    assert again["kst"][-1] != -1.0
    assert worker.pid in (None, child)  # nobody had to be started for it
    assert worker.close(10.0)


def test_closing_ends_the_child_and_what_waits(bars: NDArray[np.float64]) -> None:
    worker = OverlayWorker()
    futures = [worker.request("rsi", {"window": n}, bars) for n in range(2, 40)]
    assert worker.close(10.0)
    assert worker.pid is None
    assert all(future.done() for future in futures)
    assert any(future.cancelled() or future.exception() for future in futures)
    with pytest.raises(DataError, match="no longer"):
        worker.request("rsi", {}, bars).result(WAIT_S)
    assert OverlayWorker().close()


def test_neither_pandas_nor_a_screen_is_loaded_where_the_worker_lives() -> None:
    code = (
        "import sys, engine.analysis.overlays, engine.analysis.regime;"
        "print([m for m in ('pandas', 'ta', 'textual', 'rich', 'numba') if m in sys.modules])"
    )
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root
    )
    assert done.stdout.strip() == "[]"
