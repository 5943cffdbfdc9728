"""Alerts as CloudEvents 1.0 on `watchword.alerts.v1`: attributes in headers, the alert as JSON.

This is the binary mode of CloudEvents' Kafka binding, which any of its clients reads.
"""

import binascii
from collections.abc import Iterable
from urllib.parse import quote

from grounding.alert import Alert
from grounding.record import pack_alert, rfc3339
from streamer.bus import ALERTS, Message
from streamer.errors import RecordError

SPEC_VERSION = "1.0"
ALERT_SCHEMA = "urn:watchword:schema:alerts.v1"  # `$id` of deploy/schemas/alerts.v1.json
TRACKED_HEADER = "tracked"  # the tracker's state of the alert, for a restart; nobody else's


def alert_message(alert: Alert, tracked: bytes | None = None) -> Message:
    """The event of one state of an alert, with the tracker's state of it for a restart."""
    attributes = {
        "ce_specversion": SPEC_VERSION,
        "ce_id": alert.event_id,
        "ce_source": event_source(alert.camera_id),
        "ce_type": f"watchword.alert.{alert.state}",
        "ce_subject": alert.query_id,
        "ce_time": rfc3339(alert.at),
        "ce_dataschema": ALERT_SCHEMA,
        "content-type": "application/json",
    }
    headers = [(name, value.encode()) for name, value in attributes.items()]
    if tracked is not None:
        # As text: clients of CloudEvents read every header as UTF-8
        headers.append((TRACKED_HEADER, binascii.b2a_base64(tracked, newline=False)))
    return Message(ALERTS.name, alert.camera_id, pack_alert(alert), tuple(headers))


def tracked_state(headers: Iterable[tuple[str, bytes]]) -> bytes:
    """The tracker's state of the alert that an event carries; empty if it carries none.

    Raises:
        RecordError: the header is no base64.
    """
    state = dict(headers).get(TRACKED_HEADER, b"")
    try:
        return binascii.a2b_base64(state, strict_mode=True)
    except binascii.Error as error:
        raise RecordError(f"An alert's state in the header is no base64: {error}.") from error


def event_source(camera_id: str) -> str:
    """The URI reference of a camera.

    >>> event_source("yard")
    '/watchword/cameras/yard'
    """
    return f"/watchword/cameras/{quote(camera_id, safe='')}"
