"""A standing query as grounding sees it."""

from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from encoder.embedding import TextFeatures


@dataclass(frozen=True, slots=True, eq=False)
class StandingQuery:
    """A text that is watched for, with the probability from which it alerts.

    `threshold` is compared with a moment's calibrated probability; it is given by the user or
    derived from an alert budget. `cameras` names camera ids, `*` standing for any run of letters.
    """

    query_id: str
    text: str
    features: TextFeatures
    threshold: float
    version: int = 1
    severity: str = "warning"
    negatives: tuple[TextFeatures, ...] = field(default=())
    cameras: tuple[str, ...] = ("*",)

    def watches(self, camera_id: str) -> bool:
        """Whether the camera is in this query's scope."""
        return any(fnmatchcase(camera_id, pattern) for pattern in self.cameras)
