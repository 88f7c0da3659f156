"""The adaptive gate: how much score an entry needs, from how each range of scores has done.

Three buckets of score, each with the share of winners that it should reach. Where a bucket with
enough outcomes falls well below it, the threshold rises above that bucket; where the bucket just
under the threshold does better than it would have to, a lower threshold is asked for. Rising is
a trial like any other, falling asks a person, and the ledger finds out what either was worth.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from engine.core.clock import DAY
from engine.core.learning import (
    ChangeKind,
    Evidence,
    Lean,
    Opportunity,
    Outcome,
    Path,
    Suggestion,
    Trials,
)
from engine.core.parameters import Parameter, Parameters, declare
from engine.learning import settings
from engine.learning.adjust import parameter, text_of
from engine.learning.base import Learner
from engine.learning.exits import LOOKBACK, on_grid
from engine.risk.entryscore import THRESHOLD, score_of

LEAST = declare(
    "gate.min_samples_bucket", 30, low=10, high=100, step=5, unit="count", scopes="G",
    doc="Outcomes that a range of scores needs before the gate follows it.",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Bucket:
    """A range of scores: its bounds, the share of winners it should reach, the share below
    which the threshold rises, and where to."""

    low: float
    high: float
    target: Parameter
    poor: float
    raises_to: float

    @property
    def name(self) -> str:
        return f"{self.low:g} to {self.high:g}" if self.high < 100 else f"above {self.low:g}"


BUCKETS = (
    Bucket(
        2.5, 3.0,
        declare(
            "gate.bucket_win_target_low", 0.60, low=0.45, high=0.75, step=0.01, unit="ratio",
            scopes="GR", risk=-1, doc="Share of winners asked of scores from 2.5 to 3.",
        ),
        0.45, 3.0,
    ),
    Bucket(
        3.0, 4.0,
        declare(
            "gate.bucket_win_target_mid", 0.55, low=0.45, high=0.70, step=0.01, unit="ratio",
            scopes="GR", risk=-1, doc="Share of winners asked of scores from 3 to 4.",
        ),
        0.45, 3.25,
    ),
    Bucket(
        4.0, 1e9,
        declare(
            "gate.bucket_win_target_high", 0.50, low=0.40, high=0.65, step=0.01, unit="ratio",
            scopes="GR", risk=-1, doc="Share of winners asked of scores above 4.",
        ),
        0.40, 3.5,
    ),
)  # fmt: skip


class AdaptiveGate(Learner):
    """Moves `entry.threshold_score` by what ranges of scores have done. Kernel thread only."""

    name = "adaptive gate"

    def __init__(self, params: Parameters) -> None:
        self._params = params

    def daily(
        self, past: Sequence[tuple[Opportunity, Path, Outcome]], now_ns: int
    ) -> Iterator[Suggestion | Trials | None]:
        since = now_ns - int(self._params.get(LOOKBACK)) * DAY
        recent = [(o, out) for o, _, out in past if o.opened_ns >= since]
        threshold = float(self._params.get(THRESHOLD))
        for bucket in BUCKETS:
            inside = [
                (o, out) for o, out in recent if bucket.low <= score_of(o.confidence) < bucket.high
            ]
            if len(inside) < int(self._params.get(LEAST)):
                continue
            share = sum(out.net > 0 for _, out in inside) / len(inside)
            evidence = self._evidence(bucket, inside, share)
            if share < bucket.poor and threshold < bucket.raises_to:
                yield self._suggestion(
                    bucket.raises_to, Lean.TIGHTENS, evidence,
                    f"{share:.0%} of scores {bucket.name} won, below {bucket.poor:.0%}",
                )  # fmt: skip
                return
            if share >= float(self._params.get(bucket.target)) and threshold > bucket.low:
                yield self._suggestion(
                    bucket.low, Lean.LOOSENS, evidence,
                    f"{share:.0%} of scores {bucket.name} won, as asked of them",
                )  # fmt: skip
                return

    def _suggestion(self, to: float, lean: Lean, evidence: Evidence, reason: str) -> Suggestion:
        return Suggestion(
            target=parameter(THRESHOLD.name),
            after=text_of(on_grid(THRESHOLD, to)),
            kind=ChangeKind.TRIAL,
            lean=lean,
            who=self.name,
            reason=reason,
            evidence=evidence,
            lasts_ns=int(self._params.get(settings.WATCH_DAYS)) * DAY,
        )

    def _evidence(
        self, bucket: Bucket, inside: list[tuple[Opportunity, Outcome]], share: float
    ) -> Evidence:
        return Evidence(
            metric=f"share of winners after fees, scores {bucket.name}",
            unit="ratio",
            n=len(inside),
            mean=share,
            ids=tuple(o.id for o, _ in inside),
            note="a floor for looking, no proof",
        )
