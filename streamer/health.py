"""How a camera fares, as `watchword.health.v1` tells it: the latest state of each camera."""

from typing import Literal

import msgspec

from streamer.errors import Reason
from streamer.schema import RecordDecoder

# connecting -> live -> offline -> connecting ...; a file ends, or fails for good.
State = Literal["connecting", "live", "offline", "ended", "failed"]


class CameraHealth(msgspec.Struct, frozen=True):
    """A camera's state `since` (UTC seconds); `message` says why it is offline, without secrets."""

    camera_id: str
    state: State
    since: float
    reason: Reason | None = None
    message: str = ""
    schema: int = 1


_decoder = RecordDecoder(CameraHealth, "health record")


def pack_health(health: CameraHealth) -> bytes:
    """The state as JSON."""
    return msgspec.json.encode(health)


def unpack_health(value: bytes) -> CameraHealth:
    """The state.

    Raises:
        RecordError: the bytes are no health record, or one of a later schema.
    """
    return _decoder.decode(value)
