"""A standing query as grounding sees it."""

from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from math import inf

from encoder.embedding import TextFeatures
from grounding.schedule import Schedule


@dataclass(frozen=True, slots=True, eq=False)
class StandingQuery:
    """A text that is watched for, with the probability from which it alerts.

    `threshold` is compared with a moment's calibrated probability; it is given by the user or
    derived from an alert budget. `cameras` names camera ids, `*` standing for any run of letters.
    The version holds for windows that end at or after `effective_at` and before `until` (UTC
    seconds), inside its schedule. A film is of whatever time: for its windows the newest version
    holds, of which there is no `until`. `for_seconds` and `keep_firing_for_seconds` are what this
    query asks for beyond the running part's own settings.
    """

    query_id: str
    text: str
    features: TextFeatures
    threshold: float
    version: int = 1
    severity: str = "warning"
    negatives: tuple[TextFeatures, ...] = field(default=())
    cameras: tuple[str, ...] = ("*",)
    schedule: Schedule | None = None
    effective_at: float = -inf
    until: float = inf
    for_seconds: float = 0.0
    keep_firing_for_seconds: float = 0.0

    def watches(self, camera_id: str, at: float, is_film: bool = False) -> bool:
        """Whether a window of the camera that ends at `at` is in this query's scope."""
        return (
            (self.until == inf if is_film else self.effective_at <= at < self.until)
            and any(fnmatchcase(camera_id, pattern) for pattern in self.cameras)
            and (self.schedule is None or self.schedule.includes(at))
        )
