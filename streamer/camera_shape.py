"""Cameras as HTTP takes and tells them."""

from datetime import datetime
from typing import Annotated, Literal

import msgspec
from pydantic import AfterValidator, Field, StringConstraints

from streamer.address import redact
from streamer.camera_record import CameraRecord, Credentials
from streamer.config import Decode, Decoder, Pace, RtspTransport
from streamer.entity_id import ENTITY_ID, check_camera_id
from streamer.errors import EntityInvalidError, Reason
from streamer.film import check_film
from streamer.health import CameraHealth, State
from streamer.picture_area import (
    MOST_CORNERS,
    MOST_POLYGONS,
    Polygon,
    check_masks,
    check_region,
)
from streamer.shape import Labels, Shape, UtcTime, checked, utc

CameraId = Annotated[
    str,
    AfterValidator(checked(check_camera_id, EntityInvalidError)),
    Field(
        description="How it is called from now on; never changes.",
        examples=["yard"],
        json_schema_extra={"pattern": ENTITY_ID},
    ),
]
_Source = Annotated[
    str, StringConstraints(min_length=1, max_length=2048, pattern=r"^[^\x00-\x1f\x7f]+$")
]
Source = Annotated[
    _Source,
    Field(
        description="A URL (rtsp, rtsps, rtmp, rtmps, http, https, srt, udp), a device, a file or "
        "a glob of files. A user and password in it are stored apart and never told.",
        examples=["rtsp://192.168.1.20/stream1"],
    ),
]
Loop = Annotated[bool, Field(description="Play a file for ever.")]
FilmPace = Annotated[
    Pace,
    Field(
        description="How a file is read. own: at its own speed, as if it were live; fastest: once, "
        "as fast as it goes, with its own times. Then no evidence is kept: the file is there."
    ),
]
FilmStart = Annotated[
    UtcTime,
    Field(
        description="When a file at the pace fastest begins; null: at its creation time, else its "
        "modification time.",
        examples=["2025-03-01T08:00:00Z"],
    ),
]
Paused = Annotated[bool, Field(description="Do not read it for now.")]
Transport = Annotated[RtspTransport, Field(description="How RTSP cameras send pictures.")]
DecodedBy = Annotated[
    Decoder | None,
    Field(
        description="Where its pictures are decoded. cuda: on an NVIDIA card, or not at all; auto: "
        "there where it can be; null: as the server is set."
    ),
]
CredentialsEnvironment = Annotated[
    str,
    StringConstraints(pattern=r"^WATCHWORD_CAMERA_[A-Z0-9_]{1,100}$"),
    Field(
        description="The environment variable of the server that holds `user:password`, in place "
        "of one in the source.",
        examples=["WATCHWORD_CAMERA_YARD"],
    ),
]
SubSource = Annotated[
    _Source,
    Field(
        description="A second URL of the camera, with a smaller picture: it is looked at in place "
        "of the source, and evidence is still recorded from the source. Its user and password are "
        "the source's, if both are at the same host and port.",
        examples=["rtsp://192.168.1.20/stream2"],
    ),
]
DecodeMode = Annotated[
    Decode,
    Field(
        description="Which pictures are decoded: all, not those that no other is made from "
        "(nonref), only those that are made from no other (keyframes), or as few as are needed "
        "(auto)."
    ),
]


def _masks(masks: list[list[list[float]]]) -> list[list[list[float]]]:
    check_masks(masks)
    return masks


def _region(region: list[float]) -> list[float]:
    check_region(region)
    return region


_Fraction = Annotated[float, Field(ge=0, le=1)]
_Corner = Annotated[list[_Fraction], Field(min_length=2, max_length=2)]
_Polygon = Annotated[list[_Corner], Field(min_length=3, max_length=MOST_CORNERS)]
Masks = Annotated[
    list[_Polygon],
    Field(
        max_length=MOST_POLYGONS,
        description="What is blackened before a picture goes anywhere: polygons, each a list of "
        "corners [x, y] in fractions of the picture's width and height, from the left and above.",
        examples=[[[[0.0, 0.0], [0.3, 0.0], [0.3, 0.5], [0.0, 0.5]]]],
    ),
    AfterValidator(checked(_masks, EntityInvalidError)),
]
Region = Annotated[
    list[_Fraction],
    Field(
        min_length=4,
        max_length=4,
        description="The part of the picture that is looked at, [left, top, right, bottom] in "
        "fractions of its width and height.",
        examples=[[0.0, 0.4, 1.0, 1.0]],
    ),
    AfterValidator(checked(_region, EntityInvalidError)),
]
Evidence = Annotated[
    bool, Field(description="Keep what it saw, so that an alert has its video for a while.")
]


class CameraRequest(Shape):
    """A camera to be watched."""

    id: CameraId
    source: Source
    labels: Labels = Field(default_factory=dict)
    loop: Loop = False
    pace: FilmPace = "own"
    start: FilmStart | None = None
    paused: Paused = False
    rtsp_transport: Transport = "tcp"
    decoder: DecodedBy = None
    credentials_environment: CredentialsEnvironment | None = None
    sub_source: SubSource | None = None
    decode: DecodeMode = "auto"
    masks: Masks = Field(default_factory=list)
    region: Region | None = None
    evidence: Evidence = True


class CameraChange(Shape):
    """What shall be different; null puts a field back to its default."""

    source: Source | None = None
    labels: dict[str, str | None] | None = Field(
        None, description="Labels to add or change; null takes one away."
    )
    loop: Loop | None = None
    pace: FilmPace | None = None
    start: FilmStart | None = None
    paused: Paused | None = None
    rtsp_transport: Transport | None = None
    decoder: DecodedBy = None
    credentials_environment: CredentialsEnvironment | None = None
    sub_source: SubSource | None = None
    decode: DecodeMode | None = None
    masks: Masks | None = None
    region: Region | None = None
    evidence: Evidence | None = None


class HealthReply(Shape):
    """How a camera fares."""

    state: State
    since: datetime
    reason: Reason | None = Field(description="Why it is offline, in a word.")
    message: str = Field(description="Why it is offline, in a sentence.")


class CameraReply(Shape):
    """A camera."""

    id: str
    source: str = Field(description="Without user, password and other secrets.")
    labels: dict[str, str]
    loop: bool
    pace: Pace
    start: datetime | None
    paused: bool
    rtsp_transport: RtspTransport
    decoder: DecodedBy
    credentials: Literal["sealed", "environment"] | None = Field(
        description="Where its user and password are: encrypted in the store, or in the "
        "environment of the server."
    )
    sub_source: str | None = Field(description="Without secrets, as the source.")
    decode: Decode
    masks: list[list[list[float]]]
    region: list[float] | None
    evidence: bool
    health: HealthReply | None = Field(description="null while it was not heard of yet.")
    declared: bool = Field(description="It stands in the configuration file: read-only here.")
    revision: int
    created_at: datetime
    updated_at: datetime


class CameraPage(Shape):
    """Cameras, by their ids."""

    items: list[CameraReply]
    next: str | None = Field(description="The cursor of the next page, null on the last.")


def reply(camera: CameraRecord, health: CameraHealth | None) -> CameraReply:
    """The camera as it is told."""
    return CameraReply(
        id=camera.camera_id,
        source=redact(camera.source),
        labels=camera.labels,
        loop=camera.loop,
        pace=camera.pace,
        start=_moment(camera.start),
        paused=camera.paused,
        rtsp_transport=camera.rtsp_transport,
        decoder=camera.decoder,
        credentials=_kind(camera.credentials),
        sub_source=None if camera.sub_source is None else redact(camera.sub_source),
        decode=camera.decode,
        masks=_lists(camera.masks),
        region=None if camera.region is None else list(camera.region),
        evidence=camera.evidence,
        health=None if health is None else _health(health),
        declared=camera.declared,
        revision=camera.revision,
        created_at=utc(camera.created_at),
        updated_at=utc(camera.updated_at),
    )


def as_requested(camera: CameraRecord) -> dict[str, object]:
    """The fields of the request that would make this camera."""
    credentials = camera.credentials
    return {
        "id": camera.camera_id,
        "source": camera.source,
        "labels": camera.labels,
        "loop": camera.loop,
        "pace": camera.pace,
        "start": _moment(camera.start),
        "paused": camera.paused,
        "rtsp_transport": camera.rtsp_transport,
        "decoder": camera.decoder,
        "credentials_environment": None if credentials is None else credentials.environment,
        "sub_source": camera.sub_source,
        "decode": camera.decode,
        "masks": _lists(camera.masks),
        "region": None if camera.region is None else list(camera.region),
        "evidence": camera.evidence,
    }


def apply(
    camera: CameraRecord,
    asked: CameraRequest,
    source: str,
    credentials: Credentials | None,
    sub_source: str | None,
) -> CameraRecord:
    """The camera as asked, with sources that were checked and rid of their secrets.

    Raises:
        EntityInvalidError: it cannot be read at that pace.
    """
    start = None if asked.start is None else asked.start.timestamp()
    check_film(source, asked.pace, start, asked.loop)
    return msgspec.structs.replace(
        camera,
        source=source,
        credentials=credentials,
        sub_source=sub_source,
        decode=asked.decode,
        masks=check_masks(asked.masks),
        region=None if asked.region is None else check_region(asked.region),
        evidence=asked.evidence,
        labels=asked.labels,
        loop=asked.loop,
        pace=asked.pace,
        start=start,
        paused=asked.paused,
        rtsp_transport=asked.rtsp_transport,
        decoder=asked.decoder,
    )


def _moment(start: float | None) -> datetime | None:
    return None if start is None else utc(start)


def _lists(masks: tuple[Polygon, ...]) -> list[list[list[float]]]:
    return [[list(corner) for corner in polygon] for polygon in masks]


def _kind(credentials: Credentials | None) -> Literal["sealed", "environment"] | None:
    if credentials is None:
        return None
    return "environment" if credentials.environment is not None else "sealed"


def _health(health: CameraHealth) -> HealthReply:
    return HealthReply(
        state=health.state,
        since=utc(health.since),
        reason=health.reason,
        message=redact(health.message),
    )
