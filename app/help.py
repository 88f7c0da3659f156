"""The help: every live key of the screen, by group, and why the dead ones are dead."""

from __future__ import annotations

from app.actions import Action, keys_label, live
from app.chrome import Parts
from app.state import UiState


def help_rows(actions: tuple[Action, ...], state: UiState) -> list[Parts]:
    """Lines of the help for the screen in this state."""
    rows: list[Parts] = []
    here = live(actions, state.screen)
    for group in dict.fromkeys(action.group for action in here):
        rows.append([(group, "bold note")])
        for action in here:
            if action.group != group:
                continue
            why = action.why_disabled(state)
            keys = keys_label(action) or "palette"
            row: list[tuple[str, str]] = [
                (f"  {keys:<14}", "muted" if why else "bold"),
                (action.title, "muted" if why else ""),
            ]
            if why:
                row.append((f"  not now: {why}", "warn"))
            elif action.help:
                row.append((f"  {action.help}", "muted"))
            rows.append(row)
        rows.append([])
    rows.append([("Keys can be changed in the configuration, section [keys].", "muted")])
    return rows
