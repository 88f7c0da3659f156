"""Commands about what is learned: admit or refuse what asks, revert, freeze.

As with every act, the journal refuses at once what it can already tell; the ledger of the
running engine has the last word.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import Annotated

import typer

from app import commanding
from app.commanding import Base, Reason
from engine.core import commands as c
from engine.core.errors import CommandRefused
from engine.core.learning import ChangeState, TargetKind
from engine.journal.queries import Reader

EVERYTHING = "*"
ChangeId = Annotated[str, typer.Argument(metavar="ID", help="the change, as `changes` shows it")]
TargetText = Annotated[
    str, typer.Argument(metavar="TARGET", help="as `changes` shows it, or * for everything")
]


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    commanding.register(app, (admit, refuse, revert, freeze, unfreeze))


def admit(
    reader: Reader,
    base: Base,
    change: ChangeId,
    reason: Reason = "",
) -> c.AnyCommand:
    """Let a change that loosens risk be applied; it is then watched like any other."""
    name = _asked(reader, change)
    return c.AnswerChange(change=name, admit=True, reason=reason, **base)


def refuse(
    reader: Reader,
    base: Base,
    change: ChangeId,
    reason: Reason = "",
) -> c.AnyCommand:
    """Refuse a change that waits for an answer; nothing was moved, so nothing comes back."""
    name = _asked(reader, change)
    return c.AnswerChange(change=name, admit=False, reason=reason, **base)


def revert(
    reader: Reader,
    base: Base,
    change: ChangeId,
    reason: Reason = "",
) -> c.AnyCommand:
    """Take back a change that is in force; the exact old value returns."""
    name, state = _known(reader, change)
    if not state.in_force:
        raise CommandRefused("not_in_force", f"{name} is not in force", f"it is {state}")
    return c.RevertChange(change=name, reason=reason, **base)


def freeze(
    reader: Reader,
    base: Base,
    target: TargetText,
) -> c.AnyCommand:
    """Keep learners off a target, or with * off everything; what is in force stays."""
    return c.Freeze(target=_target(reader, target), frozen=True, **base)


def unfreeze(
    reader: Reader,
    base: Base,
    target: TargetText,
) -> c.AnyCommand:
    """Let learners move a frozen target again."""
    frozen = reader.frozen()
    if target not in frozen:
        known = ", ".join(frozen) or "nothing is frozen"
        raise CommandRefused("not_frozen", f"{target} is not frozen", known)
    return c.Freeze(target=target, frozen=False, **base)


def _known(reader: Reader, name: str) -> tuple[str, ChangeState]:
    found = reader.change(name.upper())
    if found is None:
        ids = [record.change.id for record in reader.changes(200)]
        near = get_close_matches(name.upper(), ids, n=1)
        hint = f"did you mean {near[0]}?" if near else "`quarterdeck changes` lists all"
        raise CommandRefused("unknown_change", f"there is no change {name}", hint)
    return found.change.id, found.change.state


def _asked(reader: Reader, name: str) -> str:
    found, state = _known(reader, name)
    if state is not ChangeState.ASKED:
        raise CommandRefused("not_asked", f"{found} does not wait for an answer", f"it is {state}")
    return found


def _target(reader: Reader, text: str) -> str:
    """A target that learners could move: one of the ledger's, a parameter, a coin, a pattern.

    The scope belongs to it: a parameter frozen for everywhere is still free in a strategy.
    """
    from app.tunables import import_engine
    from engine.core.parameters import declared

    known = {record.change.target.text for record in reader.changes()}
    if text == EVERYTHING or text in known:
        return text
    kind, _, name = text.partition(" ")
    if kind in tuple(TargetKind) and name:
        return text
    import_engine()
    parameter = text.partition(" · ")[0]
    if parameter in declared():
        return text
    near = get_close_matches(text, [*known, *declared()], n=1)
    raise CommandRefused(
        "unknown_target", f"nothing that learners could move is called {text!r}",
        f"did you mean {near[0]}?" if near else "write it as `changes` shows it, or *",
    )  # fmt: skip
