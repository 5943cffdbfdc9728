"""Open alerts of a camera on `watchword.alert-state.v1`: what a restart goes on from."""

import logging
from collections.abc import Sequence

import msgspec

from grounding.metrics import UNREADABLE_STATES
from grounding.tracked_alert import TrackedAlert
from streamer.bus import ALERT_STATE, Message
from streamer.errors import RecordError

_log = logging.getLogger(__name__)


class CameraAlerts(msgspec.Struct, frozen=True, kw_only=True):
    """The camera's open alerts, as `AlertTracker.open_alerts` gives them.

    `clock` is how far the camera had been seen, UTC seconds.
    """

    camera_id: str
    clock: float
    alerts: tuple[bytes, ...]


_decoder = msgspec.msgpack.Decoder(CameraAlerts)


def pack_alert_state(state: CameraAlerts) -> bytes:
    """The record as msgpack."""
    return msgspec.msgpack.encode(state)


def unpack_alert_state(value: bytes) -> CameraAlerts:
    """The record.

    Raises:
        RecordError: the bytes are no alert state.
    """
    try:
        return _decoder.decode(value)
    except msgspec.MsgspecError as error:
        raise RecordError(f"The bytes are no alert state: {error}.") from error


def state_message(camera_id: str, clock: float, alerts: Sequence[bytes]) -> Message:
    """What the topic should hold of a camera: its open alerts, or nothing."""
    if not alerts:
        return Message(ALERT_STATE.name, camera_id, None)
    state = CameraAlerts(camera_id=camera_id, clock=clock, alerts=tuple(alerts))
    return Message(ALERT_STATE.name, camera_id, pack_alert_state(state))


def seed_messages(states: Sequence[bytes]) -> list[Message]:
    """The topic as it should be at the start, from the stored states of alerts still open.

    Each state is the "tracked" header of an alert's newest event. One that this version cannot
    read is counted and left out: nothing more comes of its alert.
    """
    cameras: dict[str, list[tuple[float, bytes]]] = {}
    for state in states:
        try:
            alert = msgspec.msgpack.decode(state, type=TrackedAlert)
        except msgspec.MsgspecError as error:
            UNREADABLE_STATES.inc()
            _log.error("an open alert cannot be gone on with, its state is unreadable: %s", error)
            continue
        cameras.setdefault(alert.camera_id, []).append((alert.seen_until, state))
    return [
        state_message(camera_id, max(clock for clock, _ in found), [state for _, state in found])
        for camera_id, found in cameras.items()
    ]
