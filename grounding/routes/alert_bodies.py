"""Alerts as HTTP tells them: the fields of the published record, and what became of them."""

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from grounding.alert import Alert, AlertState
from grounding.alert_evidence import AboutClip
from grounding.record import alert_record, as_json, rfc3339
from grounding.stored_alert import AlertEvent, Feedback, StoredAlert, Suppression, Verdict
from streamer.shape import Note, Shape

EXAMPLE = Alert(
    alert_id="9f2c4be1" * 8,
    revision=1,
    state="opened",
    query_id="b1f51a511f1d",
    query="a car accident",
    query_version=1,
    severity="warning",
    camera_id="yard",
    session=1740816000000,
    start=1740816006.0,
    end=1740816010.0,
    score=0.98,
    saliency=((1740816005.0, 0.01), (1740816007.0, 0.98), (1740816009.0, 0.97)),
    at=1740816012.0,
    bundle="watchword-lite",
)

# Text as the record holds it, so that an event of the stream and a page of the list read alike
Time = Annotated[str, Field(json_schema_extra={"format": "date-time"})]


class AlertReply(BaseModel):
    """One state of an alert: an event on one camera that a query describes."""

    model_config = ConfigDict(json_schema_extra={"examples": [as_json(alert_record(EXAMPLE))]})

    id: str = Field(description="The same in every state of the alert.")
    state: AlertState
    query: str = Field(description="The text of the query.")
    query_id: str
    camera: str = Field(description="The camera's id.")
    start: Time
    end: Time = Field(description="How far the event is known to last.")
    start_seconds: float | None = Field(description="Always null here: offsets are for files.")
    end_seconds: float | None = Field(description="Always null here: offsets are for files.")
    score: float = Field(description="The calibrated probability, the highest so far.")
    saliency: list[tuple[float, float]] = Field(
        description="Pairs of a clip's middle (UTC seconds) and its probability."
    )
    bundle: str = Field(description="The models that found it.")
    camera_id: str
    query_version: int = Field(description="The version of the query that opened it.")
    severity: str
    revision: int = Field(description="1, 2, ... over the alert's life.")
    session: int = Field(description="The camera's connection that opened it (UTC milliseconds).")
    at: Time = Field(description="How far the camera had been seen at this state.")


class FeedbackReply(BaseModel):
    """What somebody thought of an alert."""

    verdict: Verdict
    note: str
    by: str
    at: Time


class StoredAlertReply(AlertReply):
    """An alert's newest state, and what became of it."""

    model_config = ConfigDict(json_schema_extra=None)

    opened_at: Time = Field(description="When the server learned of it.")
    acknowledged_at: Time | None
    acknowledged_by: str | None
    suppressed: Suppression | None = Field(description="Why nobody was told; null if it was told.")
    suppressed_by: str | None = Field(description="The silence, or for a cooldown the alert.")
    feedback: FeedbackReply | None


class AlertClipReply(BaseModel):
    """What the clip of an alert shows."""

    start: Time = Field(description="When the clip's first picture was seen.")
    end: Time = Field(description="When its last picture ended.")
    offset_seconds: float = Field(description="Where in the clip the alert begins.")


class AlertHistoryReply(StoredAlertReply):
    """An alert with its clip and every state it has had, the first one first."""

    evidence: AlertClipReply | None = Field(
        description="What its clip.mp4 shows; null until it is kept, some time after it closed."
    )
    history: list[AlertReply]


class AlertPage(BaseModel):
    """Alerts, the newest first."""

    items: list[StoredAlertReply]
    next: str | None = Field(description="The cursor of the next page; null on the last one.")


class FeedbackRequest(Shape):
    """Whether the alert was right."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"verdict": "wrong", "note": "a parked car"}]}
    )

    verdict: Verdict
    note: Note = ""


def page_body(alerts: Sequence[StoredAlert], cursor: str | None) -> AlertPage:
    """Alerts and where the next ones are."""
    return AlertPage(items=[alert_body(alert) for alert in alerts], next=cursor)


def alert_body(stored: StoredAlert) -> StoredAlertReply:
    """An alert."""
    return StoredAlertReply(**_fields(stored))


def history_body(
    stored: StoredAlert, history: Sequence[AlertEvent], about: AboutClip | None = None
) -> AlertHistoryReply:
    """An alert, what its clip shows if one is kept, and its states."""
    states = [AlertReply(**as_json(alert_record(event.alert))) for event in history]
    clip = None
    if about is not None:
        clip = AlertClipReply(
            start=rfc3339(about.start),
            end=rfc3339(about.end),
            offset_seconds=about.offset_seconds,
        )
    return AlertHistoryReply(**_fields(stored), evidence=clip, history=states)


def _fields(stored: StoredAlert) -> dict[str, Any]:
    at = stored.acknowledged_at
    return as_json(alert_record(stored.alert)) | {
        "opened_at": rfc3339(stored.opened_at),
        "acknowledged_at": None if at is None else rfc3339(at),
        "acknowledged_by": None if at is None else stored.acknowledged_by,
        "suppressed": stored.suppressed,
        "suppressed_by": stored.suppressed_by if stored.suppressed else None,
        "feedback": _feedback(stored.feedback),
    }


def _feedback(given: Feedback | None) -> FeedbackReply | None:
    if given is None:
        return None
    return FeedbackReply(verdict=given.verdict, note=given.note, by=given.by, at=rfc3339(given.at))
