"""The terms of a proposal: their digest, and how far they moved since they were shown."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

import msgspec

from engine.core.parameters import Parameters, declare
from engine.core.types import Gate, Proposal

BPS = Decimal(10_000)
HUNDRED = Decimal(100)
SHORT_DIGEST = 12
"""Hexadecimal digits that a screen shows of a digest."""

ENTRY_TOLERANCE = declare(
    "exec.entry_tolerance_bps",
    10.0,
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
    terms: dict[str, object] = {
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
    if proposal.grows:
        terms["grows"] = proposal.grows
    text = msgspec.json.encode(terms, order="sorted")
    return hashlib.sha256(text).hexdigest()


def short(digest: str) -> str:
    """The part of a digest that a screen shows and a person may type."""
    return digest[:SHORT_DIGEST]


def compare(
    parameters: Parameters,
    proposal: Proposal,
    new_price: Decimal,
    new_quantity: Decimal,
    new_gates: Iterable[Gate],
    pace: float = 1.0,
) -> Requote:
    """Compare a proposal with the market, size and gates of this moment.

    `pace` is how many times faster than real the market runs: while a person reads for a
    second a market at 60 times moves for a minute, and a random walk moves with the square
    root of time, so the price tolerance is widened by √pace. Live markets have pace 1.

    Price tolerance is `exec.entry_tolerance_bps` in both directions, size tolerance
    `approval.size_tolerance_pct`; any gate that changed its verdict, came or went is
    beyond tolerance.
    """
    get = parameters.get
    where = {"symbol": proposal.symbol, "regime": proposal.regime or None}
    moved_bps = abs(new_price / proposal.price - 1) * BPS
    moved_pct = abs(new_quantity / proposal.quantity - 1) * HUNDRED
    tolerance = get(ENTRY_TOLERANCE, **where) * math.sqrt(max(1.0, pace))
    price_beyond = moved_bps > Decimal(repr(tolerance))
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


def _verdict(gate: Gate | None) -> str:
    return "absent" if gate is None else "passed" if gate.passed else "refused"


def _plain(number: Decimal) -> str:
    """A number in one canonical text: no exponent, no trailing zeros, no negative zero."""
    return "0" if number == 0 else format(number.normalize(), "f")
