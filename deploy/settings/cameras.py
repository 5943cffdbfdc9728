"""Cameras: how all are read, and those that stand in the file."""

import re
from typing import Annotated, Self

from pydantic import AfterValidator, Field, field_validator, model_validator

from deploy.settings.section import (
    FilePath,
    PositiveCount,
    PositiveSeconds,
    Section,
    Slug,
    check_distinct,
    check_rising,
)
from streamer.config import BackOffSettings, Decode, Decoder, Isolation, Pace, RtspTransport
from streamer.errors import EntityInvalidError
from streamer.picture_area import Box, Polygon, check_masks, check_region
from streamer.shape import Labels, UtcTime

_VARIABLE = re.compile(r"WATCHWORD_CAMERA_[A-Z0-9_]+")
_Text = Annotated[str, Field(min_length=1)]
_BACK_OFF = BackOffSettings()


def _variable(name: str) -> str:
    # Only these: a camera must not be able to carry off any other secret of the environment
    if not _VARIABLE.fullmatch(name) or name.endswith("_FILE"):
        raise ValueError(
            "should be a variable named WATCHWORD_CAMERA_ and capital letters; a file is named by "
            "the same variable with _FILE, in the environment alone"
        )
    return name


def _masks(masks: tuple[Polygon, ...]) -> tuple[Polygon, ...]:
    try:
        return check_masks(masks)
    except EntityInvalidError as error:
        raise ValueError(str(error)) from error


def _region(region: Box) -> Box:
    try:
        return check_region(region)
    except EntityInvalidError as error:
        raise ValueError(str(error)) from error


class DeclaredCamera(Section):
    """A camera of the file: read-only over HTTP."""

    id: Slug
    # Not shown: a URL may hold a password, which the store seals
    source: Annotated[str, Field(min_length=1, repr=False)]
    labels: Labels = Field(default_factory=dict)
    loop: bool = False
    pace: Pace = "own"
    start: UtcTime | None = None  # of a file at the fastest pace; None: what the file says
    paused: bool = False
    rtsp_transport: RtspTransport = "tcp"
    sub_source: Annotated[_Text | None, Field(repr=False)] = None
    decode: Decode = "auto"
    masks: Annotated[tuple[Polygon, ...], AfterValidator(_masks)] = ()
    region: Annotated[Box, AfterValidator(_region)] | None = None
    evidence: bool = True
    decoder: Decoder | None = None  # None: that of all
    credentials_environment: Annotated[str, AfterValidator(_variable)] | None = None


class CamerasSettings(Section):
    """How cameras are read."""

    file_roots: tuple[FilePath, ...] | None = (
        None  # None: the folder of the start, on loopback only
    )
    decoder: Decoder = "auto"
    open_timeout_seconds: PositiveSeconds = 20.0
    read_timeout_seconds: PositiveSeconds = 10.0
    first_retry_seconds: PositiveSeconds = _BACK_OFF.first_seconds
    longest_retry_seconds: PositiveSeconds = _BACK_OFF.longest_seconds
    isolation: Isolation = "process"
    per_process: PositiveCount = 4
    list: tuple[DeclaredCamera, ...] = ()

    @field_validator("list")
    @classmethod
    def _distinct(cls, cameras: tuple[DeclaredCamera, ...]) -> tuple[DeclaredCamera, ...]:
        check_distinct([camera.id for camera in cameras])
        return cameras

    @model_validator(mode="after")
    def _rising(self) -> Self:
        check_rising(self, "first_retry_seconds", "longest_retry_seconds")
        return self
