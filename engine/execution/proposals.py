"""The proposals that wait, and what their approval is bound to.

An approval names a proposal, a version and the digest of the terms that were shown. Any
change of a term makes a new version with a new digest, so a yes to what is no longer true
is refused instead of being carried out.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

import msgspec

from engine.core.clock import iso
from engine.core.errors import CommandRefused
from engine.core.ids import Ids
from engine.core.parameters import Parameters
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
from engine.execution.approval import ProposalClass, reason_to_wait, ttl_ns
from engine.execution.terms import Change, Requote, compare, digest_of, short

__all__ = ["Change", "ProposalBook", "ProposalClass", "Requote", "digest_of", "short"]


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
        grows: str = "",
        id: str = "",
        least_ns: int = 0,
    ) -> Proposal:
        """A new proposal, WAITING, version 1, with its digest and the expiry of its class.

        It waits `least_ns` at least, however short its class.
        """
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
            expires_ns=now_ns + max(ttl_ns(self._parameters, kind), least_ns),
            state=ProposalState.WAITING,
            gates=gates,
            factors=factors,
            regime=regime,
            reasoning=reasoning,
            expected=expected,
            origin=origin,
            why_waits=why_waits,
            grows=grows,
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
        if not self._waiting:
            return []
        due = [p for p in self._waiting.values() if now_ns >= p.expires_ns]
        return [self._move(p, ProposalState.EXPIRED, "") for p in due]

    def requote_check(
        self,
        proposal: Proposal,
        new_price: Decimal,
        new_quantity: Decimal,
        new_gates: Iterable[Gate],
        pace: float = 1.0,
    ) -> Requote:
        """Compare a proposal with the market, size and gates of this moment (`terms.compare`)."""
        return compare(self._parameters, proposal, new_price, new_quantity, new_gates, pace)

    def needs_person(self, proposal: Proposal, mode: ApprovalMode, account: Account) -> str:
        """Why this proposal waits for a person (`approval.reason_to_wait`); empty lets it go."""
        kind = self.kind_of(proposal.id)
        return reason_to_wait(self._parameters, proposal, kind, mode, account)

    def forget_ended(self, keep: int) -> None:
        """Drop all but the newest `keep` ended proposals; the journal has them all."""
        if len(self._all) - len(self._waiting) <= keep:
            return
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
