"""A file as an HTTP answer, whole or the part that was asked for (RFC 9110, 14)."""

import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, BinaryIO

from fastapi import Header
from fastapi.responses import StreamingResponse
from starlette.responses import Response

from streamer.errors import RangeError

_PIECE = 256 * 1024
_ONE_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")

Range = Annotated[
    str | None,
    Header(
        alias="Range",
        description="Which bytes: one range of them. Whatever else it says is ignored.",
        examples=["bytes=0-1023"],
    ),
]


def file_reply(
    path: Path, held: ExitStack, media_type: str, asked: str | None, headers: Mapping[str, str]
) -> Response:
    """The file; `held` keeps it there, and is closed as soon as the file is open.

    Raises:
        RangeError: the range begins after the file's end.
    """
    with held:
        size = path.stat().st_size
        span = read_range(asked, size)
        file = path.open("rb")  # stays readable when its name is gone
    begin, end = span if span is not None else (0, size)
    told = {
        "Accept-Ranges": "bytes",
        "Content-Length": str(end - begin),
        **({} if span is None else {"Content-Range": f"bytes {begin}-{end - 1}/{size}"}),
        **headers,
    }
    pieces = _read(file, begin, end)
    return StreamingResponse(pieces, 200 if span is None else 206, told, media_type)


def read_range(asked: str | None, size: int) -> tuple[int, int] | None:
    """The first byte and the one after the last; None for all, also for what is no single range.

    >>> read_range("bytes=2-5", 10), read_range("bytes=-3", 10), read_range("bytes=0-1,4-5", 10)
    ((2, 6), (7, 10), None)

    Raises:
        RangeError: it begins after the end.
    """
    found = _ONE_RANGE.fullmatch(asked or "")
    if not found or not (found[1] or found[2]):
        return None
    if not found[1]:
        begin, end = max(0, size - int(found[2])), size
    else:
        begin = int(found[1])
        end = min(size, int(found[2]) + 1) if found[2] else size
        if found[2] and int(found[2]) < begin:
            return None
    if begin >= size or begin >= end:
        raise RangeError(f"The file has {size} bytes, and {asked!r} is none of them.")
    return begin, end


def _read(file: BinaryIO, begin: int, end: int) -> Iterator[bytes]:
    with file:
        file.seek(begin)
        while begin < end and (piece := file.read(min(_PIECE, end - begin))):
            begin += len(piece)
            yield piece
