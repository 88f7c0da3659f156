"""From a proposal to an order: what a person's yes, no, change and silence come to."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from engine.core.commands import (
    Amend,
    Approve,
    Override,
    Pause,
    Reject,
    Resume,
    SetApproval,
    SetParameter,
    Veto,
)
from engine.core.records import Commanded, Denied, Filled, Followed, OrderChanged, ProposalChanged
from engine.core.types import (
    Action,
    Book,
    Direction,
    OrderState,
    Origin,
    ProposalState,
    TradeCondition,
)
from engine.execution.terms import digest_of
from tests.engine.scripted import BTC, ETH, PRICE, Script

MINUTE_S = 60.0


def test_a_yes_to_what_was_shown_becomes_one_order_and_one_position(tmp_path: Path) -> None:
    with Script(tmp_path) as script:
        proposal = script.proposed()
        ack = script.approve(proposal)
        assert (ack.ok, ack.code) == (True, "approved")
        script.price(PRICE)
        position = script.position
        [order] = script.orders()
        assert order.state is OrderState.FILLED
        assert order.quantity == position.quantity == proposal.quantity
        assert (position.proposal, position.stop) == (proposal.id, proposal.stop)
        assert script.desk.proposals.get(proposal.id).state is ProposalState.FILLED  # type: ignore[union-attr]


def test_the_intent_and_its_gates_are_committed_before_the_fill(tmp_path: Path) -> None:
    with Script(tmp_path) as script:
        proposal = script.proposed()
        script.approve(proposal)
        script.price(PRICE)
        states = [record.order.state for record in script.records(OrderChanged)]
        assert states[:2] == [OrderState.INTENT, OrderState.SENT]
        [intent, *_] = script.records(OrderChanged)
        assert {gate.code for gate in intent.gates} == {gate.code for gate in proposal.gates}
        assert all(gate.passed for gate in intent.gates)


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"digest": "0" * 64}, "digest_mismatch"),
        ({"version": 7}, "version_changed"),
    ],
)
def test_a_yes_to_something_else_is_refused_by_code(
    tmp_path: Path, changed: dict[str, object], code: str
) -> None:
    with Script(tmp_path) as script:
        proposal = script.proposed()
        ack = script.approve(proposal, **changed)
        assert (ack.ok, ack.code) == (False, code)
        assert script.orders() == []
        assert script.desk.proposals.waiting() == (proposal,)


def test_a_short_digest_and_no_version_are_enough(tmp_path: Path) -> None:
    with Script(tmp_path) as script:
        proposal = script.proposed()
        assert script.approve(proposal, digest=proposal.digest[:12], version=0).ok


def test_an_unknown_proposal_is_refused(tmp_path: Path) -> None:
    with Script(tmp_path) as script:
        ack = script.send(Approve(id="c", proposal="P-99", digest="x"))
        assert (ack.ok, ack.code) == (False, "unknown_proposal")


def test_a_command_that_comes_twice_is_answered_twice_and_carried_out_once(
    tmp_path: Path,
) -> None:
    with Script(tmp_path) as script:
        proposal = script.proposed()
        first = script.approve(proposal, id="same")
        again = script.approve(proposal, id="same")
        assert first == again
        other = script.approve(proposal, id="other")
        assert (other.ok, other.code) == (False, "already_ended")
        script.price(PRICE)
        assert len(script.orders()) == 1
        assert len(script.records(Commanded)) == 2


def test_silence_expires_and_the_trade_is_followed_to_its_end(tmp_path: Path) -> None:
    with Script(tmp_path) as script:
        proposal = script.proposed()
        script.wait(31 * MINUTE_S)
        script.price(PRICE)
        script.cycle()
        assert script.desk.proposals.get(proposal.id).state is ProposalState.EXPIRED  # type: ignore[union-attr]
        late = script.approve(proposal)
        assert (late.ok, late.code) == (False, "already_ended")
        script.price(float(proposal.stop) - 1)
        [followed] = script.records(Followed)
        assert (followed.counterfactual.kind, followed.counterfactual.id) == (
            "expired",
            proposal.id,
        )
        assert followed.counterfactual.ended == "stop_loss"
        assert followed.counterfactual.pnl_pct < -1.0
        assert script.orders() == []


def test_a_yes_after_the_expiry_is_refused_before_any_cycle(tmp_path: Path) -> None:
    with Script(tmp_path, live=True) as script:
        proposal = script.proposed()
        script.clock.advance(proposal.expires_ns - script.now_ns)  # type: ignore[union-attr]
        ack = script.approve(proposal)
        assert (ack.ok, ack.code) == (False, "expired")


def test_a_no_takes_a_reason_later_and_is_followed(tmp_path: Path) -> None:
    with Script(tmp_path) as script:
        proposal = script.proposed()
        assert script.send(Reject(id="1", proposal=proposal.id)).ok
        assert script.send(Reject(id="2", proposal=proposal.id, reason="too near the high")).ok
        notes = [record.proposal.note for record in script.records(ProposalChanged)]
        assert notes[-1] == "too near the high"
        [ended] = script.snapshot.ended
        assert ended.note == "too near the high"
        late = script.send(Reject(id="3", proposal=proposal.id))
        assert (late.ok, late.code) == (False, "already_ended")
        [view] = script.snapshot.counterfactuals
        assert (view.id, view.kind, view.ended) == (proposal.id, "rejected", "")
        script.price(float(proposal.stop) - 1)
        assert script.records(Followed)[-1].counterfactual.ended == "stop_loss"


def test_a_price_that_moved_asks_again_with_then_and_now(tmp_path: Path) -> None:
    with Script(tmp_path) as script:
        proposal = script.proposed()
        script.price(PRICE * 1.004)
        ack = script.approve(proposal)
        assert (ack.ok, ack.code) == (False, "changed")
        assert "price 60006 →" in ack.text
        [again] = script.desk.proposals.waiting()
        assert again.version == 2
        assert again.digest != proposal.digest
        assert abs(float(again.price) / (PRICE * 1.004) - 1) < 0.001
        assert script.orders() == []
        stale = script.approve(proposal)
        assert (stale.ok, stale.code) == (False, "version_changed")
        assert script.approve(again).ok


def test_a_book_that_emptied_between_is_met_by_the_gates_of_now(tmp_path: Path) -> None:
    with Script(tmp_path) as script:
        script.book(((PRICE - 6, 5.0),), ((PRICE + 6, 5.0),))
        proposal = script.proposed()
        # Whoever sold is gone: what is left asks one percent more.
        script.quote(PRICE - 300, PRICE + 300, size=0.001)
        script.book(((PRICE - 300, 0.001),), ((PRICE + 300, 0.001),))
        ack = script.approve(proposal)
        assert (ack.ok, ack.code) == (False, "spread")
        assert script.orders() == []
        assert script.desk.proposals.waiting()[0].state is ProposalState.WAITING
        script.price(PRICE)
        assert script.approve(proposal).ok


def test_an_order_takes_no_more_than_the_book_has(tmp_path: Path) -> None:
    with Script(tmp_path, live=True) as script:
        proposal = script.proposed()
        assert script.approve(proposal).ok
        script.wait(0.01)
        script.push(
            Book(
                symbol=BTC, time_ns=script.now_ns, bids=((PRICE - 6, 5.0),),
                asks=((PRICE + 6, 0.0005),),
            )
        )  # fmt: skip
        script.wait(0.05)
        [order] = script.orders()
        assert order.filled == Decimal("0.0005") < proposal.quantity
        assert order.state is OrderState.CANCELLED
        assert script.position.quantity == Decimal("0.0005")


def test_a_pause_between_proposal_and_yes_refuses_it(tmp_path: Path) -> None:
    with Script(tmp_path) as script:
        proposal = script.proposed()
        assert script.send(Pause(id="p")).ok
        ack = script.approve(proposal)
        assert (ack.ok, ack.code) == (False, "control_state")
        assert script.orders() == []
        assert script.send(Resume(id="r")).ok
        assert script.approve(proposal).ok


def test_amended_terms_are_a_new_version_that_is_what_is_sent(tmp_path: Path) -> None:
    with Script(tmp_path) as script:
        proposal = script.proposed()
        half = (proposal.quantity / 2).quantize(Decimal("0.00001"))
        ack = script.send(
            Amend(
                id="a", proposal=proposal.id, digest=proposal.digest, quantity=half,
                stop=proposal.stop + 100, targets=(Decimal(61_000), Decimal(62_000)),
            )
        )  # fmt: skip
        assert (ack.ok, ack.code) == (True, "amended")
        [new] = script.desk.proposals.waiting()
        assert (new.version, new.quantity, new.stop) == (2, half, proposal.stop + 100)
        assert new.targets == (Decimal(61_000), Decimal(62_000))
        assert not script.approve(proposal).ok
        assert script.approve(new).ok
        script.price(PRICE)
        position = script.position
        assert (position.quantity, position.stop) == (half, proposal.stop + 100)
        assert position.targets == (Decimal(61_000), Decimal(62_000))


def test_amended_terms_meet_the_hard_limits(tmp_path: Path) -> None:
    with Script(tmp_path) as script:
        proposal = script.proposed()
        for name, changed, code in (
            ("size", {"quantity": Decimal(1)}, "capital"),
            ("stop", {"stop": Decimal(61_000)}, "no_stop"),
            ("target", {"targets": (Decimal(59_000),)}, "bad_targets"),
        ):
            ack = script.send(
                Amend(id=name, proposal=proposal.id, digest=proposal.digest, **changed)
            )
            assert (ack.ok, ack.code) == (False, code)
        assert script.desk.proposals.waiting() == (proposal,)


def test_an_override_lifts_a_hold_and_waits_in_every_mode(tmp_path: Path) -> None:
    with Script(tmp_path, approval="auto") as script:
        script.close_bar()
        assert script.desk.symbols[BTC].decision.action is Action.HOLD  # type: ignore[union-attr]
        wish = {"symbol": BTC, "direction": Direction.LONG}
        silent = script.send(Override(id="0", reason=" ", **wish))  # type: ignore[arg-type]
        assert (silent.ok, silent.code) == (False, "reason_needed")
        ack = script.send(Override(id="1", reason="breakout on the daily", **wish))  # type: ignore[arg-type]
        assert (ack.ok, ack.code) == (True, "proposed")
        [proposal] = script.desk.proposals.waiting()
        assert (proposal.origin, proposal.why_waits) == (Origin.PERSON, "override")
        assert "breakout on the daily" in proposal.reasoning
        assert script.orders() == []
        assert script.approve(proposal).ok
        script.price(PRICE)
        assert script.position.strategy == "person"


def test_an_override_lifts_a_soft_denial_and_no_hard_limit(tmp_path: Path) -> None:
    with Script(tmp_path, settings={"exit.stop_atr_mult": 1.0}) as script:
        # A stop this near pays no fees: the soft gate of expected value refuses.
        script.desk.params.set("ev.prior_payoff", 0.5, "test")
        script.want()
        [denied] = script.records(Denied)
        assert (denied.code, denied.gate.hard) == ("expected_value", False)
        wish = {"symbol": BTC, "direction": Direction.LONG, "reason": "I know"}
        assert script.send(Override(id="1", **wish)).ok  # type: ignore[arg-type]
        [proposal] = script.desk.proposals.waiting()
        assert script.send(Reject(id="2", proposal=proposal.id)).ok
        short = script.send(
            Override(id="3", symbol=BTC, direction=Direction.SHORT, reason="I know")
        )
        assert (short.ok, short.code) == (False, "spot_short")
        unknown = script.send(Override(id="4", **{**wish, "symbol": "XRP/USDT"}))  # type: ignore[arg-type]
        assert (unknown.ok, unknown.code) == (False, "unknown_symbol")


def test_a_denied_trade_is_followed_to_the_end_it_would_have_had(tmp_path: Path) -> None:
    with Script(tmp_path) as script:
        script.desk.params.set("ev.prior_payoff", 0.5, "test")
        script.want()
        [denied] = script.records(Denied)
        assert script.desk.tally.denials == {"expected_value": 1}
        script.price(denied.stop - 1)
        [followed] = script.records(Followed)
        seen = followed.counterfactual
        assert (seen.id, seen.kind, seen.code) == (denied.id, "denied", "expected_value")
        assert seen.ended == "stop_loss"


def test_a_veto_ends_a_proposal_and_disarms_a_condition(tmp_path: Path) -> None:
    with Script(tmp_path) as script:
        proposal = script.proposed()
        assert script.send(Veto(id="1", target=proposal.id, reason="news at two")).code == "vetoed"
        assert script.desk.proposals.get(proposal.id).state is ProposalState.REJECTED  # type: ignore[union-attr]
        condition = _condition(script)
        script.desk.sniper.arm(condition)
        assert script.send(Veto(id="2", target=condition.id)).code == "vetoed"
        script.price(condition.trigger + 1)
        script.cycle()
        assert script.desk.proposals.waiting() == ()
        assert not script.send(Veto(id="3", target="C-9")).ok


def _condition(script: Script) -> TradeCondition:
    return TradeCondition(
        id="C-1", symbol=BTC, direction=Direction.LONG, trigger=PRICE + 100, above=True,
        stop=PRICE - 900, targets=(PRICE + 2_500,), created_ns=script.now_ns,
        valid_until_ns=script.now_ns + 10**13, reasoning="above the range", strategy="technical",
    )  # fmt: skip


def test_a_condition_meets_every_gate_again_when_its_price_comes(tmp_path: Path) -> None:
    with Script(tmp_path) as script:
        script.desk.sniper.arm(_condition(script))
        script.quote(PRICE + 95, PRICE + 107)
        script.price(PRICE + 101)
        script.price(PRICE + 101)
        [proposal] = script.desk.proposals.waiting()
        assert (proposal.origin, proposal.stop) == (Origin.CONDITION, Decimal(59_100))
        assert proposal.targets[-1] == Decimal(62_500)
        assert script.orders() == []
        assert script.approve(proposal).ok
        script.price(PRICE + 101)
        assert script.position.targets[-1] == Decimal(62_500)


def test_auto_sends_by_itself_and_review_above_asks_for_the_large(tmp_path: Path) -> None:
    with Script(tmp_path, symbols=(BTC, ETH)) as script:
        assert script.send(SetApproval(id="1", mode="auto")).ok
        script.want()
        script.price(PRICE)
        assert script.position.symbol == BTC
        assert script.send(SetApproval(id="2", mode="review-above")).ok
        assert script.send(
            SetParameter(id="3", name="approval.review_above_size_pct", value="0")
        ).ok
        proposal = script.proposed(symbol=ETH)
        assert "above 0 %" in proposal.why_waits
        bad = script.send(SetApproval(id="4", mode="yolo"))
        assert (bad.ok, bad.code) == (False, "unknown_mode")


def test_a_parameter_set_by_a_person_holds_from_the_next_decision(tmp_path: Path) -> None:
    with Script(tmp_path) as script:
        wide = script.proposed()
        assert script.send(Reject(id="1", proposal=wide.id)).ok
        ack = script.send(SetParameter(id="2", name="exit.stop_atr_mult", value="1.0", symbol=BTC))
        assert ack.ok, ack.text
        near = script.proposed()
        assert PRICE - float(near.stop) < 0.75 * (PRICE - float(wide.stop))
        out = script.send(SetParameter(id="3", name="exit.stop_atr_mult", value="99"))
        assert (out.ok, out.code) == (False, "parameter")
        unknown = script.send(SetParameter(id="4", name="exit.nothing", value="1"))
        assert not unknown.ok


def test_every_command_and_its_answer_are_journaled(tmp_path: Path) -> None:
    with Script(tmp_path) as script:
        proposal = script.proposed()
        script.approve(proposal, digest="0" * 64, id="bad")
        script.approve(proposal, id="good")
        kept = {r.command.id: (r.ack.ok, r.ack.code) for r in script.records(Commanded)}
        assert kept == {"bad": (False, "digest_mismatch"), "good": (True, "approved")}


def test_a_fill_is_told_outside_only_after_it_is_committed(tmp_path: Path) -> None:
    log = tmp_path / "acks"
    with Script(tmp_path, ack_log=log) as script:
        script.opened()
        [fill] = script.records(Filled)
        assert log.read_text().splitlines() == [fill.fill.id]


def test_the_digest_covers_every_term_a_person_sees(tmp_path: Path) -> None:
    with Script(tmp_path) as script:
        proposal = script.proposed()
        for name, value in (
            ("quantity", proposal.quantity + 1), ("stop", proposal.stop + 1),
            ("price", proposal.price + 1), ("leverage", 2), ("symbol", ETH),
            ("targets", ()), ("direction", Direction.SHORT), ("version", 2),
        ):  # fmt: skip
            changed = msgspec.structs.replace(proposal, **{name: value})
            assert digest_of(changed) != proposal.digest, name
