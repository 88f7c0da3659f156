"""Which proposals wait for a person, and for how long."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum

from engine.core.clock import SECOND
from engine.core.parameters import Parameters, declare
from engine.core.types import Account, ApprovalMode, Origin, Proposal

HUNDRED = Decimal(100)


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


def ttl_ns(parameters: Parameters, kind: ProposalClass) -> int:
    """How long a proposal of this kind may wait, in nanoseconds."""
    return int(parameters.get(_TTL[kind])) * SECOND


def reason_to_wait(
    parameters: Parameters,
    proposal: Proposal,
    kind: ProposalClass,
    mode: ApprovalMode,
    account: Account,
) -> str:
    """Why this proposal waits for a person; an empty string lets it go by itself.

    What a person asked for by an override waits in every mode, since its digest was
    never seen.
    """
    get = parameters.get
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
    if get(REVIEW_DIAMOND) and kind is ProposalClass.DIAMOND:
        return "diamond"
    return ""
