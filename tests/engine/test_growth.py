"""Scale-ins: a position that moves its way grows by its plan, through every gate."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from msgspec.structs import replace

from engine.core.commands import Amend, ClosePosition, Pause, Reject
from engine.core.records import Denied, HeldThrough
from engine.core.types import Position, Proposal, ProposalState, Purpose
from engine.execution.terms import digest_of
from tests.engine.scripted import Script

LEVELS = {"scale_in.level_1_pct": 0.5, "exit.partial_exits": "false"}
"""A first scale-in half a percent up, and no rungs in its way."""


def grown(script: Script, by_pct: float) -> Position:
    """Open a position and let the market move its way."""
    position = script.opened()
    for _ in range(3):
        script.price(float(position.entry_price) * (1 + by_pct / 100))
    return script.position


def test_a_plan_that_scales_in_grows_the_position_through_the_gates(tmp_path: Path) -> None:
    with Script(tmp_path, approval="auto", profile="ml", settings=LEVELS) as script:
        script.want()
        script.price(script.desk.symbols["BTC/USDT"].last)
        before = script.position
        for _ in range(3):
            script.price(float(before.entry_price) * 1.008)
        after = script.position
        assert after.quantity > before.quantity
        added = [order for order in script.orders() if order.purpose is Purpose.SCALE_IN]
        assert sum(order.filled for order in added) == after.quantity - before.quantity
        assert script.desk.watches[after.id].lots == int(
            after.quantity / script.desk.symbols[after.symbol].instrument.lot_step
        )


def asked(script: Script) -> Proposal:
    """The scale-in that waits for a person."""
    before = grown(script, 0.8)
    assert before.quantity == before.initial_quantity
    [proposal] = script.desk.proposals.waiting()
    assert proposal.grows == before.id
    assert proposal.quantity > 0
    assert (proposal.stop, proposal.leverage) == (before.stop, before.leverage)
    assert proposal.reasoning.startswith("scale-in 1: adds to")
    return proposal


def test_in_review_a_scale_in_waits_for_a_person_and_is_sent_as_it_was_shown(
    tmp_path: Path,
) -> None:
    with Script(tmp_path, profile="ml", settings=LEVELS) as script:
        proposal = asked(script)
        before = script.position
        wrong = script.approve(proposal, digest="0" * 64)
        assert (wrong.ok, wrong.code) == (False, "digest_mismatch")
        assert script.approve(proposal).ok
        script.price(script.desk.symbols[before.symbol].last)
        after = script.position
        assert (after.id, after.quantity) == (before.id, before.quantity + proposal.quantity)
        [added] = [order for order in script.orders() if order.purpose is Purpose.SCALE_IN]
        assert (added.proposal, added.filled) == (proposal.id, proposal.quantity)
        ended = script.desk.proposals.get(proposal.id)
        assert ended is not None
        assert ended.state is ProposalState.FILLED
        assert script.desk.watches[after.id].lots == int(
            after.quantity / script.desk.symbols[after.symbol].instrument.lot_step
        )


def test_a_scale_in_is_quoted_again_and_asked_again(tmp_path: Path) -> None:
    with Script(tmp_path, profile="ml", settings=LEVELS) as script:
        proposal = asked(script)
        script.price(float(proposal.price) * 1.004)
        ack = script.approve(proposal)
        assert (ack.ok, ack.code) == (False, "changed")
        [again] = script.desk.proposals.waiting()
        assert (again.version, again.quantity) == (2, proposal.quantity)
        assert again.digest != proposal.digest
        assert script.approve(again).ok


def test_a_gate_that_shuts_meanwhile_refuses_the_approval(tmp_path: Path) -> None:
    with Script(tmp_path, profile="ml", settings=LEVELS) as script:
        proposal = asked(script)
        script.send(Pause(id="p"))
        ack = script.approve(proposal)
        assert (ack.ok, ack.code) == (False, "control_state")
        assert script.position.quantity == script.position.initial_quantity


def test_what_it_adds_to_is_a_term_that_the_digest_binds(tmp_path: Path) -> None:
    with Script(tmp_path, profile="ml", settings=LEVELS) as script:
        proposal = asked(script)
        assert digest_of(proposal) == proposal.digest
        assert digest_of(replace(proposal, grows="POS-9")) != proposal.digest
        assert digest_of(replace(proposal, grows="")) != proposal.digest


def test_a_scale_in_ends_with_its_position(tmp_path: Path) -> None:
    with Script(tmp_path, profile="ml", settings=LEVELS) as script:
        proposal = asked(script)
        script.send(ClosePosition(id="c", position=proposal.grows, fraction=1.0))
        script.price(float(proposal.price))
        assert not script.desk.book.open()
        ack = script.approve(proposal)
        assert (ack.ok, ack.code) in ((False, "unknown_position"), (False, "already_ended"))
        script.cycle()
        ended = script.desk.proposals.get(proposal.id)
        assert ended is not None
        assert ended.state is ProposalState.REFUSED
        assert script.desk.proposals.waiting() == ()
        assert not script.desk.book.open()


def test_its_size_may_be_amended_and_what_the_position_decides_may_not(tmp_path: Path) -> None:
    with Script(tmp_path, profile="ml", settings=LEVELS) as script:
        proposal = asked(script)
        name, digest = proposal.id, proposal.digest
        ack = script.send(Amend(id="1", proposal=name, digest=digest, stop=proposal.stop))
        assert (ack.ok, ack.code) == (False, "not_possible")
        half = (proposal.quantity / 2).quantize(Decimal("0.00001"))
        assert script.send(Amend(id="2", proposal=name, digest=digest, quantity=half)).ok
        [smaller] = script.desk.proposals.waiting()
        assert (smaller.quantity, smaller.grows) == (half, proposal.grows)
        before = script.position.quantity
        assert script.approve(smaller).ok
        script.price(float(smaller.price))
        assert script.position.quantity == before + half


def test_a_person_s_no_keeps_the_size_and_is_followed(tmp_path: Path) -> None:
    with Script(tmp_path, profile="ml", settings=LEVELS) as script:
        proposal = asked(script)
        assert script.send(Reject(id="r", proposal=proposal.id)).ok
        assert script.position.quantity == script.position.initial_quantity
        [one] = script.snapshot.counterfactuals
        assert (one.id, one.kind, one.stop) == (proposal.id, "rejected", float(proposal.stop))


@pytest.mark.parametrize("approved", [False, True])
def test_a_scale_in_survives_a_restart(tmp_path: Path, approved: bool) -> None:
    with Script(tmp_path, profile="ml", settings=LEVELS) as script:
        proposal = asked(script)
        before = script.position
        if approved:
            script.approve(proposal)
        script.crash()
    with script.again(tmp_path, warm=False) as again:
        if not approved:
            assert again.desk.proposals.waiting() == (proposal,)
            for _ in range(3):
                again.price(float(proposal.price))
            assert again.approve(proposal).ok
        for _ in range(3):
            again.price(float(proposal.price))
        assert again.position.quantity == before.quantity + proposal.quantity
        ended = again.desk.proposals.get(proposal.id)
        assert ended is not None
        assert ended.state is ProposalState.FILLED


def test_in_review_above_a_small_one_goes_by_itself(tmp_path: Path) -> None:
    settings = {**LEVELS, "approval.review_above_size_pct": 50.0}
    with Script(tmp_path, approval="review-above", profile="ml", settings=settings) as script:
        script.want()
        script.price(script.desk.symbols["BTC/USDT"].last)
        before = script.position
        for _ in range(3):
            script.price(float(before.entry_price) * 1.008)
        assert script.position.quantity > before.quantity
        assert script.desk.proposals.waiting() == ()


def test_a_gate_that_is_shut_refuses_the_addition(tmp_path: Path) -> None:
    settings = {**LEVELS, "size.profile_max_pos_pct": 2.0}
    with Script(tmp_path, approval="auto", profile="ml", settings=settings) as script:
        script.want()
        script.price(script.desk.symbols["BTC/USDT"].last)
        before = script.position
        for _ in range(3):
            script.price(float(before.entry_price) * 1.008)
        assert script.position.quantity == before.quantity
        assert {denial.code for denial in script.records(Denied)} == {"position_cap"}
        followed = script.snapshot.counterfactuals
        assert {one.id for one in followed} == {d.id for d in script.records(Denied)}
        assert {one.stop for one in followed} == {float(before.stop)}


def test_the_bars_of_a_trade_are_kept(tmp_path: Path) -> None:
    with Script(tmp_path) as script:
        position = script.opened()
        script.close_bar()
        script.close_bar()
        kept = script.records(HeldThrough)
        assert [bar.position for bar in kept] == [position.id] * len(kept)
        assert len(kept) >= 2
