"""What grounding remembers of a camera, on `watchword.alert-state.v1`: a worker goes on from it."""

import logging
from collections.abc import Sequence

import msgspec

from grounding.blind import Covered
from grounding.metrics import UNREADABLE_STATES
from grounding.tracked_alert import TrackedAlert
from streamer.bus import ALERT_STATE, Message
from streamer.schema import RecordDecoder

_log = logging.getLogger(__name__)


class CameraState(msgspec.Struct, frozen=True, kw_only=True):
    """A camera as it was after the last clip that counts as evaluated.

    `tracks` is what `AlertTracker.camera_snapshot` gave. Where it is empty the state was made of a
    store's alerts: `alerts` are those that were open, each as the "tracked" header of its newest
    event.
    """

    schema: int = 1
    camera_id: str
    clock: float  # how far the camera had been seen, UTC seconds
    live: bool = True  # not a file: wall-clock time counts for it
    covered: Covered | None = None
    tracks: bytes = b""
    alerts: tuple[bytes, ...] = ()


_decoder = RecordDecoder(CameraState, "alert state", "msgpack")


def pack_alert_state(state: CameraState) -> bytes:
    """The record as msgpack."""
    return msgspec.msgpack.encode(state)


def unpack_alert_state(value: bytes) -> CameraState:
    """The record.

    Raises:
        RecordError: the bytes are no alert state, or one of a later schema.
    """
    return _decoder.decode(value)


def state_message(camera_id: str, state: CameraState | None) -> Message:
    """What the topic should hold of a camera from now on; None: nothing."""
    value = None if state is None else pack_alert_state(state)
    return Message(ALERT_STATE.name, camera_id, value)


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
        state_message(
            camera_id,
            CameraState(
                camera_id=camera_id,
                clock=max(clock for clock, _ in found),
                alerts=tuple(state for _, state in found),
            ),
        )
        for camera_id, found in cameras.items()
    ]
