"""The streamer's settings, frozen."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from streamer.address_policy import AddressPolicy
from streamer.clip import ClipFormat
from streamer.entity_id import check_camera_id
from streamer.errors import EntityInvalidError, SourceAccessError, SourceAddressError
from streamer.evidence.config import EvidenceConfig
from streamer.packet_tap import PacketTap
from streamer.picture_area import Box, Polygon
from streamer.record import Travels

RtspTransport = Literal["tcp", "udp"]
# Where pictures are decoded. cuda: on an NVIDIA card, or not at all; auto: there where it can be
Decoder = Literal["auto", "cpu", "cuda"]

# Which pictures of a stream are decoded. all: every one; nonref: not those that no other picture
# is made from; keyframes: only those that are made from no other; auto: as few as a clip needs.
Decode = Literal["auto", "all", "nonref", "keyframes"]

# Where cameras are read: in worker processes, or in threads of this one.
Isolation = Literal["process", "thread"]

# fastest: a file is read as fast as its clips are taken, loses none, and stamps its own times.
# own: a file plays at its own speed as if it were live: from now on, its oldest clips make room,
# and one that cannot be read is tried again.
Pace = Literal["fastest", "own"]


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
    follow_redirects: bool = True  # of HTTP, by FFmpeg itself and wherever they lead
    sound_too: bool = False  # have RTSP set up sound, only to see whether there is any
    decode: Decode = "all"
    decode_threads: int = 0  # 0: as many as FFmpeg finds right
    masks: tuple[Polygon, ...] = ()  # blackened; in fractions of the picture as it is shown
    region: Box | None = None  # what is looked at of the picture as it is shown; None: all
    tap: PacketTap | None = field(default=None, compare=False)  # is given every packet
    decoder: Decoder = "cpu"


@dataclass(frozen=True, slots=True)
class BackOffSettings:
    """How long to wait before trying a camera again: doubling, with jitter."""

    first_seconds: float = 0.5
    longest_seconds: float = 30.0


@dataclass(frozen=True, slots=True)
class CameraSettings:
    """A camera: its name, where it is, and how it is read.

    `loop` plays a file for ever, at its own pace whatever `pace` says. No session begins before
    `not_before` (UTC seconds): where another process left off, whose clock may differ. A film has
    times of its own, whatever was before. With `tries_again` one that cannot be read is tried
    again, where otherwise its error is raised.
    """

    source: str
    options: ReadOptions
    pace: Pace = "fastest"
    loop: bool = False
    back_off: BackOffSettings = field(default_factory=BackOffSettings)
    pixels: Travels = "raw"
    not_before: float = 0.0
    tries_again: bool = False

    def __post_init__(self) -> None:
        try:
            check_camera_id(self.options.camera_id)
        except EntityInvalidError as error:
            raise SourceAddressError(str(error)) from error

    @property
    def plays_as_live(self) -> bool:
        """Whether a file is treated as a live camera."""
        return self.loop or self.pace == "own"

    @property
    def is_local(self) -> bool:
        """Whether it is a file or a device."""
        return "://" not in self.source or self.source.startswith("file://")

    @property
    def is_film(self) -> bool:
        """Whether it is a file that is read at the fastest pace, and so has its own times."""
        return self.is_local and not self.plays_as_live


def refuse_to_unseal(sealed: str) -> str:
    """What `unseal` is where there is no key."""
    raise SourceAccessError(
        "The camera's credentials are sealed and this process has no key: set secrets.key_file."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamerPartConfig:
    """How the cameras of a running server are read, and what they may reach.

    Files of cameras that the configuration file does not declare must lie below `file_roots`;
    None allows them anywhere. `unseal` opens `Credentials.sealed` and raises SourceAccessError
    when it cannot; `environ` holds what `Credentials.environment` names. A camera that hangs when
    it is to end, or to go to another process, is waited for `stop_seconds`. Clips that leave the
    machine have `pixels` as JPEG. `decoder` is that of cameras whose records name none. With
    `isolation` by processes each reads `per_process` cameras. Without `evidence` none is kept.
    """

    clip_format: ClipFormat
    address_policy: AddressPolicy
    file_roots: tuple[Path, ...] | None = ()
    unseal: Callable[[str], str] = refuse_to_unseal
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    back_off: BackOffSettings = field(default_factory=BackOffSettings)
    open_timeout_seconds: float = 20.0
    read_timeout_seconds: float = 10.0
    stop_seconds: float = 10.0
    pixels: Travels = "raw"
    isolation: Isolation = "process"
    per_process: int = 4
    evidence: EvidenceConfig | None = None
    decoder: Decoder = "auto"
