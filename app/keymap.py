"""Keys of a person's own choice, checked before the first of them is pressed.

A wrong keymap must be a sentence at the start rather than a surprise at the approval queue,
so unknown ids, clashes and keys that terminals and multiplexers keep for themselves are
refused by name.
"""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches

from app.actions import ACTIONS, Action, Danger, key_label, overlap
from engine.core.errors import ConfigError

FORBIDDEN = {
    "ctrl+s": "it stops the output of many terminals",
    "ctrl+b": "it is the prefix key of tmux",
}
FORBIDDEN_MODIFIERS = {
    "alt": "terminals send it as escape",
    "super": "window managers keep it",
    "meta": "window managers keep it",
}
_SPELLED = {
    "?": "question_mark", "/": "slash", "+": "plus", "-": "minus", "esc": "escape",
    "return": "enter", "pgdn": "pagedown", "pgup": "pageup", " ": "space", ",": "comma",
    ".": "full_stop", ";": "semicolon", ":": "colon", "!": "exclamation_mark",
    "=": "equals_sign", "_": "underscore", "#": "number_sign", "*": "asterisk",
    "[": "left_square_bracket", "]": "right_square_bracket",
    "<": "less_than_sign", ">": "greater_than_sign",
}  # fmt: skip


def normal_key(key: str) -> str:
    """A key as Textual names it: `?` becomes `question_mark`, `Ctrl+X` `ctrl+x`."""
    text = key if key == " " else key.strip()
    if len(text) == 1 or "+" not in text[:-1]:
        return _SPELLED.get(text, text if len(text) == 1 else text.lower())
    *modifiers, last = text.split("+")
    last = _SPELLED.get(last, last if len(last) == 1 else last.lower())
    names = [name.strip().lower() for name in modifiers]
    return "+".join([*names, last.lower() if "ctrl" in names else last])


def check_key(action: Action, key: str) -> None:
    """Raise `ConfigError` for a key that would not arrive, or not mean one thing."""
    if not key:
        raise ConfigError(f"keys.{action.id}: an empty key", "name a key or leave the line out")
    *modifiers, _last = key.split("+") if len(key) > 1 else [key]
    for modifier in modifiers:
        if modifier in FORBIDDEN_MODIFIERS:
            reason = FORBIDDEN_MODIFIERS[modifier]
            raise ConfigError(f"keys.{action.id}: no key needs {modifier}, since {reason}")
    if key in FORBIDDEN:
        raise ConfigError(f"keys.{action.id}: {key} can't be used, since {FORBIDDEN[key]}")
    if action.danger is Danger.TYPED and len(key) == 1:
        raise ConfigError(
            f"keys.{action.id}: {key!r} is a bare key",
            "what can't be undone on more than one order takes a modifier",
        )


def clashes(actions: tuple[Action, ...]) -> list[str]:
    """Sentences naming each key that two actions claim where both can be live."""
    found = []
    for index, one in enumerate(actions):
        for other in actions[index + 1 :]:
            shared = [key for key in one.keys if key in other.keys]
            if shared and overlap(one, other):
                found.append(f"{key_label(shared[0])} is claimed by {one.id} and {other.id}")
    return found


def apply(overrides: Mapping[str, str | list[str]]) -> tuple[Action, ...]:
    """The registry with a person's keys. Raises `ConfigError` naming what can't be."""
    by_id = {action.id: action for action in ACTIONS}
    for name, value in overrides.items():
        action = by_id.get(name)
        if action is None:
            close = get_close_matches(name, by_id, n=1)
            hint = f"did you mean {close[0]}?" if close else "the help (?) lists every id"
            raise ConfigError(f"keys.{name}: no such action", hint)
        raw = [","] if value == "," else value.split(",") if isinstance(value, str) else value
        keys = tuple(normal_key(str(key)) for key in raw)
        for key in keys:
            check_key(action, key)
        by_id[name] = action.with_keys(keys)
    actions = tuple(by_id.values())
    if found := clashes(actions):
        raise ConfigError(f"keys: {'; '.join(found)}", "give one of them another key")
    return actions
