"""Approvals are bound to what was shown; waiting ends by class; asking again has its reasons."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from engine.core.errors import CommandRefused
from engine.core.ids import Ids
from engine.core.parameters import Parameters
from engine.core.types import ApprovalMode, Direction, Gate, Origin, Proposal, ProposalState
from engine.execution.proposals import ProposalBook, ProposalClass, digest_of, short
from engine.portfolio.ledger import Ledger
from tests.execution_help import START_NS, D, gate, later, propose


def book(**settings: float) -> ProposalBook:
    parameters = Parameters()
    for name, value in settings.items():
        parameters.set(name.replace("__", "."), value, "test")
    return ProposalBook(parameters, Ids("t"))


def refusal(act: Callable[[], object]) -> str:
    with pytest.raises(CommandRefused) as caught:
        act()
    assert caught.value.message
    return caught.value.code


def test_a_new_proposal_knows_its_money_and_its_digest() -> None:
    made = propose(book())
    assert (made.id, made.version, made.state) == ("P-1", 1, ProposalState.WAITING)
    assert made.notional == D(600)
    assert made.risk == D(10)
    assert made.digest == digest_of(made)
    assert len(short(made.digest)) == 12


CHANGES: list[dict[str, Any]] = [
    {"quantity": D("0.02")},
    {"price": D(60_001)},
    {"stop": D(58_999)},
    {"targets": (D(62_001),)},
    {"targets": ()},
    {"leverage": 2},
    {"direction": Direction.SHORT},
    {"symbol": "ETH/USDT"},
    {"strategy": "other"},
    {"expires_ns": 1},
    {"version": 2},
    {"gates": (gate("spread"), gate("daily_loss", passed=False))},
    {"origin": Origin.PERSON},
]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: next(iter(change)))
def test_every_term_moves_the_digest(change: dict[str, Any]) -> None:
    made = propose(book())
    assert digest_of(msgspec.structs.replace(made, **change)) != made.digest


def test_how_a_number_was_written_does_not() -> None:
    made = propose(book())
    same = msgspec.structs.replace(made, quantity=D("0.0100"), price=Decimal("6E+4"))
    assert digest_of(same) == made.digest
    told = msgspec.structs.replace(made, note="looked at", why_waits="review mode")
    assert digest_of(told) == made.digest


def test_approving_twice_gives_one_order() -> None:
    proposals = book()
    made = propose(proposals)
    assert proposals.approve(made.id, made.digest, 1, START_NS).state is ProposalState.APPROVED
    again = refusal(lambda: proposals.approve(made.id, made.digest, 1, START_NS))
    assert again == "already_ended"
    assert proposals.waiting() == ()


def test_each_refusal_has_its_code() -> None:
    proposals = book()
    made = propose(proposals)
    changed = proposals.amend(made.id, quantity=D("0.02"))

    def check(digest: str, version: int | None, at: int = START_NS, name: str = made.id) -> str:
        return refusal(lambda: proposals.check_approval(name, digest, version, at))

    assert check(made.digest, 1) == "version_changed"
    assert check(made.digest, 2) == "digest_mismatch"
    assert check(made.digest, None) == "digest_mismatch"
    assert check("", 2) == "digest_mismatch"
    assert check(changed.digest[:11], 2) == "digest_mismatch"
    assert check(changed.digest, 2, changed.expires_ns) == "expired"
    assert check(changed.digest, 2, name="P-404") == "unknown_proposal"
    for digest in (changed.digest, short(changed.digest)):
        assert proposals.check_approval(made.id, digest, 0, START_NS) is changed
    proposals.reject(made.id, "not today")
    assert check(changed.digest, 2) == "already_ended"


def test_an_amendment_is_a_new_version_with_its_own_money() -> None:
    proposals = book()
    made = propose(proposals)
    changed = proposals.amend(made.id, quantity=D("0.02"), stop=D(59_500), leverage=2)
    assert (changed.version, changed.notional, changed.risk) == (2, D(1_200), D(10))
    assert changed.expires_ns == made.expires_ns
    assert changed.digest not in ("", made.digest)
    assert proposals.waiting() == (changed,)
    back = proposals.amend(made.id, quantity=made.quantity, stop=made.stop, leverage=1)
    assert back.digest != made.digest
    proposals.reject(made.id)
    assert refusal(lambda: proposals.amend(made.id, quantity=D(1))) == "already_ended"


@pytest.mark.parametrize(
    ("kind", "name", "seconds"),
    [
        (ProposalClass.REGULAR, "regular", 1800),
        (ProposalClass.DIAMOND, "diamond", 900),
        (ProposalClass.CONDITION, "condition", 300),
        (ProposalClass.OVERRIDE, "override", 1800),
    ],
)
def test_waiting_ends_by_class(kind: ProposalClass, name: str, seconds: int) -> None:
    proposals = book()
    made = propose(proposals, kind=kind)
    assert made.expires_ns == later(seconds)
    assert proposals.expire_due(later(seconds) - 1) == []
    ended = proposals.expire_due(later(seconds))
    assert [each.state for each in ended] == [ProposalState.EXPIRED]
    assert proposals.expire_due(later(seconds)) == []
    assert proposals.ended() == tuple(ended)
    moved = book(**{f"approval__{name}_ttl_sec": 60})
    assert propose(moved, kind=kind).expires_ns == later(60)


def test_what_became_of_it_follows_its_approval() -> None:
    proposals = book()
    made = propose(proposals)
    assert refusal(lambda: proposals.end(made.id, ProposalState.FILLED)) == "already_ended"
    proposals.approve(made.id, made.digest, 1, START_NS)
    assert proposals.end(made.id, ProposalState.FILLED, "at 60001").note == "at 60001"
    assert refusal(lambda: proposals.end(made.id, ProposalState.FAILED)) == "already_ended"


def requoted(
    price: object, quantity: object = "0.01", gates: tuple[Gate, ...] | None = None, **settings: Any
) -> list[str]:
    proposals = book(**settings)
    made = propose(proposals)
    seen = proposals.requote_check(made, D(price), D(quantity), gates or made.gates)
    assert seen.changed == bool(seen.note())
    return [row.what for row in seen.rows if row.beyond]


def test_requote_asks_again_beyond_tolerance_only() -> None:
    assert requoted(60_060) == []
    assert requoted("60060.01") == ["price"]
    assert requoted("59939.99") == ["price"]
    assert requoted("60060.01", exec__entry_tolerance_bps=12) == []
    assert requoted(60_000, "0.0102") == []
    assert requoted(60_000, "0.00979") == ["size"]
    assert requoted(60_000, "0.00979", approval__size_tolerance_pct=3.0) == []
    shut = (gate("spread"), gate("daily_loss", passed=False))
    assert requoted(60_000, gates=shut) == ["gate daily_loss"]
    assert requoted(60_000, gates=(gate("spread"),)) == ["gate daily_loss"]


def test_requote_shows_then_and_now() -> None:
    proposals = book()
    made = propose(proposals)
    seen = proposals.requote_check(made, D(61_000), made.quantity, made.gates)
    assert [(row.what, row.then, row.now) for row in seen.rows] == [
        ("price", "60000", "61000"),
        ("size", "0.01", "0.01"),
    ]
    assert seen.note() == "price 60000 → 61000"


def waits(mode: ApprovalMode, settings: dict[str, Any] | None = None, **changes: Any) -> str:
    proposals = book(**(settings or {}))
    made = propose(proposals, **changes)
    account = Ledger("USDT", D(10_000)).account(START_NS, {})
    return proposals.needs_person(made, mode, account)


def test_who_waits_for_a_person() -> None:
    small: dict[str, Any] = {"quantity": D("0.005")}
    above = ApprovalMode.REVIEW_ABOVE
    assert waits(ApprovalMode.REVIEW, **small) == "review mode"
    assert waits(ApprovalMode.AUTO) == ""
    assert waits(ApprovalMode.AUTO, origin=Origin.PERSON) == "override"
    assert waits(above, **small) == ""
    assert waits(above) == "size 6.0 % of equity, above 5 %"
    assert waits(above, {"approval__review_above_size_pct": 6.0}) == ""
    assert waits(above, **small, leverage=2) == "leverage 2x, above 1x"
    assert waits(above, {"approval__review_above_leverage": 2}, **small, leverage=2) == ""
    assert waits(above, **small, kind=ProposalClass.DIAMOND) == "diamond"
    unseen = {"approval__review_diamonds": False}
    assert waits(above, unseen, **small, kind=ProposalClass.DIAMOND) == ""


def test_restored_and_forgotten() -> None:
    proposals = book()
    made = [propose(proposals) for _ in range(4)]
    for each in made[:3]:
        proposals.reject(each.id)
    proposals.forget_ended(keep=1)
    assert [each.id for each in proposals.ended()] == ["P-3"]
    assert proposals.get("P-1") is None
    again = book()
    again.restore(made[3])
    assert again.waiting() == (made[3],)
    approved: Proposal = again.approve("P-4", made[3].digest, 1, START_NS)
    assert approved.state is ProposalState.APPROVED
