"""The streamer's settings, frozen."""

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from streamer.address_policy import AddressPolicy
from streamer.clip import ClipFormat
from streamer.errors import SourceAccessError, SourceAddressError

_CAMERA_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")

RtspTransport = Literal["tcp", "udp"]

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


@dataclass(frozen=True, slots=True)
class BackOffSettings:
    """How long to wait before trying a camera again: doubling, with jitter."""

    first_seconds: float = 0.5
    longest_seconds: float = 30.0


@dataclass(frozen=True, slots=True)
class CameraSettings:
    """A camera: its name, where it is, and how it is read.

    `loop` plays a file for ever, at its own pace whatever `pace` says.
    """

    source: str
    options: ReadOptions
    pace: Pace = "fastest"
    loop: bool = False
    back_off: BackOffSettings = field(default_factory=BackOffSettings)

    def __post_init__(self) -> None:
        if not _CAMERA_ID.fullmatch(self.options.camera_id):
            raise SourceAddressError(
                f"'{self.options.camera_id}' cannot name a camera: use 1 to 63 lower-case "
                "letters, digits and '-', beginning with a letter or digit."
            )

    @property
    def plays_as_live(self) -> bool:
        """Whether a file is treated as a live camera."""
        return self.loop or self.pace == "own"


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
    when it cannot; `environ` holds what `Credentials.environment` names. At the end a camera that
    hangs is waited for `stop_seconds`.
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
