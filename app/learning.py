"""Learning: a person's answers to changes, and what they think of coins, patterns and hours.

Bound to what the terminal has painted, as approvals are; the ledger of the engine has the last
word, and what it says ends in the message line.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from app import dialogs
from app.dialogs import Answer, Choice, Field
from app.shown import Look, same_change
from engine.core import commands as cmd
from engine.core.learning import (
    Change,
    CoinScore,
    CoinStatus,
    Insight,
    PairScore,
    PairStatus,
    Pattern,
    Rule,
    RuleAction,
)
from engine.core.regimes import VolLevel
from widgets.ledger import summary

if TYPE_CHECKING:
    from app.app import QuarterdeckApp
    from app.chrome import Parts

EVERYTHING = "*"

AUTO = "auto"
"""What is written to leave something to the learners again."""
WIDTH = 72


class Learning:
    """Admit, refuse, revert, freeze; edit what is known."""

    def __init__(self, deck: QuarterdeckApp) -> None:
        self.deck = deck

    def _painted(self) -> Change | None:
        """The change that a person has read, or None after saying why not."""
        change = self.deck.shown_change.item
        if change is None:
            self.deck.say("the ledger is not on screen yet: press again", "warn")
            return None
        if self.deck.reveal("changes"):
            self.deck.say(f"Ledger: {change.id} {change.target.text} is selected", "note")
            return None
        look, _ = self.deck.shown_change.look(change, self.deck.mono())
        if look is Look.CHANGED:
            words = f"{change.id} has just come under the cursor: read it, then press again"
            self.deck.say(words, "warn")
            return None
        return change

    def _rows(self, change: Change) -> list[Parts]:
        view = self.deck.view
        now_ns = view.time_ns if view is not None else 0
        return [list(line) for line in summary(change, WIDTH, now_ns)]

    def _still(self, change: Change) -> bool:
        """Whether the engine has the change as it was asked about."""
        snapshot = self.deck.snapshot
        view = snapshot.learning if snapshot is not None else None
        now = next((one for one in view.changes if one.id == change.id), None) if view else None
        if same_change(change, now):
            return True
        state = now.state.value if now is not None else "gone"
        self.deck.say(f"{change.id} has moved meanwhile, it is {state}: nothing was done", "warn")
        return False

    # Answers to changes.

    def do_admit_change(self, _argument: str) -> None:
        change = self._painted()
        if change is None:
            return
        dialog = self.deck.dialog(
            f"Admit {change.id}? It {change.lean.value} risk.",
            self._rows(change),
            [Choice("y", "Admit", "yes", danger=True), Choice("r", "Refuse", "no")],
            "a",
        )
        self.deck.ask(dialog, lambda answer: self._admit_answered(change, answer))

    def _admit_answered(self, change: Change, answer: Answer) -> None:
        if answer in ("yes", "no") and self._still(change):
            self._answer(change, answer == "yes")

    def _answer(self, change: Change, admit: bool, reason: str = "") -> None:
        verb = "admit" if admit else "refuse"
        self.deck.order(
            cmd.AnswerChange(id=self.deck.new_id(), change=change.id, admit=admit, reason=reason),
            f"{verb} {change.id}",
        )

    def do_refuse_change(self, _argument: str) -> None:
        change = self._painted()
        if change is not None and self._still(change):
            self._answer(change, admit=False)

    def do_revert_change(self, _argument: str) -> None:
        change = self._painted()
        if change is None:
            return
        form = self.deck.form(
            f"Take {change.id} back? {change.target.text} returns to what it was.",
            self._rows(change),
            [Field("reason", "why", "", dialogs.reason_check)],
            "Take it back",
        )
        self.deck.ask(form, lambda answer: self._revert_answered(change, answer))

    def _revert_answered(self, change: Change, answer: Answer) -> None:
        if isinstance(answer, dict) and self._still(change):
            self.deck.order(
                cmd.RevertChange(id=self.deck.new_id(), change=change.id, reason=answer["reason"]),
                f"take {change.id} back",
            )

    def do_freeze_target(self, _argument: str) -> None:
        change = self._painted()
        if change is not None:
            self._freeze(change.target.text)

    def do_freeze_all(self, _argument: str) -> None:
        self._freeze(EVERYTHING)

    def _freeze(self, target: str) -> None:
        """Freezing is instant; letting learners again asks."""
        snapshot = self.deck.snapshot
        view = snapshot.learning if snapshot is not None else None
        if view is None:
            return
        name = "everything" if target == EVERYTHING else target
        if target not in view.frozen:
            command = cmd.Freeze(id=self.deck.new_id(), target=target, frozen=True)
            self.deck.order(command, f"freeze {name}")
            return
        dialog = self.deck.dialog(
            f"Let learners move {name} again?", [], [Choice("y", "Let them", "yes")], "f"
        )
        free = cmd.Freeze(id=self.deck.new_id(), target=target, frozen=False)
        self.deck.ask(
            dialog,
            lambda answer: self.deck.order(free, f"unfreeze {name}") if answer == "yes" else None,
        )

    # What is known.

    def do_edit_lore(self, _argument: str) -> None:
        screen = self.deck.base_screen()
        lore = self.deck.chosen_lore(screen) if screen is not None else None
        if isinstance(lore, CoinScore):
            self._edit_coin(lore)
        elif isinstance(lore, PairScore):
            self._edit_pair(lore)
        elif isinstance(lore, Pattern):
            self._switch_pattern(lore)
        elif isinstance(lore, Insight):
            self._edit_insight(lore)
        elif isinstance(lore, Rule):
            self._edit_rule(lore)

    def _edit_coin(self, coin: CoinScore) -> None:
        form = self._status_form(
            f"What is thought of {coin.symbol}? Learners leave it alone then.",
            coin.status.value,
            (*(one.value for one in CoinStatus), AUTO),
        )
        self.deck.ask(form, lambda answer: self._send_coin(coin, answer))

    def _status_form(self, title: str, status: str, words: tuple[str, ...]) -> dialogs.Form:
        """A status out of a few words, and why."""
        return self.deck.form(
            title,
            [[(", ".join(words), "muted")], [(f"{AUTO} leaves it to the learners again", "muted")]],
            [
                Field("status", "status", status, lambda text: ""
                      if text.lower() in words else f"write {', '.join(words)}"),
                Field("reason", "why", "", dialogs.optional),
            ],
            "Set it",
        )  # fmt: skip

    def _edit_pair(self, pair: PairScore) -> None:
        name = f"{pair.strategy} in {pair.symbol}"
        form = self._status_form(
            f"What is made of {name}? Learners leave it alone then.",
            pair.status.value,
            (*(one.value for one in PairStatus), AUTO),
        )
        self.deck.ask(form, lambda answer: self._send_pair(pair, name, answer))

    def _send_pair(self, pair: PairScore, name: str, answer: Answer) -> None:
        if isinstance(answer, dict):
            status = answer.get("status", pair.status.value).lower()
            self.deck.order(
                cmd.SetPair(
                    id=self.deck.new_id(), symbol=pair.symbol, strategy=pair.strategy,
                    status=status, reason=answer.get("reason", ""),
                ),
                f"set {name} to {status}",
            )  # fmt: skip

    def _edit_insight(self, insight: Insight) -> None:
        """Its words, or none: then it is struck out; the words it was found in restore it."""
        form = self.deck.form(
            f"Insight {insight.id}, found by {insight.source}: {insight.text}",
            [[("empty strikes it out; its first words restore it", "muted")]],
            [
                Field("text", "says", "" if insight.struck else insight.words, dialogs.optional),
                Field("reason", "why", insight.set_why, dialogs.optional),
            ],
            "Set it",
        )
        self.deck.ask(form, lambda answer: self._send_insight(insight, answer))

    def _send_insight(self, insight: Insight, answer: Answer) -> None:
        if not isinstance(answer, dict):
            return
        text = answer.get("text", "" if insight.struck else insight.words).strip()
        restored = text == insight.text
        verb = "restore" if restored else "reword" if text else "strike out"
        self.deck.order(
            cmd.SetInsight(
                id=self.deck.new_id(), insight=insight.id, struck=not text,
                text="" if restored else text, reason=answer.get("reason", insight.set_why),
            ),
            f"{verb} {insight.id}",
        )  # fmt: skip

    def _send_coin(self, coin: CoinScore, answer: Answer) -> None:
        if isinstance(answer, dict):
            status = answer.get("status", coin.status.value).lower()
            self.deck.order(
                cmd.SetCoin(
                    id=self.deck.new_id(), symbol=coin.symbol, status=status,
                    reason=answer.get("reason", ""),
                ),
                f"set {coin.symbol} to {status}",
            )  # fmt: skip

    def _switch_pattern(self, pattern: Pattern) -> None:
        words = ("on", "off", AUTO)
        form = self._status_form(
            f"The pattern {pattern.id}: {pattern.description}",
            "on" if pattern.active else "off",
            words,
        )
        self.deck.ask(form, lambda answer: self._send_pattern(pattern, answer))

    def _send_pattern(self, pattern: Pattern, answer: Answer) -> None:
        if isinstance(answer, dict):
            state = answer.get("status", "on" if pattern.active else "off").lower()
            self.deck.order(
                cmd.SetPattern(
                    id=self.deck.new_id(), pattern=pattern.id,
                    active=None if state == AUTO else state == "on",
                    reason=answer.get("reason", ""),
                ),
                f"switch {pattern.id} to {state}",
            )  # fmt: skip

    def do_new_rule(self, _argument: str) -> None:
        self._edit_rule(None)

    def _edit_rule(self, rule: Rule | None) -> None:
        actions = ", ".join(one.value for one in RuleAction)
        form = self.deck.form(
            f"Rule {rule.id}" if rule is not None else "A new rule for entries",
            [[(f"does {actions}; hours and weekdays (Monday is 0) in UTC, empty is any", "muted")]],
            rule_fields(rule),
            "Set it",
        )
        self.deck.ask(form, lambda answer: self._send_rule(rule, answer))

    def _send_rule(self, rule: Rule | None, answer: Answer) -> None:
        if not isinstance(answer, dict) or not answer:
            return
        values = {field.name: field.value for field in rule_fields(rule)} | answer
        self.deck.order(
            cmd.SetRule(
                id=self.deck.new_id(),
                rule=rule.id if rule is not None else "",
                description=values["description"],
                action=values["action"].upper().replace(" ", "_"),
                hours=parse_numbers(values["hours"], 23) or (),
                weekdays=parse_numbers(values["weekdays"], 6) or (),
                vol_level=values["vol_level"].upper(),
                symbol=values["symbol"].upper(),
                active=values["active"].lower() in ("yes", "y", "on"),
            ),
            f"set rule {rule.id}" if rule is not None else "make a rule",
        )


def rule_fields(rule: Rule | None) -> list[Field]:
    """The lines of a rule's form, filled with the rule as it is."""
    levels = tuple(level.value for level in VolLevel)
    return [
        Field("description", "what for", rule.description if rule else "", dialogs.reason_check),
        Field("action", "does", rule.action.value if rule else "", lambda text: ""
              if text.upper().replace(" ", "_") in tuple(RuleAction)
              else f"write {', '.join(RuleAction)}"),
        Field("hours", "hours, such as 0-3 22", joined(rule.hours if rule else ()),
              lambda text: "" if parse_numbers(text, 23) is not None else "hours are 0 to 23"),
        Field("weekdays", "weekdays, such as 5 6", joined(rule.weekdays if rule else ()),
              lambda text: "" if parse_numbers(text, 6) is not None else "weekdays are 0 to 6"),
        Field("vol_level", "volatility", rule.vol_level if rule else "", lambda text: ""
              if not text or text.upper() in levels else f"write {', '.join(levels)} or nothing"),
        Field("symbol", "only this symbol", rule.symbol if rule else "", dialogs.optional),
        Field("active", "active (yes or no)", "yes" if rule is None or rule.active else "no",
              lambda text: "" if text.lower() in ("yes", "no", "y", "n") else "write yes or no"),
    ]  # fmt: skip


def joined(values: tuple[int, ...]) -> str:
    """Numbers as a form shows them."""
    return " ".join(map(str, values))


def parse_numbers(text: str, most: int) -> tuple[int, ...] | None:
    """Numbers and ranges such as `0-3 22`, each from 0 to `most`; None where one is none."""
    found: list[int] = []
    for word in text.replace(",", " ").split():
        first, dash, last = word.partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()):
            return None
        low, high = int(first), int(last) if dash else int(first)
        if not 0 <= low <= high <= most:
            return None
        found += range(low, high + 1)
    return tuple(sorted(set(found)))
