"""What an opportunity would have come to by these rules: the position step over its prices.

Old and new are compared by the very step that trades, on the same prices, so that what is
measured is the rule and nothing else.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from engine.core.errors import QuarterdeckError
from engine.core.learning import Opportunity, Outcome
from engine.core.parameters import Parameters
from engine.learning.paths import Bars
from engine.position import step
from engine.position.events import REASONS
from engine.position.plan import Entry, ExitPlan, plan_exits
from engine.position.settings import exit_profile

LOTS = 1_000
"""An opportunity has no size of its own; a thousand parts are enough for every ladder."""


def entry_of(opportunity: Opportunity, profile: str) -> Entry:
    """What the exit plan of an opportunity is made from."""
    stop = opportunity.stop
    return Entry(
        symbol=opportunity.symbol,
        direction=opportunity.direction,
        price=opportunity.price,
        lots=LOTS,
        lot_size=1.0,
        opened_ns=opportunity.opened_ns,
        atr=opportunity.atr,
        fee=opportunity.fee,
        spread=opportunity.spread,
        strategy=opportunity.strategy,
        regime=opportunity.regime or None,
        profile=exit_profile(profile),
        stop=stop if math.isfinite(stop) else None,
        targets=opportunity.targets,
        score=opportunity.confidence,
    )


class Simulator:
    """Runs opportunities through the position step. Holds the arrays that the step works in.

    `profile` is the parameter profile whose exit rules hold. Owned by the kernel thread.
    """

    def __init__(self, profile: str) -> None:
        self._profile = profile
        self._out = np.zeros(step.OUT_SIZE)
        self._book = np.zeros(step.BOOK_SIZE)
        self._account = np.zeros(step.ACCOUNT_SIZE)
        self._account[step.ACCOUNT_LOT] = 1.0

    def plan(self, opportunity: Opportunity, params: Parameters) -> ExitPlan | None:
        """How it would be left by these parameters; None where they can't protect it."""
        try:
            return plan_exits(params, entry_of(opportunity, self._profile))
        except QuarterdeckError:
            return None

    def run(self, opportunity: Opportunity, bars: Bars, params: Parameters) -> Outcome | None:
        """The outcome by these parameters; None where they can't protect the entry."""
        plan = self.plan(opportunity, params)
        return self.walk(opportunity, bars, plan) if plan is not None else None

    def along(self, opportunity: Opportunity, params: Parameters) -> Callable[[Bars], bool] | None:
        """Takes the rules of now along bars as they come, and says when they have ended.

        None where they can't protect the entry.
        """
        plan = self.plan(opportunity, params)
        if plan is None:
            return None

        def goes(bars: Bars) -> bool:
            step.walk(
                plan.state, plan.marks, plan.rules, self._out, self._book, self._account,
                bars.prices, bars.times, bars.span_ns,
            )  # fmt: skip
            return int(plan.marks[step.LOTS]) == 0

        return goes

    def walk(self, opportunity: Opportunity, bars: Bars, plan: ExitPlan) -> Outcome:
        """The outcome by a plan, which is used up.

        Gross is before fees and spread; net pays the fee of both sides and half the spread at
        the exit, the entry's half being in its price.
        """
        state, marks = plan.state, plan.marks
        book = self._book
        book[:] = 0.0
        self._account[step.ACCOUNT_FEE] = opportunity.fee
        code, walked = step.walk(
            state, marks, plan.rules, self._out, book, self._account, bars.prices, bars.times,
            bars.span_ns,
        )  # fmt: skip
        sign, price = opportunity.direction.sign, opportunity.price
        bought = float(marks[step.LOTS_BOUGHT])
        gain, fees = float(book[step.BOOK_PNL]), float(book[step.BOOK_FEES])
        left = int(marks[step.LOTS])
        if left and len(bars):
            last = float(bars.prices[-1, 3])
            average = float(state[step.ENTRY])
            gain += sign * (last - average) * left
            fees += opportunity.fee * last * left
        worth = price * bought
        gross = 100.0 * gain / worth
        paid = 100.0 * (fees / worth + opportunity.fee + opportunity.spread / 2.0)
        risk_pct = 100.0 * float(state[step.RISK]) / price
        return Outcome(
            gross=gross,
            net=gross - paid,
            r=gross / risk_pct,
            net_r=(gross - paid) / risk_pct,
            reason=str(REASONS.get(code, "")) if not left else "open",
            bars=walked,
            closed=not left,
        )
