"""What somebody thought of an alert, on `watchword.feedback.v1`."""

import msgspec

from grounding.alert import Alert
from grounding.stored_alert import Feedback, Verdict
from streamer.schema import RecordDecoder


class FeedbackRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A judgement of an alert, `at` UTC seconds; a later one of the same alert takes its place."""

    schema: int = 1
    alert_id: str
    query_id: str
    query_version: int
    camera_id: str
    start: float
    end: float
    score: float
    verdict: Verdict
    note: str = ""
    by: str = ""
    at: float = 0.0


_decoder = RecordDecoder(FeedbackRecord, "feedback")


def pack_feedback(alert: Alert, feedback: Feedback) -> bytes:
    """The judgement as JSON, with what it is of."""
    return msgspec.json.encode(
        FeedbackRecord(
            alert_id=alert.alert_id,
            query_id=alert.query_id,
            query_version=alert.query_version,
            camera_id=alert.camera_id,
            start=alert.start,
            end=alert.end,
            score=alert.score,
            verdict=feedback.verdict,
            note=feedback.note,
            by=feedback.by,
            at=feedback.at,
        )
    )


def unpack_feedback(value: bytes) -> FeedbackRecord:
    """The judgement.

    Raises:
        RecordError: the bytes are no feedback, or of a later schema.
    """
    return _decoder.decode(value)
