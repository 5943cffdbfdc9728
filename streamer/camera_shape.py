"""Cameras as HTTP takes and tells them."""

from datetime import datetime
from typing import Literal

import msgspec
from pydantic import Field

from streamer.address import redact
from streamer.camera_field import (
    CameraId,
    CredentialsEnvironment,
    DecodedBy,
    DecodeMode,
    Evidence,
    FilmPace,
    FilmStart,
    Loop,
    Masks,
    Paused,
    Region,
    Source,
    SubSource,
    Transport,
)
from streamer.camera_record import CameraRecord, Credentials
from streamer.config import Decode, Pace, RtspTransport
from streamer.errors import Reason
from streamer.film import check_film
from streamer.health import CameraHealth, State
from streamer.picture_area import Polygon, check_masks, check_region
from streamer.shape import Labels, Shape, utc


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
