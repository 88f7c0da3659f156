"""The compiled functions of the step, loaded or compiled before anybody waits for them."""

from __future__ import annotations

from functools import cache

import numpy as np

from engine.core.parameters import Parameters
from engine.core.types import Direction
from engine.position import step
from engine.position.plan import Entry, plan_exits
from engine.position.watch import PositionWatch


@cache
def warm_up() -> None:
    """Call each once, so that the first price of the first position pays for none.

    From the cache on disk it takes a moment, without it some seconds; once a process.
    """
    entry = Entry(
        symbol="", direction=Direction.LONG, price=100.0, lots=10, lot_size=1.0, opened_ns=0,
        atr=1.0, fee=0.0, spread=0.0, strategy=None,
    )  # fmt: skip
    watch = PositionWatch.open(plan_exits(Parameters(), entry))
    watch.on_price(100.0, 1)
    watch.refresh(1.0)
    watch.add(1, 100.0)
    step.walk(
        watch._state, watch._marks, watch._rules, np.zeros(step.OUT_SIZE),
        np.zeros(step.BOOK_SIZE), np.zeros(step.ACCOUNT_SIZE), np.zeros((0, step.BAR_SIZE)),
        np.zeros(0, np.int64), 1,
    )  # fmt: skip
