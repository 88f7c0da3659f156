"""Commands: the only way in which a person moves the engine; acks: what became of them.

Tagged structs, because the same commands come from keys, from the command line and from a
socket, and are journaled as they came.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec

from engine.core.types import Actor, Direction


class Command(msgspec.Struct, frozen=True, kw_only=True, tag_field="command"):
    """Base of all commands. `id` is chosen by the sender and found again in its `Ack`."""

    id: str
    actor: Actor = Actor.PERSON


class Approve(Command, frozen=True, tag="approve"):
    """Approve exactly what was shown: proposal, version and digest must all still hold."""

    proposal: str
    digest: str
    version: int = 0


class Amend(Command, frozen=True, tag="amend"):
    """Change terms of a waiting proposal; makes a new version with a new digest."""

    proposal: str
    digest: str
    quantity: Decimal | None = None
    stop: Decimal | None = None
    targets: tuple[Decimal, ...] | None = None
    leverage: int | None = None


class Reject(Command, frozen=True, tag="reject"):
    """Refuse a waiting proposal at once; the reason may follow in a second command."""

    proposal: str
    reason: str = ""


class Override(Command, frozen=True, tag="override"):
    """Turn a HOLD or a soft denial into a proposal, with a typed reason.

    Hard limits never give way. `direction` is what the person wants to trade.
    """

    symbol: str
    direction: Direction
    reason: str


class Veto(Command, frozen=True, tag="veto"):
    """Stop an automatic entry that was proposed or armed: a proposal or a condition id."""

    target: str
    reason: str = ""


class TakeOver(Command, frozen=True, tag="take_over"):
    """A person manages this position's stop and targets (`taken` False gives it back)."""

    position: str
    taken: bool = True


class Pause(Command, frozen=True, tag="pause"):
    """No new entries from now on (REDUCING)."""

    reason: str = ""


class Resume(Command, frozen=True, tag="resume"):
    """Admit entries again; also what clears HALTED and LOCKED, after reading why."""

    reason: str = ""


class Halt(Command, frozen=True, tag="halt"):
    """HALTED: protective exits and a person's own closes only."""

    reason: str = ""


class MoveStop(Command, frozen=True, tag="move_stop"):
    """Put a position's protective stop at a price, in either direction."""

    position: str
    price: Decimal


class MoveTargets(Command, frozen=True, tag="move_targets"):
    """Replace a position's targets; an empty tuple leaves it without."""

    position: str
    prices: tuple[Decimal, ...]


class ClosePosition(Command, frozen=True, tag="close"):
    """Close all of a position, or a fraction in (0, 1]; passes in every control state."""

    position: str
    fraction: float = 1.0
    reason: str = ""


class CancelOrder(Command, frozen=True, tag="cancel"):
    """Cancel a resting order."""

    order: str


class Flatten(Command, frozen=True, tag="flatten"):
    """Pause, cancel all resting orders and close every position. `typed` must be FLATTEN."""

    typed: str


class SetParameter(Command, frozen=True, tag="set"):
    """Set one declared parameter in a scope; bounds are checked where it is applied."""

    name: str
    value: str
    symbol: str | None = None
    regime: str | None = None
    strategy: str | None = None


class SetApproval(Command, frozen=True, tag="approval"):
    """Change which proposals wait for a person."""

    mode: str


class SetSpeed(Command, frozen=True, tag="speed"):
    """Pace of a replay or simulated market: a factor, 0 meaning as fast as it goes."""

    speed: float


class Shock(Command, frozen=True, tag="shock"):
    """Ask the simulated market for `news_up`, `news_down` or `flash_crash` in a symbol."""

    kind: str
    symbol: str


class AnswerChange(Command, frozen=True, tag="answer_change"):
    """Admit or refuse a change that loosens risk and therefore waits for a person."""

    change: str
    admit: bool
    reason: str = ""


class RevertChange(Command, frozen=True, tag="revert_change"):
    """Take back a change that is in force; the exact old value returns."""

    change: str
    reason: str = ""


class Freeze(Command, frozen=True, tag="freeze"):
    """Keep learners off a target (`Target.text`, or `*` for everything), or let them again."""

    target: str
    frozen: bool = True


class SetCoin(Command, frozen=True, tag="set_coin"):
    """A person sets what is thought of a coin: a `CoinStatus`; learners leave it alone then."""

    symbol: str
    status: str
    reason: str = ""


class SetPattern(Command, frozen=True, tag="set_pattern"):
    """A person switches a pattern on or off; None leaves it to the learners again."""

    pattern: str
    active: bool | None
    reason: str = ""


class SetPair(Command, frozen=True, tag="set_pair"):
    """A person sets what is made of a strategy in a symbol: a `PairStatus`, or `auto`."""

    symbol: str
    strategy: str
    status: str
    reason: str = ""


class SetInsight(Command, frozen=True, tag="set_insight"):
    """A person strikes an insight out or gives it other words; neither restores it."""

    insight: str
    struck: bool = False
    text: str = ""
    reason: str = ""


class SetRule(Command, frozen=True, tag="set_rule"):
    """A person makes a rule (empty id), replaces it, or switches it on or off."""

    description: str
    action: str
    rule: str = ""
    hours: tuple[int, ...] = ()
    weekdays: tuple[int, ...] = ()
    vol_level: str = ""
    symbol: str = ""
    active: bool = True
    reason: str = ""


AnyCommand = (
    Approve
    | Amend
    | Reject
    | Override
    | Veto
    | TakeOver
    | Pause
    | Resume
    | Halt
    | MoveStop
    | MoveTargets
    | ClosePosition
    | CancelOrder
    | Flatten
    | SetParameter
    | SetApproval
    | SetSpeed
    | Shock
    | AnswerChange
    | RevertChange
    | Freeze
    | SetCoin
    | SetPattern
    | SetPair
    | SetInsight
    | SetRule
)


class Ack(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a command. `code` is stable for programs, `text` is for a person.

    `ref` names what it made or moved: a proposal, order or position id.
    """

    id: str
    ok: bool
    code: str
    text: str
    time_ns: int
    ref: str = ""
