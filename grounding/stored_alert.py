"""Alerts as a store keeps them: the newest state of each, and every event in the order told."""

from typing import Literal

import msgspec

from grounding.alert import Alert, AlertState

Verdict = Literal["right", "wrong", "unsure"]
Suppression = Literal["silence", "cooldown"]


class Feedback(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody thought of an alert, at `at` (UTC seconds)."""

    verdict: Verdict
    note: str = ""
    by: str = ""
    at: float = 0.0


class StoredAlert(msgspec.Struct, frozen=True, kw_only=True):
    """An alert's newest state, and what became of it; times are UTC seconds.

    `sequence` is that of its newest event; `suppressed` says why nobody was told (decided when it
    opened), with `suppressed_by` the id of the silence or of the earlier alert.
    """

    alert: Alert
    sequence: int
    opened_at: float  # when the store took it in
    suppressed: Suppression | None = None
    suppressed_by: str = ""
    acknowledged_at: float | None = None
    acknowledged_by: str = ""
    feedback: Feedback | None = None


class AlertEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One state of an alert as it was told; `sequence` rises by event, over all alerts."""

    sequence: int
    alert: Alert
    suppressed: Suppression | None = None


class AlertFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which alerts a reader wants; None and () mean all. Times are of the alert's start, UTC."""

    query_ids: tuple[str, ...] = ()
    camera_ids: tuple[str, ...] = ()
    states: tuple[AlertState, ...] = ()
    severities: tuple[str, ...] = ()
    since: float | None = None
    until: float | None = None
    acknowledged: bool | None = None
    suppressed: bool | None = None
