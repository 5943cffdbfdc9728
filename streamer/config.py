"""The streamer's settings, frozen."""

import re
from dataclasses import dataclass, field
from typing import Literal

from streamer.clip import ClipFormat
from streamer.errors import SourceAddressError

_CAMERA_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")

RtspTransport = Literal["tcp", "udp"]


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """How a source is read; `from_seconds` and `to_seconds` are offsets into a file."""

    camera_id: str
    clip_format: ClipFormat
    start: float | None = None  # UTC seconds at which a file begins; None: what the file says
    from_seconds: float | None = None
    to_seconds: float | None = None
    open_timeout_seconds: float = 20.0  # slow cameras need more than 10 s for the first key frame
    read_timeout_seconds: float = 10.0
    rtsp_transport: RtspTransport = "tcp"


@dataclass(frozen=True, slots=True)
class BackOffSettings:
    """How long to wait before trying a camera again: doubling, with jitter."""

    first_seconds: float = 0.5
    longest_seconds: float = 30.0


@dataclass(frozen=True, slots=True)
class CameraSettings:
    """A camera: its name, where it is, and how it is read.

    `loop` plays a file for ever at its own speed, as if it were live.
    """

    source: str
    options: ReadOptions
    loop: bool = False
    back_off: BackOffSettings = field(default_factory=BackOffSettings)

    def __post_init__(self) -> None:
        if not _CAMERA_ID.fullmatch(self.options.camera_id):
            raise SourceAddressError(
                f"'{self.options.camera_id}' cannot name a camera: use 1 to 63 lower-case "
                "letters, digits and '-', beginning with a letter or digit."
            )
