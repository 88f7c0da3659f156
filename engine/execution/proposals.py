"""Proposals and approvals: what a person is asked, and what their yes is bound to.

An approval names a proposal, a version and the digest of the terms that were shown. Any
change of a term makes a new version with a new digest, so a yes to what is no longer true
is refused instead of being carried out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

import msgspec

from engine.core.clock import SECOND, iso
from engine.core.errors import CommandRefused
from engine.core.ids import Ids
from engine.core.parameters import Parameters, declare
from engine.core.types import (
    Account,
    ApprovalMode,
    Direction,
    ExpectedValue,
    Gate,
    Origin,
    Proposal,
    ProposalState,
    SizeFactor,
)

BPS = Decimal(10_000)
HUNDRED = Decimal(100)
SHORT_DIGEST = 12
"""Hexadecimal digits that a screen shows of a digest."""

ENTRY_TOLERANCE = declare(
    "exec.entry_tolerance_bps",
    10,
    low=2,
    high=50,
    step=2,
    unit="bps",
    scopes="GRY",
    risk=1,
    doc="How far the price may have moved since the proposal before approval asks again.",
)
SIZE_TOLERANCE = declare(
    "approval.size_tolerance_pct",
    2.0,
    low=0.0,
    high=20.0,
    step=0.5,
    unit="%",
    scopes="GY",
    risk=1,
    doc="How far the size, worked out again at approval, may differ before it asks again.",
    learnable=False,
)


class ProposalClass(StrEnum):
    """What kind of opportunity waits; each has a life of its own."""

    REGULAR = "regular"
    DIAMOND = "diamond"
    CONDITION = "condition"
    OVERRIDE = "override"


REGULAR_TTL = declare(
    "approval.regular_ttl_sec",
    1800,
    low=30,
    high=7200,
    step=30,
    unit="s",
    risk=1,
    doc="Life of a waiting entry: two decision bars of 15 minutes.",
    learnable=False,
)
DIAMOND_TTL = declare(
    "approval.diamond_ttl_sec",
    900,
    low=30,
    high=7200,
    step=30,
    unit="s",
    risk=1,
    doc="Life of a waiting entry on a diamond, which moves fast.",
    learnable=False,
)
CONDITION_TTL = declare(
    "approval.condition_ttl_sec",
    300,
    low=30,
    high=7200,
    step=30,
    unit="s",
    risk=1,
    doc="Life of a waiting entry whose price condition has triggered.",
    learnable=False,
)
OVERRIDE_TTL = declare(
    "approval.override_ttl_sec",
    1800,
    low=30,
    high=7200,
    step=30,
    unit="s",
    risk=1,
    doc="Life of a waiting entry that a person asked for.",
    learnable=False,
)
_TTL = {
    ProposalClass.REGULAR: REGULAR_TTL,
    ProposalClass.DIAMOND: DIAMOND_TTL,
    ProposalClass.CONDITION: CONDITION_TTL,
    ProposalClass.OVERRIDE: OVERRIDE_TTL,
}

REVIEW_SIZE = declare(
    "approval.review_above_size_pct",
    5.0,
    low=0.0,
    high=50.0,
    step=0.5,
    unit="%",
    scopes="GY",
    risk=1,
    doc="In review-above, entries with a notional above this share of equity wait.",
    learnable=False,
)
REVIEW_LEVERAGE = declare(
    "approval.review_above_leverage",
    1,
    low=1,
    high=10,
    step=1,
    unit="x",
    scopes="GY",
    risk=1,
    doc="In review-above, entries with more leverage than this wait.",
    learnable=False,
)
REVIEW_DIAMOND = declare(
    "approval.review_diamonds",
    True,
    unit="",
    scopes="G",
    risk=-1,
    doc="In review-above, diamonds wait whatever their size.",
    learnable=False,
)


@dataclass(frozen=True, slots=True)
class Change:
    """One term then and now; `beyond` tells whether it moved beyond its tolerance."""

    what: str
    then: str
    now: str
    beyond: bool


@dataclass(frozen=True, slots=True)
class Requote:
    """What a second look at a proposal found. `changed` asks the person again."""

    rows: tuple[Change, ...]

    @property
    def changed(self) -> bool:
        return any(row.beyond for row in self.rows)

    def note(self) -> str:
        """`price 100 → 101, size 2 → 1.5`: what moved beyond tolerance, for the screen."""
        return ", ".join(f"{row.what} {row.then} → {row.now}" for row in self.rows if row.beyond)


def digest_of(proposal: Proposal) -> str:
    """SHA-256 over the terms that a person approves, in one canonical text.

    Numbers are written without trailing zeros, so equal terms give equal digests however
    they were computed. State, note and why it waits are no terms.
    """
    terms = {
        "id": proposal.id,
        "version": proposal.version,
        "symbol": proposal.symbol,
        "direction": proposal.direction.value,
        "quantity": _plain(proposal.quantity),
        "price": _plain(proposal.price),
        "stop": _plain(proposal.stop),
        "targets": [_plain(target) for target in proposal.targets],
        "leverage": proposal.leverage,
        "notional": _plain(proposal.notional),
        "risk": _plain(proposal.risk),
        "strategy": proposal.strategy,
        "decision": proposal.decision,
        "origin": proposal.origin.value,
        "expires_ns": proposal.expires_ns,
        "gates": [[gate.code, gate.passed] for gate in proposal.gates],
    }
    text = msgspec.json.encode(terms, order="sorted")
    return hashlib.sha256(text).hexdigest()


def short(digest: str) -> str:
    """The part of a digest that a screen shows and a person may type."""
    return digest[:SHORT_DIGEST]


class ProposalBook:
    """Every proposal that waits, and those that ended, by id."""

    def __init__(
        self, parameters: Parameters, ids: Ids, mode: ApprovalMode = ApprovalMode.REVIEW
    ) -> None:
        self.mode = mode
        self._parameters = parameters
        self._ids = ids
        self._all: dict[str, Proposal] = {}
        self._waiting: dict[str, Proposal] = {}
        self._classes: dict[str, ProposalClass] = {}

    def create(
        self,
        *,
        now_ns: int,
        symbol: str,
        direction: Direction,
        quantity: Decimal,
        price: Decimal,
        stop: Decimal,
        targets: tuple[Decimal, ...],
        strategy: str,
        decision: str,
        confidence: float,
        gates: tuple[Gate, ...],
        factors: tuple[SizeFactor, ...],
        leverage: int = 1,
        contract_size: Decimal = Decimal(1),
        regime: str = "",
        reasoning: str = "",
        expected: ExpectedValue | None = None,
        origin: Origin = Origin.ENGINE,
        kind: ProposalClass = ProposalClass.REGULAR,
        why_waits: str = "",
        id: str = "",
    ) -> Proposal:
        """A new proposal, WAITING, version 1, with its digest and the expiry of its class."""
        proposal = Proposal(
            id=id or self._ids.next("P"),
            version=1,
            digest="",
            symbol=symbol,
            direction=direction,
            quantity=quantity,
            price=price,
            stop=stop,
            targets=targets,
            leverage=leverage,
            notional=quantity * price * contract_size,
            risk=abs(price - stop) * quantity * contract_size,
            strategy=strategy,
            decision=decision,
            confidence=confidence,
            created_ns=now_ns,
            expires_ns=now_ns + self._parameters.get(_TTL[kind]) * SECOND,
            state=ProposalState.WAITING,
            gates=gates,
            factors=factors,
            regime=regime,
            reasoning=reasoning,
            expected=expected,
            origin=origin,
            why_waits=why_waits,
        )
        self._classes[proposal.id] = kind
        return self._keep(_sealed(proposal))

    def restore(self, proposal: Proposal, kind: ProposalClass = ProposalClass.REGULAR) -> None:
        """Take a proposal back from the journal as it was."""
        self._classes[proposal.id] = kind
        self._keep(proposal)

    def get(self, proposal_id: str) -> Proposal | None:
        return self._all.get(proposal_id)

    def waiting(self) -> tuple[Proposal, ...]:
        """What waits for a person, oldest first."""
        return tuple(self._waiting.values())

    def ended(self, limit: int = 50) -> tuple[Proposal, ...]:
        """The newest that wait no more, oldest of them first."""
        over = [p for id_, p in self._all.items() if id_ not in self._waiting]
        return tuple(over[-limit:])

    def kind_of(self, proposal_id: str) -> ProposalClass:
        return self._classes.get(proposal_id, ProposalClass.REGULAR)

    def amend(
        self,
        proposal_id: str,
        *,
        quantity: Decimal | None = None,
        price: Decimal | None = None,
        stop: Decimal | None = None,
        targets: tuple[Decimal, ...] | None = None,
        leverage: int | None = None,
        gates: tuple[Gate, ...] | None = None,
        factors: tuple[SizeFactor, ...] | None = None,
        note: str | None = None,
    ) -> Proposal:
        """Change terms of a waiting proposal: the next version, with a new digest.

        Notional and risk follow the terms. The expiry stays, so that asking again does not
        make an old opportunity young. Raises `CommandRefused` if it does not wait any more.
        """
        old = self._found(proposal_id)
        if old.state is not ProposalState.WAITING:
            raise _ended(old)
        contract = old.notional / (old.quantity * old.price)
        size = old.quantity if quantity is None else quantity
        at = old.price if price is None else price
        protection = old.stop if stop is None else stop
        new = msgspec.structs.replace(
            old,
            version=old.version + 1,
            quantity=size,
            price=at,
            stop=protection,
            targets=old.targets if targets is None else targets,
            leverage=old.leverage if leverage is None else leverage,
            notional=size * at * contract,
            risk=abs(at - protection) * size * contract,
            gates=old.gates if gates is None else gates,
            factors=old.factors if factors is None else factors,
            note=old.note if note is None else note,
        )
        return self._keep(_sealed(new))

    def check_approval(
        self, proposal_id: str, digest: str, version: int | None, now_ns: int
    ) -> Proposal:
        """The proposal, if this approval still means what was shown.

        A `version` of 0 or None leaves the version to the digest, which covers it. Raises
        `CommandRefused` with the code `unknown_proposal`, `already_ended`, `expired`,
        `version_changed` or `digest_mismatch`.
        """
        proposal = self._found(proposal_id)
        if proposal.state is not ProposalState.WAITING:
            raise _ended(proposal)
        if now_ns >= proposal.expires_ns:
            raise CommandRefused(
                "expired",
                f"{proposal.id} expired at {iso(proposal.expires_ns)}",
                "it is followed as a trade that was not made",
            )
        if version and version != proposal.version:
            raise CommandRefused(
                "version_changed",
                f"{proposal.id} is at version {proposal.version}, not {version}",
                "look at it again and approve what it says now",
            )
        if digest not in (proposal.digest, short(proposal.digest)):
            raise CommandRefused(
                "digest_mismatch",
                f"{proposal.id} now reads {short(proposal.digest)}, not {short(digest)}",
                "look at it again and approve what it says now",
            )
        return proposal

    def approve(self, proposal_id: str, digest: str, version: int | None, now_ns: int) -> Proposal:
        """Check an approval and take it; a second one is refused with `already_ended`."""
        proposal = self.check_approval(proposal_id, digest, version, now_ns)
        return self._move(proposal, ProposalState.APPROVED, "")

    def reject(self, proposal_id: str, reason: str = "") -> Proposal:
        """End a waiting proposal; an ended one is refused with `already_ended`."""
        proposal = self._found(proposal_id)
        if proposal.state is not ProposalState.WAITING:
            raise _ended(proposal)
        return self._move(proposal, ProposalState.REJECTED, reason)

    def end(self, proposal_id: str, state: ProposalState, note: str = "") -> Proposal:
        """Say what became of a proposal after its approval: FILLED, FAILED or REFUSED.

        REFUSED may also end a waiting one, when a hard gate closed meanwhile.
        """
        proposal = self._found(proposal_id)
        allowed = {
            ProposalState.WAITING: (ProposalState.REFUSED,),
            ProposalState.APPROVED: (
                ProposalState.FILLED,
                ProposalState.FAILED,
                ProposalState.REFUSED,
            ),
        }
        if state not in allowed.get(proposal.state, ()):
            raise _ended(proposal)
        return self._move(proposal, state, note)

    def expire_due(self, now_ns: int) -> list[Proposal]:
        """End what has waited too long, and return it for the counterfactual."""
        due = [p for p in self._waiting.values() if now_ns >= p.expires_ns]
        return [self._move(p, ProposalState.EXPIRED, "") for p in due]

    def requote_check(
        self,
        proposal: Proposal,
        new_price: Decimal,
        new_quantity: Decimal,
        new_gates: Iterable[Gate],
    ) -> Requote:
        """Compare a proposal with the market, size and gates of this moment.

        Price tolerance is `exec.entry_tolerance_bps` in both directions, size tolerance
        `approval.size_tolerance_pct`; any gate that changed its verdict, came or went is
        beyond tolerance.
        """
        get = self._parameters.get
        where = {"symbol": proposal.symbol, "regime": proposal.regime or None}
        moved_bps = abs(new_price / proposal.price - 1) * BPS
        moved_pct = abs(new_quantity / proposal.quantity - 1) * HUNDRED
        price_beyond = moved_bps > Decimal(str(get(ENTRY_TOLERANCE, **where)))
        size_beyond = moved_pct > Decimal(str(get(SIZE_TOLERANCE, symbol=proposal.symbol)))
        rows = [
            Change("price", _plain(proposal.price), _plain(new_price), price_beyond),
            Change("size", _plain(proposal.quantity), _plain(new_quantity), size_beyond),
        ]
        then = {gate.code: gate for gate in proposal.gates}
        now = {gate.code: gate for gate in new_gates}
        for code in sorted(then.keys() | now.keys()):
            before, after = _verdict(then.get(code)), _verdict(now.get(code))
            if before != after:
                rows.append(Change(f"gate {code}", before, after, True))
        return Requote(tuple(rows))

    def needs_person(self, proposal: Proposal, mode: ApprovalMode, account: Account) -> str:
        """Why this proposal waits for a person; an empty string lets it go by itself.

        What a person asked for by an override waits in every mode, since its digest was
        never seen.
        """
        get = self._parameters.get
        if proposal.origin is Origin.PERSON:
            return "override"
        if mode is ApprovalMode.AUTO:
            return ""
        if mode is ApprovalMode.REVIEW:
            return "review mode"
        if account.equity <= 0:
            return "no equity"
        share = proposal.notional / account.equity * HUNDRED
        limit = get(REVIEW_SIZE, symbol=proposal.symbol)
        if share > Decimal(str(limit)):
            return f"size {share:.1f} % of equity, above {limit:g} %"
        highest = get(REVIEW_LEVERAGE, symbol=proposal.symbol)
        if proposal.leverage > highest:
            return f"leverage {proposal.leverage}x, above {highest}x"
        if get(REVIEW_DIAMOND) and self.kind_of(proposal.id) is ProposalClass.DIAMOND:
            return "diamond"
        return ""

    def forget_ended(self, keep: int) -> None:
        """Drop all but the newest `keep` ended proposals; the journal has them all."""
        ended = [id_ for id_, p in self._all.items() if id_ not in self._waiting and _over(p)]
        for id_ in ended[: max(len(ended) - keep, 0)]:
            del self._all[id_]
            self._classes.pop(id_, None)

    def _found(self, proposal_id: str) -> Proposal:
        proposal = self._all.get(proposal_id)
        if proposal is None:
            raise CommandRefused(
                "unknown_proposal", f"there is no proposal {proposal_id}", "see what waits"
            )
        return proposal

    def _move(self, proposal: Proposal, state: ProposalState, note: str) -> Proposal:
        note = note or proposal.note
        return self._keep(msgspec.structs.replace(proposal, state=state, note=note))

    def _keep(self, proposal: Proposal) -> Proposal:
        if proposal.state is not ProposalState.WAITING and proposal.id in self._waiting:
            # Re-inserted, so that what ended last stands last.
            del self._all[proposal.id]
        self._all[proposal.id] = proposal
        if proposal.state is ProposalState.WAITING:
            self._waiting[proposal.id] = proposal
        else:
            self._waiting.pop(proposal.id, None)
        return proposal


def _sealed(proposal: Proposal) -> Proposal:
    return msgspec.structs.replace(proposal, digest=digest_of(proposal))


def _ended(proposal: Proposal) -> CommandRefused:
    return CommandRefused(
        "already_ended", f"{proposal.id} is already {proposal.state}", "nothing was done"
    )


def _over(proposal: Proposal) -> bool:
    return proposal.state not in (ProposalState.WAITING, ProposalState.APPROVED)


def _verdict(gate: Gate | None) -> str:
    return "absent" if gate is None else "passed" if gate.passed else "refused"


def _plain(number: Decimal) -> str:
    """A number in one canonical text: no exponent, no trailing zeros, no negative zero."""
    return "0" if number == 0 else format(number.normalize(), "f")
