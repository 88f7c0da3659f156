"""What refusals and approvals were worth: signs, crowds, and no figure before there is one."""

from __future__ import annotations

import math
from decimal import Decimal

import msgspec
import pytest

from engine.core.clock import DAY, HOUR
from engine.core.ids import source
from engine.core.learning import Score
from engine.core.records import (
    AnyRecord,
    Filled,
    Followed,
    OpportunityEnded,
    PositionChanged,
    ProposalChanged,
    TradeClosed,
)
from engine.core.types import Actor, Direction, Fill, Liquidity, Origin, ProposalState, Side
from engine.core.views import Counterfactual
from engine.learning.confidence import sequence_of
from engine.learning.scoreboard import KINDS, LEAST, Scoreboard, fold
from tests.learning_help import START_NS, make_opportunity, make_outcome, make_path
from tests.ui.fakehub import make_position, make_proposal, make_trade

replace = msgspec.structs.replace


def refused(
    number: int, pct: float, at: int, kind: str = "denied", code: str = "spread"
) -> Followed:
    one = Counterfactual(
        id=f"X-{number}", symbol="BTC/USDT", kind=kind, code=code, time_ns=at, price=100.0,
        direction="LONG", pnl_pct=pct, ended="stop_loss",
    )  # fmt: skip
    return Followed(time_ns=at + HOUR, counterfactual=one)


def days(values: list[float], **how: str) -> list[AnyRecord]:
    """One refusal a day with these results."""
    return [refused(n, value, START_NS + n * DAY, **how) for n, value in enumerate(values)]


def row(board: Scoreboard, who: str, what: str) -> Score:
    return next(score for score in board.rows() if (score.who, score.what) == (who, what))


def answered(
    number: int, pct: float, who: Actor, origin: Origin = Origin.ENGINE
) -> list[AnyRecord]:
    proposal = make_proposal(number, state=ProposalState.APPROVED, origin=origin)
    trade = make_trade(number, proposal=proposal.id, pnl_pct=pct)
    return [
        ProposalChanged(time_ns=START_NS, proposal=proposal, who=who),
        ProposalChanged(time_ns=START_NS, who=Actor.ENGINE,
                        proposal=replace(proposal, state=ProposalState.FILLED)),
        TradeClosed(time_ns=START_NS + HOUR, trade=trade, position=f"T-{number}"),
    ]  # fmt: skip


def test_a_gate_was_worth_the_losses_that_it_spared() -> None:
    values = [-0.4 + 0.01 * n for n in range(40)]
    evidence = row(fold(days(values)), "gate", "spread").evidence
    again = sequence_of(-value for value in values)
    assert (evidence.n, evidence.mean, evidence.low) == (40, again.mean, again.low)
    assert evidence.mean > 0
    assert evidence.bound


def test_under_thirty_there_is_no_figure_at_all() -> None:
    few = row(fold(days([-0.5] * (LEAST - 1))), "gate", "spread").evidence
    assert few.n == LEAST - 1
    assert math.isnan(few.mean)
    assert not few.bound
    assert "not enough: 29 of 30" in few.note
    assert math.isfinite(row(fold(days([-0.5] * LEAST)), "gate", "spread").evidence.mean)


def test_refusals_on_the_same_prices_count_as_one() -> None:
    crowd = [refused(n, -1.0, START_NS + n * HOUR) for n in range(10)]
    spread = [refused(100 + n, 0.5, START_NS + (n + 2) * DAY) for n in range(LEAST)]
    evidence = row(fold([*crowd, *spread]), "gate", "spread").evidence
    assert evidence.n == LEAST + 1
    assert "40 outcomes" in evidence.note
    assert evidence.mean == pytest.approx((1.0 - 0.5 * LEAST) / (LEAST + 1))


def advised() -> Followed:
    """An entry that the advisor held back."""
    one = refused(9, 1.0, START_NS, kind="vetoed", code="D-7")
    return replace(one, counterfactual=replace(one.counterfactual, who="advisor"))


def test_people_gates_and_advisers_have_rows_of_their_own() -> None:
    unseen = refused(8, 1.0, START_NS)
    blind = replace(unseen, counterfactual=replace(unseen.counterfactual, unseen_ns=HOUR))
    records = [
        *days([1.0], kind="rejected", code="not today"),
        *days([1.0], kind="expired", code=""),
        *days([1.0], kind="denied", code="coin_blacklisted"),
        advised(),
        blind,
        *answered(1, 1.5, Actor.PERSON),
        *answered(2, 1.5, Actor.COMMAND_LINE),
        *answered(3, 1.5, Actor.ENGINE),
        *answered(4, 1.5, Actor.PERSON, Origin.PERSON),
    ]
    found = {(score.who, score.what): score.evidence.n for score in fold(records).rows()}
    assert found == {
        ("person", "rejected"): 1, ("person", "expired"): 1, ("coin", "coin_blacklisted"): 1,
        ("advisor", "overridden to HOLD"): 1, ("person", "approved"): 2,
        ("engine", "approved by itself"): 1, ("person", "overridden"): 1,
    }  # fmt: skip


def test_an_approval_is_worth_what_its_trade_made() -> None:
    records = [r for n in range(LEAST) for r in answered(n, 1.5 if n % 2 else -0.5, Actor.PERSON)]
    assert row(fold(records), "person", "approved").evidence.mean == pytest.approx(0.5)


def test_a_position_taken_over_is_measured_against_the_machine() -> None:
    records: list[AnyRecord] = []
    for n in range(LEAST):
        view = make_position(n)
        position = replace(view.position, taken_over=True)
        fill = Fill(
            id=f"F-{n}", order=f"O-{n}", symbol=position.symbol, side=Side.SELL,
            quantity=Decimal(2), price=Decimal(103), fee=Decimal("0.206"), fee_asset="USDT",
            liquidity=Liquidity.TAKER, time_ns=START_NS + 2, position=position.id,
        )  # fmt: skip
        machine = Counterfactual(
            id=f"X-{n}", symbol=position.symbol, kind="overridden",
            code=f"{position.id} taken over", time_ns=START_NS, price=100.0, direction="LONG",
            pnl_pct=0.8, ended="take_profit",
        )  # fmt: skip
        parts: list[AnyRecord] = [
            PositionChanged(time_ns=START_NS, position=position, watch="{}", why="taken over"),
            Filled(time_ns=START_NS + 2, fill=fill),
            TradeClosed(time_ns=START_NS + 3, position=position.id,
                        trade=make_trade(n, direction=Direction.LONG)),
        ]  # fmt: skip
        ended = Followed(time_ns=START_NS + 1, counterfactual=machine)
        records += [parts[0], ended, *parts[1:]] if n % 2 else [*parts, ended]
    evidence = row(fold(records), "person", "taken over").evidence
    assert evidence.n == LEAST
    assert evidence.mean == pytest.approx(3.0 - 0.2 - 0.8)


def test_what_knowledge_made_of_a_size_is_worth_its_part_of_the_result() -> None:
    records: list[AnyRecord] = []
    for n in range(LEAST):
        wanted = make_opportunity(n, size_factor=0.5)
        ended = OpportunityEnded(
            time_ns=START_NS, opportunity=wanted, path=make_path(wanted.opened_ns),
            outcome=make_outcome(-1.8),
        )  # fmt: skip
        records += [ended, replace(ended, opportunity=make_opportunity(100 + n))]
    assert row(fold(records), "knowledge", "size reduced").evidence.mean == pytest.approx(1.0)


def test_rows_that_did_not_change_stay_the_same_objects() -> None:
    board = fold([*days([0.1] * 3), *answered(1, 1.0, Actor.PERSON)])
    before = {(one.who, one.what): one for one in board.rows()}
    assert board.rows() is board.rows()
    board.add(refused(50, 0.3, START_NS + 90 * DAY))
    after = {(one.who, one.what): one for one in board.rows()}
    assert after["person", "approved"] is before["person", "approved"]
    assert after["gate", "spread"] is not before["gate", "spread"]


def test_only_the_named_kinds_of_records_are_read() -> None:
    rng = source(5, "board")
    records = [
        *days([rng.gauss(0, 1) for _ in range(50)]),
        *(r for n in range(40) for r in answered(n, rng.gauss(0, 1), Actor.PERSON)),
    ]
    kinds = {str(record.__struct_config__.tag) for record in records}
    assert kinds <= set(KINDS)
    board = fold(records, names=True)
    assert len(row(board, "gate", "spread").evidence.ids) == 50
    assert row(fold(records), "gate", "spread").evidence.ids == ()
