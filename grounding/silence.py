"""A silence: for a while, alerts that match are kept and shown, but nobody is told."""

from fnmatch import fnmatchcase

import msgspec

from grounding.alert import Alert


class Silence(msgspec.Struct, frozen=True, kw_only=True):
    """From `starts_at` until `ends_at` (UTC seconds), for these queries on these cameras.

    `queries` names query ids, `cameras` camera ids, `*` standing for any run of letters.
    """

    schema: int = 1
    silence_id: str
    starts_at: float
    ends_at: float
    revision: int = 0  # given by the store
    queries: tuple[str, ...] = ("*",)
    cameras: tuple[str, ...] = ("*",)
    comment: str = ""
    created_at: float = 0.0
    created_by: str = ""

    def covers(self, alert: Alert, now: float) -> bool:
        """Whether an alert that opens now is silenced."""
        return (
            self.starts_at <= now < self.ends_at
            and any(fnmatchcase(alert.query_id, pattern) for pattern in self.queries)
            and any(fnmatchcase(alert.camera_id, pattern) for pattern in self.cameras)
        )
