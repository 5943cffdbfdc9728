"""Alerts as JSON: on the alerts topic, and as `watch --json` prints them."""

from datetime import UTC, datetime
from typing import Any

import msgspec

from grounding.alert import Alert, AlertState
from streamer.errors import RecordError
from streamer.schema import RecordDecoder


class AlertRecord(msgspec.Struct, kw_only=True, omit_defaults=False):
    """The published fields of an alert, in the order they are printed.

    `start` and `end` are RFC 3339 UTC; `start_seconds` and `end_seconds` are offsets from the
    beginning of a file source, null for others. `saliency` holds (seconds, probability) pairs,
    the seconds on the file's clock where there is one, else UTC. Its schema is 1 and not printed:
    an event on the topic names it (`ce_dataschema`), and a later one says `schema` here too.
    """

    id: str
    state: AlertState
    query: str
    query_id: str
    camera: str
    start: str
    end: str
    start_seconds: float | None
    end_seconds: float | None
    score: float
    saliency: list[tuple[float, float]]
    bundle: str
    camera_id: str
    query_version: int
    severity: str
    revision: int
    session: int
    at: str


_decoder = RecordDecoder(AlertRecord, "alert record")


def alert_record(
    alert: Alert, camera: str | None = None, source_start: float | None = None
) -> AlertRecord:
    """The record of one state of an alert.

    `camera` is what the user calls the source (default: its id), `source_start` the UTC seconds
    at which a file source begins.
    """
    zero = source_start or 0.0
    return AlertRecord(
        id=alert.alert_id,
        state=alert.state,
        query=alert.query,
        query_id=alert.query_id,
        camera=camera or alert.camera_id,
        start=rfc3339(alert.start),
        end=rfc3339(alert.end),
        start_seconds=None if source_start is None else round(alert.start - zero, 3),
        end_seconds=None if source_start is None else round(alert.end - zero, 3),
        score=round(alert.score, 6),
        saliency=[(round(at - zero, 3), round(value, 4)) for at, value in alert.saliency],
        bundle=alert.bundle,
        camera_id=alert.camera_id,
        query_version=alert.query_version,
        severity=alert.severity,
        revision=alert.revision,
        session=alert.session,
        at=rfc3339(alert.at),
    )


def pack_alert(alert: Alert) -> bytes:
    """One state of an alert as the JSON of the alerts topic."""
    return msgspec.json.encode(alert_record(alert))


def unpack_alert(packed: bytes) -> Alert:
    """The alert of the topic's JSON.

    Raises:
        RecordError: the bytes are no alert record, or one of a later schema.
    """
    record = _decoder.decode(packed)
    try:
        start, end, at = (_seconds(text) for text in (record.start, record.end, record.at))
    except ValueError as error:
        raise RecordError(f"The bytes are no alert record: {error}.") from error
    return Alert(
        alert_id=record.id,
        revision=record.revision,
        state=record.state,
        query_id=record.query_id,
        query=record.query,
        query_version=record.query_version,
        severity=record.severity,
        camera_id=record.camera_id,
        session=record.session,
        start=start,
        end=end,
        score=record.score,
        saliency=tuple(record.saliency),
        at=at,
        bundle=record.bundle,
    )


def as_json(record: AlertRecord) -> dict[str, Any]:
    """The record as plain values, for whoever prints or templates it."""
    fields: dict[str, Any] = msgspec.to_builtins(record)
    return fields


def rfc3339(at: float) -> str:
    """UTC seconds as text, to the microsecond.

    >>> rfc3339(0.5)
    '1970-01-01T00:00:00.500000Z'
    """
    text = datetime.fromtimestamp(at, UTC).isoformat(timespec="microseconds")
    return text.replace("+00:00", "Z")


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
