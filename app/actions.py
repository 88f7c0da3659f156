"""The registry of actions: what a person can do here, by which key, and when not.

Bindings, footer line, help, palette, documentation and the keymap check all read this one
table, so that none of them can promise a key that another does not know.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from app import state as why
from app.state import UiState


class Danger(StrEnum):
    """What an action may cost. ASKS opens a dialog; TYPED wants a word typed in full."""

    NONE = "none"
    SAFE = "safe"
    ACTS = "acts"
    ASKS = "asks"
    TYPED = "typed"


@dataclass(frozen=True)
class Action:
    """One thing a person can do.

    `scope` is `global` or the id of the screen on which it exists; `panels` are the panels
    in whose footer it is offered (empty: all). `handler` names the method of the
    application that does it, `argument` what it is called with.
    """

    id: str
    title: str
    keys: tuple[str, ...]
    handler: str
    group: str
    scope: str = "global"
    danger: Danger = Danger.NONE
    why_disabled: Callable[[UiState], str] = why.always
    footer: str = ""
    panels: tuple[str, ...] = ()
    argument: str = ""
    help: str = ""

    def with_keys(self, keys: tuple[str, ...]) -> Action:
        """The same action on other keys."""
        return Action(**{**self.__dict__, "keys": keys})


SCREENS: tuple[tuple[str, str, str], ...] = (
    ("1", "desk", "Desk"),
    ("2", "signals", "Signals"),
    ("3", "reasoning", "Reasoning"),
    ("4", "learning", "Learning"),
    ("5", "risk", "Risk"),
    ("6", "lab", "Lab"),
    ("7", "journal", "Journal"),
)

_SCREEN_ACTIONS = tuple(
    Action(
        f"screen.{name}",
        f"{title} screen",
        (key,),
        "open_screen",
        "Screens",
        why_disabled=why.lab_missing if name == "lab" else why.always,
        argument=name,
    )
    for key, name, title in SCREENS
)

_DRILLS = tuple(
    Action(
        f"drill.{name}",
        f"Run drill: {name.replace('-', ' ')}",
        (),
        "drill",
        "Drills",
        danger=Danger.SAFE,
        why_disabled=why.no_drill,
        argument=name,
        help=f"on a paper engine of its own: {what}",
    )
    for name, what in (
        ("feed-drop", "the connection to the market is cut"),
        ("stale-feed", "the connection stays up and brings nothing"),
        ("flash-crash", "the price falls by more than a tenth within 45 s"),
        ("runaway", "a strategy asks for entries without end"),
    )
)

ACTIONS: tuple[Action, ...] = (
    *_SCREEN_ACTIONS,
    Action("approve", "Approve the proposal shown", ("a",), "approve", "Approvals", "desk",
           Danger.ACTS, why.no_proposal, "approve", ("approvals",),
           help="on PAPER at once, when it has been on screen for 250 ms; else it asks"),
    Action("reject", "Reject the proposal", ("x",), "reject", "Approvals", "desk",
           Danger.SAFE, why.no_proposal, "reject", ("approvals",),
           help="at once; a line for the reason follows"),
    Action("amend", "Edit size, stop, targets, leverage", ("e",), "amend", "Approvals", "desk",
           Danger.ASKS, why.no_proposal, "edit", ("approvals",),
           help="makes a new version, which then waits for your approval"),
    Action("override", "Override the machine", ("o",), "override", "Approvals",
           danger=Danger.ASKS, why_disabled=why.no_override, footer="override",
           panels=("approvals", "signals", "waterfall", "positions"),
           help="propose against a HOLD or soft denial, veto an entry, take a position over"),
    Action("stop", "Move the stop", ("s",), "move_stop", "Positions", "desk",
           Danger.ASKS, why.no_position, "stop", ("positions",)),
    Action("targets", "Move the targets", ("t",), "move_targets", "Positions", "desk",
           Danger.ASKS, why.no_position, "targets", ("positions",)),
    Action("close", "Close all or part", ("c",), "close_position", "Positions", "desk",
           Danger.ASKS, why.no_position, "close", ("positions",)),
    Action("order.cancel", "Cancel the order", ("x",), "cancel_order", "Orders", "journal",
           Danger.SAFE, why.no_order, "cancel", ("orders",)),
    Action("change.admit", "Admit the change that asks", ("a",), "admit_change", "Learning",
           "learning", Danger.ASKS, why.no_asking, "admit", ("changes",),
           help="it loosens risk; it is then watched like any other"),
    Action("change.refuse", "Refuse the change that asks", ("x",), "refuse_change", "Learning",
           "learning", Danger.SAFE, why.no_asking, "refuse", ("changes",),
           help="at once; nothing was moved, so nothing comes back"),
    Action("change.revert", "Take the change back", ("u",), "revert_change", "Learning",
           "learning", Danger.ASKS, why.not_in_force, "revert", ("changes",),
           help="the exact old value returns"),
    Action("change.freeze", "Freeze the target, or set it free", ("f",), "freeze_target",
           "Learning", "learning", Danger.ACTS, why.no_change, "freeze", ("changes",),
           help="learners leave it alone; freezing is instant, setting free asks"),
    Action("learning.freeze", "Freeze everything against learners, or set it free", ("F",),
           "freeze_all", "Learning", "learning", Danger.ACTS, why.no_learner),
    Action("lore.edit", "Edit the coin, pair, pattern, rule or insight", ("e",), "edit_lore",
           "Learning", "learning", Danger.ASKS, why.no_lore, "edit",
           ("coins", "pairs", "patterns", "rules", "insights"),
           help="what you set stands; auto leaves it to the learners again"),
    Action("rule.new", "New rule", ("n",), "new_rule", "Learning", "learning", Danger.ASKS,
           why.no_learner, "new rule", ("rules",)),
    Action("pause", "Pause new entries, or resume", ("p",), "pause", "Control",
           danger=Danger.ACTS, why_disabled=why.disconnected, footer="pause",
           help="pausing is instant, from inside a dialog too; resuming asks"),
    Action("halt", "Halt: protective exits only", (), "halt", "Control",
           danger=Danger.SAFE, why_disabled=why.disconnected),
    Action("flatten", "FLATTEN: cancel all orders, close all positions", ("ctrl+x",), "flatten",
           "Control", danger=Danger.TYPED, why_disabled=why.nothing_open,
           help="opens a line in which the word FLATTEN is typed"),
    Action("approval.review", "Review every proposal", (), "approval_mode", "Control",
           danger=Danger.SAFE, why_disabled=why.disconnected, argument="review"),
    Action("approval.auto", "Let the engine approve its proposals", (), "approval_mode",
           "Control", danger=Danger.ASKS, why_disabled=why.disconnected, argument="auto"),
    Action("speed.up", "Play faster", ("plus",), "speed", "Control",
           danger=Danger.SAFE, why_disabled=why.not_playing, argument="up"),
    Action("speed.down", "Play slower", ("minus",), "speed", "Control",
           danger=Danger.SAFE, why_disabled=why.not_playing, argument="down"),
    Action("chart.in", "Chart: zoom in", ("right_square_bracket",), "zoom", "Chart", "desk",
           why_disabled=why.no_chart, footer="nearer", panels=("chart",), argument="-1"),
    Action("chart.out", "Chart: zoom out", ("left_square_bracket",), "zoom", "Chart", "desk",
           why_disabled=why.no_chart, footer="farther", panels=("chart",), argument="1",
           help="several bars a candle at the far end"),
    Action("chart.older", "Chart: back into the past", ("less_than_sign",), "pan", "Chart",
           "desk", why_disabled=why.no_chart, footer="older", panels=("chart",), argument="-1"),
    Action("chart.newer", "Chart: towards now", ("greater_than_sign",), "pan", "Chart", "desk",
           why_disabled=why.no_chart, footer="newer", panels=("chart",), argument="1"),
    Action("chart.back", "Chart: read the candle before", ("comma",), "point", "Chart", "desk",
           why_disabled=why.no_chart, footer="read", panels=("chart",), argument="-1",
           help="its prices and what was traded in it stand above; esc leaves"),
    Action("chart.forth", "Chart: read the candle after", ("full_stop",), "point", "Chart",
           "desk", why_disabled=why.no_chart, argument="1"),
    Action("chart.frame", "Chart: next timeframe", ("T",), "timeframe", "Chart", "desk",
           why_disabled=why.no_chart, footer="timeframe", panels=("chart",),
           help="candles and indicators of whole numbers of decision bars, up to a day"),
    Action("chart.overlay", "Chart overlay…", ("i",), "overlay", "Chart", "desk",
           why_disabled=why.no_overlays, footer="overlay", panels=("chart",),
           help="any indicator of ta by name, such as ema_indicator window=50"),
    Action("recall.older", "Time machine: the decision before", ("less_than_sign",), "recall",
           "Time machine", "reasoning", footer="older", panels=("machine",), argument="older",
           help="of the whole journal, also before what the list holds"),
    Action("recall.newer", "Time machine: the decision after", ("greater_than_sign",), "recall",
           "Time machine", "reasoning", footer="newer", panels=("machine",), argument="newer"),
    Action("recall.again", "Time machine: make the decision again", ("r",), "again",
           "Time machine", "reasoning", footer="again", panels=("machine", "decision", "reasoning"),
           help="by this version, from the journaled inputs; tells every difference"),
    Action("move.down", "Down", ("j", "down"), "move", "Moving",
           why_disabled=why.too_small, argument="1"),
    Action("move.up", "Up", ("k", "up"), "move", "Moving",
           why_disabled=why.too_small, argument="-1"),
    Action("move.page_down", "Page down", ("pagedown", "ctrl+d"), "move", "Moving",
           why_disabled=why.too_small, argument="10"),
    Action("move.page_up", "Page up", ("pageup", "ctrl+u"), "move", "Moving",
           why_disabled=why.too_small, argument="-10"),
    Action("move.top", "First", ("g", "home"), "move", "Moving",
           why_disabled=why.too_small, argument="-1000000"),
    Action("move.bottom", "Last", ("G", "end"), "move", "Moving",
           why_disabled=why.too_small, argument="1000000"),
    Action("panel.next", "Next panel", ("tab", "right"), "next_panel", "Moving",
           footer="panel", argument="1"),
    Action("panel.previous", "Previous panel", ("shift+tab", "left"), "next_panel", "Moving",
           argument="-1"),
    Action("detail", "Open detail", ("enter",), "detail", "View",
           why_disabled=why.too_small, footer="detail"),
    Action("filter", "Filter the panel", ("slash",), "filter", "View",
           why_disabled=why.too_small, footer="filter"),
    Action("sort", "Sort by the next column", ("S",), "sort", "View",
           why_disabled=why.no_table, help="after the last column, rows stand as they came"),
    Action("sort.reverse", "Reverse the order", ("R",), "sort_reverse", "View",
           why_disabled=why.no_order_to_reverse),
    Action("maximise", "Maximise the panel", ("z",), "maximise", "View",
           why_disabled=why.too_small, footer="max"),
    Action("freeze", "Freeze the view, not trading", ("space",), "freeze", "View",
           why_disabled=why.too_small),
    Action("back", "Back", ("escape",), "back", "View"),
    Action("copy", "Copy what is selected (OSC 52)", ("y",), "copy", "View",
           why_disabled=why.too_small),
    Action("write", "Write the panel to a file", ("w",), "write_file", "View",
           why_disabled=why.no_file),
    Action("redraw", "Draw everything anew", ("ctrl+l",), "redraw", "View",
           help="when something else has written over the screen"),
    Action("theme", "Next theme", (), "next_theme", "View"),
    Action("palette", "Command palette", ("ctrl+p",), "palette", "Quarterdeck"),
    Action("help", "Help: every live key", ("question_mark",), "help", "Quarterdeck",
           footer="help"),
    Action("quit", "Quit", ("q", "ctrl+c"), "quit_dialog", "Quarterdeck",
           danger=Danger.ASKS, footer="quit"),
    *_DRILLS,
)  # fmt: skip

BY_ID: Mapping[str, Action] = {action.id: action for action in ACTIONS}

_NAMES = {
    "question_mark": "?", "slash": "/", "escape": "esc", "plus": "+", "minus": "-",
    "pagedown": "pgdn", "pageup": "pgup", "down": "↓", "up": "↑", "left": "←", "right": "→",
    "left_square_bracket": "[", "right_square_bracket": "]",
    "less_than_sign": "<", "greater_than_sign": ">", "comma": ",", "full_stop": ".",
}  # fmt: skip


def key_label(key: str) -> str:
    """How a key is written for a person: `?` for `question_mark`, `esc` for `escape`."""
    return _NAMES.get(key, key)


def keys_label(action: Action) -> str:
    """All keys of an action in one text."""
    return " ".join(map(key_label, action.keys))


def overlap(one: Action, other: Action) -> bool:
    """Whether two actions can be live at the same time, so that one key can't serve both."""
    return "global" in (one.scope, other.scope) or one.scope == other.scope


def live(actions: tuple[Action, ...], screen: str) -> tuple[Action, ...]:
    """The actions that exist on a screen."""
    return tuple(a for a in actions if a.scope in ("global", screen))


def for_key(actions: tuple[Action, ...], key: str, screen: str) -> Action | None:
    """What a key does on a screen; scopes never overlap, so that there is at most one."""
    return next((a for a in live(actions, screen) if key in a.keys), None)


def actions_markdown(actions: tuple[Action, ...] = ACTIONS) -> str:
    """The table of keys for the documentation."""
    lines = ["| key | action | where | danger |", "|---|---|---|---|"]
    for action in actions:
        keys = " ".join(f"`{key_label(key)}`" for key in action.keys) or "palette"
        title = f"{action.title} ({action.help})" if action.help else action.title
        where = "everywhere" if action.scope == "global" else action.scope
        lines.append(f"| {keys} | {title} (`{action.id}`) | {where} | {action.danger.value} |")
    return "\n".join(lines) + "\n"
