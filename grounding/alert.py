"""An alert: one event for one query on one camera, told in states of one id."""

import hashlib
from typing import Literal

import msgspec

AlertState = Literal["opened", "updated", "closed"]


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """One published state of an alert; all times are UTC seconds.

    `session` and `query_version` are those that opened it. `score` is the highest probability of
    its moments so far, `saliency` (UTC seconds of a clip's middle, probability) around the event,
    `at` how far the camera had been seen when this state came about.
    """

    alert_id: str
    revision: int  # 1, 2, ... over the alert's life
    state: AlertState
    query_id: str
    query: str
    query_version: int
    severity: str
    camera_id: str
    session: int
    start: float
    end: float
    score: float
    saliency: tuple[tuple[float, float], ...]
    at: float
    bundle: str = ""

    @property
    def event_id(self) -> str:
        """The id of this very event, the same however often it is delivered."""
        return f"{self.alert_id}.{self.revision}"


def alert_id(query_id: str, camera_id: str, session: int, first_clip: int) -> str:
    """SHA-256 of what an alert is about; `first_clip` is the first clip of the firing moment."""
    parts = msgspec.json.encode([query_id, camera_id, session, first_clip])
    return hashlib.sha256(parts).hexdigest()
