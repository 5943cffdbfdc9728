"""Blind periods: times in which a camera was not being watched, on `watchword.blind.v1`."""

from typing import Literal

import msgspec

from streamer.bus import BLIND, Message
from streamer.schema import RecordDecoder

# stream: the camera gave no picture; lag: a clip was dropped or put aside on its way;
# overload: grounding had no time for it; restart: no process read the camera.
BlindReason = Literal["stream", "lag", "overload", "restart"]
EVERY_QUERY = ("*",)


class BlindPeriod(msgspec.Struct, frozen=True, kw_only=True):
    """A camera was not watched for some queries from `start` to `end`, UTC seconds.

    `queries` holds ids, or `*` for every query that watches the camera.
    """

    schema: int = 1
    camera_id: str
    start: float
    end: float
    reason: BlindReason
    queries: tuple[str, ...] = EVERY_QUERY


class Covered(msgspec.Struct, frozen=True):
    """Until when a camera was evaluated or reported blind, and with which clip."""

    session: int
    index: int
    until: float  # UTC seconds


_decoder = RecordDecoder(BlindPeriod, "blind period")


def blind_message(period: BlindPeriod) -> Message:
    """The period, to be published."""
    return Message(BLIND.name, period.camera_id, msgspec.json.encode(period))


def unpack_blind(value: bytes) -> BlindPeriod:
    """The period.

    Raises:
        RecordError: the bytes are no blind period, or one of a later schema.
    """
    return _decoder.decode(value)
