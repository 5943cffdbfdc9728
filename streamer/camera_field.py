"""The fields of a camera as HTTP takes them: what each may hold, and what it means."""

from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints

from streamer.config import Decode, Decoder, Pace, RtspTransport
from streamer.entity_id import ENTITY_ID, check_camera_id
from streamer.errors import EntityInvalidError
from streamer.picture_area import MOST_CORNERS, MOST_POLYGONS, check_masks, check_region
from streamer.shape import UtcTime, checked

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
