"""A registered camera, as `watchword.cameras.v1` and the store hold it."""

import msgspec

from streamer.config import Decode, Decoder, Pace, RtspTransport
from streamer.picture_area import Box, Polygon
from streamer.schema import RecordDecoder


class Credentials(msgspec.Struct, frozen=True, kw_only=True):
    """Where a camera's user info is: encrypted here, or in the streamer's environment.

    Exactly one is set. `sealed` is `user:password` encrypted with the key of `secrets.key_file`;
    `environment` names a variable of the streamer, `WATCHWORD_CAMERA_...`, that holds it (or, with
    `_FILE` appended, the path of a file that does).
    """

    sealed: str | None = None
    environment: str | None = None


class CameraRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=False):
    """A camera as it was registered; times are UTC seconds.

    `source` never holds user info, nor does `sub_source`, which is read in its place where it is
    set: evidence is still recorded from `source`. `masks` and `region` are of the picture as it is
    shown, in fractions of its width and height. A file plays at its own speed, as if it were live,
    with `loop` for ever; at the pace "fastest" it is read once, as fast as its clips are taken, and
    its pictures begin at `start` (None: what the file says). `decoder` None leaves it to the
    streamer. `declared` cameras stand in the configuration file and are read-only elsewhere. A
    record with a lower `revision` than one already seen is ignored.
    """

    schema: int = 1
    camera_id: str
    source: str
    revision: int = 0  # given by the store
    credentials: Credentials | None = None
    labels: dict[str, str] = {}
    paused: bool = False
    loop: bool = False
    rtsp_transport: RtspTransport = "tcp"
    sub_source: str | None = None
    decode: Decode = "auto"
    masks: tuple[Polygon, ...] = ()
    region: Box | None = None
    evidence: bool = True
    decoder: Decoder | None = None
    pace: Pace = "own"
    start: float | None = None
    declared: bool = False
    created_at: float = 0.0
    updated_at: float = 0.0


_decoder = RecordDecoder(CameraRecord, "camera record")


def pack_camera(camera: CameraRecord) -> bytes:
    """The record as JSON."""
    return msgspec.json.encode(camera)


def unpack_camera(value: bytes) -> CameraRecord:
    """The record; unknown fields are a newer writer's, and ignored.

    Raises:
        RecordError: the bytes are no camera record, or one of a later schema.
    """
    return _decoder.decode(value)
