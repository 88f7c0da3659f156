"""Changes, comparisons and opportunities as records of a small invented ledger.

Figures are computed by the ledger's own confidence sequence from the comparisons that stand
beside them, so that whoever recomputes them must find the same.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import msgspec

from engine.core.clock import DAY, HOUR, MINUTE, parse_iso
from engine.core.ids import source
from engine.core.learning import (
    Change,
    ChangeKind,
    ChangeState,
    Compared,
    Evidence,
    Lean,
    Opportunity,
    Outcome,
    Path,
    Target,
    TargetKind,
    Trials,
)
from engine.core.records import (
    AnyRecord,
    ChangeMoved,
    ComparedOn,
    Frozen,
    OpportunityBegan,
    OpportunityEnded,
    ParameterSet,
    TrialsRun,
)
from engine.core.types import Actor, Direction
from engine.learning.confidence import ALPHA, sequence_of
from engine.learning.ledger import KEEPING
from engine.learning.paths import Row, bars_of, packed

START_NS = parse_iso("2025-05-04T12:00:00")
TRAIL = Target(
    kind=TargetKind.PARAMETER, name="exit.trail_distance_pct", strategy="technical_composite"
)


def make_opportunity(number: int, symbol: str = "BTC/USDT", **changes: Any) -> Opportunity:
    """A long that was wanted at 100 with its stop at 98."""
    made = Opportunity(
        id=f"W-{number}", symbol=symbol, direction=Direction.LONG,
        opened_ns=START_NS + number * HOUR, price=100.0, stop=98.0, targets=(103.0, 105.0),
        atr=1.2, fee=0.001, spread=0.0002, strategy="technical_composite", regime="BULL",
        confidence=0.62, kind="traded",
    )  # fmt: skip
    return msgspec.structs.replace(made, **changes)


def make_outcome(gross: float, **changes: Any) -> Outcome:
    """A closed result in percent, with 0.2 % of fees."""
    made = Outcome(
        gross=gross, net=gross - 0.2, r=gross / 2.0, net_r=(gross - 0.2) / 2.0,
        reason="take_profit" if gross > 0 else "stop_loss", bars=7, closed=True,
    )  # fmt: skip
    return msgspec.structs.replace(made, **changes)


def make_path(opened_ns: int, count: int = 8) -> Path:
    """Bars that rise by a tenth each."""
    rows: list[Row] = []
    for bar in range(count):
        price = 100.0 + bar / 10
        at = opened_ns + bar * 15 * MINUTE
        rows.append((at, price, price + 0.2, price - 0.2, price + 0.1, math.nan, 0.0, 1.0))
    return packed(bars_of(rows, 15 * MINUTE), opened_ns, 0.1)


def comparisons(change: str, n: int, effect: float = 0.2, seed: int = 1) -> list[Compared]:
    """What old and new rules made of `n` opportunities, the new ones better by `effect`."""
    rng = source(seed, change)
    made = []
    for number in range(1, n + 1):
        old, better = round(rng.gauss(0.1, 1.0), 4), round(rng.gauss(effect, 0.8), 4)
        made.append(
            Compared(
                change=change, opportunity=f"W-{number}", old_gross=old, new_gross=old + better,
                old_net=old - 0.2, new_net=old + better - 0.2,
            )
        )  # fmt: skip
    return made


def shadow_of(compared: Sequence[Compared], alpha: float = ALPHA) -> tuple[Evidence, Evidence]:
    """Both figures of a change from its comparisons: before and after fees."""
    error = alpha, KEEPING
    gross = sequence_of((one.new_gross - one.old_gross for one in compared), *error)
    net = sequence_of((one.new_net - one.old_net for one in compared), *error)
    return (
        gross.evidence("new less old, before fees", "R"),
        net.evidence("new less old, after fees", "R"),
    )


def make_change(number: int = 1, **changes: Any) -> Change:
    """A trial of a wider trailing distance that a search suggested."""
    made = Change(
        id=f"L-{number}",
        target=TRAIL,
        before="null",
        after="1.25",
        kind=ChangeKind.TRIAL,
        lean=Lean.NEUTRAL,
        state=ChangeState.APPLIED,
        who="exits",
        reason="the best of nine values over the last 40 opportunities",
        evidence=Evidence(
            metric="difference in R", unit="R", n=40, mean=0.11, low=-0.31, high=0.53,
            alpha=0.05, bound=True, ids=("W-1", "W-2", "W-3"),
        ),
        made_ns=START_NS,
        applied_ns=START_NS,
        ends_ns=START_NS + 14 * DAY,
    )  # fmt: skip
    return msgspec.structs.replace(made, **changes)


def ledger(n: int = 12) -> list[AnyRecord]:
    """One change after `n` comparisons, one that asks, one refused coin, and their trials."""
    records: list[AnyRecord] = []
    for number in range(1, n + 1):
        wanted = make_opportunity(number)
        records.append(OpportunityBegan(time_ns=wanted.opened_ns, opportunity=wanted))
    change = make_change()
    records += [
        TrialsRun(time_ns=START_NS, trials=Trials(
            id="S-1", who="exits", target=TRAIL, values=("0.75", "1.0", "1.25"),
            scores=(0.02, 0.05, 0.11), n=3, chosen="1.25",
        )),
        ChangeMoved(time_ns=START_NS, change=change, why="suggested"),
        ParameterSet(time_ns=START_NS, name=TRAIL.name,
                     scope=(None, None, "technical_composite"), before="null", after="1.25",
                     who="L-1"),
    ]  # fmt: skip
    seen = comparisons(change.id, n)
    for number, one in enumerate(seen, 1):
        wanted = make_opportunity(number)
        at = wanted.opened_ns + DAY
        ended = OpportunityEnded(
            time_ns=at, opportunity=wanted, path=make_path(wanted.opened_ns),
            outcome=make_outcome(one.new_gross),
        )  # fmt: skip
        records += [ended, ComparedOn(time_ns=at, compared=one)]
    shadow, net = shadow_of(seen)
    lapsed = msgspec.structs.replace(
        change, state=ChangeState.LAPSED, shadow=shadow, net=net, ended_ns=START_NS + 14 * DAY
    )
    records += [
        ChangeMoved(time_ns=START_NS + 14 * DAY, change=lapsed, why="undecided"),
        ChangeMoved(time_ns=START_NS + DAY, change=make_change(
            2, lean=Lean.LOOSENS, state=ChangeState.ASKED, applied_ns=0, before="2.0",
            after="1.75", target=Target(kind=TargetKind.PARAMETER, name="entry.min_score"),
            who="gate",
        )),
        ChangeMoved(time_ns=START_NS + DAY, who=Actor.ENGINE, change=make_change(
            3, kind=ChangeKind.PRECAUTION, lean=Lean.TIGHTENS, before='"normal"',
            after='"reduced"', target=Target(kind=TargetKind.COIN, name="SOL/USDT"),
            who="coins", state=ChangeState.EXPIRED, ended_ns=START_NS + 2 * DAY,
        )),
        Frozen(time_ns=START_NS + DAY, target="coin ETH/USDT", frozen=True, who=Actor.PERSON),
    ]  # fmt: skip
    return records
