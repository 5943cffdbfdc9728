"""Reading pictures from cameras and files: the boundary to PyAV (FFmpeg).

Everything FFmpeg can raise is translated here into `streamer.errors`.
"""

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import cast

import av
import av.error
import av.stream
import av.video.frame
import av.video.reformatter
import numpy as np
from av.buffer import Buffer
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

from streamer.address import Address, find_addresses, open_options
from streamer.clip import ClipFormat
from streamer.clock import ArrivalClock, MediaClock, WallClock, parse_creation_time
from streamer.config import ReadOptions
from streamer.errors import (
    NotAVideoError,
    SourceAddressError,
    SourceLostError,
)
from streamer.frame import ClockSource, Frame
from streamer.orientation import Orientation
from streamer.resizing import KERNELS, resize
from streamer.source_facts import ReadTally, SourceFacts
from streamer.source_fault import (
    explain_fault,
    explain_no_video,
    explain_nothing_read,
    explain_silence,
    explain_undecodable,
)

_NOT_VIDEO_FORMATS = {"tty", "txd", "tedcaptions"}  # FFmpeg draws text files as pictures
_FILE_GAP_SECONDS = 0.04  # between the files of a glob when the user says when the first began
Picture = partial[NDArray[np.uint8]]


def probe(source: str, options: ReadOptions) -> SourceFacts:
    """What a source holds; of a glob, its first file with the length of all.

    Raises:
        SourceError: it cannot be opened or has no video; the subclass and sentence say why.
    """
    facts = [_probe_one(address, options) for address in find_addresses(source)]
    if len(facts) == 1:
        return facts[0]
    lengths = [fact.seconds for fact in facts if fact.seconds is not None]
    return replace(facts[0], seconds=sum(lengths) if len(lengths) == len(facts) else None)


def read_frames(
    source: str, options: ReadOptions, tally: ReadTally | None = None
) -> Iterator[Frame]:
    """The pictures of a source in the order they were decoded, resized when asked for.

    A file's pictures begin at `options.start`, else its creation_time, else its modification
    time; the files of a glob follow one another. Live pictures carry arrival time. Missing
    stamps are filled in; unordered ones are passed on: `streamer.timeline` orders them. A
    frame's pixels must be taken before the next but few frames are read: until then it keeps
    the picture at full size.

    Raises:
        SourceError: it cannot be opened, has no video, or a live one broke off.
    """
    addresses = find_addresses(source)
    if len(addresses) > 1 and (options.from_seconds or options.to_seconds):
        raise SourceAddressError(
            f"'{source}' matches {len(addresses)} files; --from and --to apply to one file."
        )
    tally = tally if tally is not None else ReadTally()
    start = options.start
    for timeline, address in enumerate(addresses):
        at = None
        for frame in _read_one(_Reading(address, replace(options, start=start), tally, timeline)):
            at = frame.at
            yield frame
        if start is not None and at is not None:
            start = at + _FILE_GAP_SECONDS


def decodable(codecs: Iterable[str]) -> frozenset[str]:
    """Those of FFmpeg's decoders, by their names, that are here."""
    found = set()
    for name in codecs:
        with suppress(ValueError):  # UnknownCodecError
            found.add(av.codec.Codec(name, "r").name)
    return frozenset(found)


def speakable(schemes: Iterable[str]) -> frozenset[str]:
    """Those of the schemes that this FFmpeg speaks; nothing is connected to."""
    return frozenset(scheme for scheme in schemes if _is_spoken(scheme))


def ffmpeg_version() -> str:
    """The version of the FFmpeg that PyAV brought, as far as it is told."""
    return str(getattr(av, "ffmpeg_version_info", "")) or "unknown"


def _probe_one(address: Address, options: ReadOptions) -> SourceFacts:
    with _opened(address, options) as (container, stream):
        live = _is_live(address, container)
        context = stream.codec_context
        first = next(_decode(container, stream, _Reading(address, options, ReadTally())), None)
        if first is None:
            raise explain_undecodable(address)
        return SourceFacts(
            codec=context.name,
            width=context.width,
            height=context.height,
            fps=float(stream.average_rate) if stream.average_rate else None,
            seconds=None if live or not container.duration else container.duration / av.time_base,
            start=None if live else _file_start(address, options, container),
            pixel_format=context.pix_fmt or "unknown",
            rotation=first.rotation,
            live=live,
        )


@dataclass(slots=True)
class _Reading:
    """One address being read."""

    address: Address
    options: ReadOptions
    tally: ReadTally
    timeline: int = 0
    live: bool = False
    pictures: int = 0  # decoded by this read; the tally may span several

    def frame(self, at: float, pts: float, picture: Picture, clock_source: ClockSource) -> Frame:
        camera_id = self.options.camera_id
        return Frame(camera_id, at, pts, picture, clock_source, self.timeline)


def _read_one(reading: _Reading) -> Iterator[Frame]:
    with _opened(reading.address, reading.options) as (container, stream):
        reading.live = _is_live(reading.address, container)
        stream.thread_type = "SLICE" if reading.live else "AUTO"  # frame threads add latency
        painter = _Painter(reading.options.clip_format, reading.address)
        read = _read_live if reading.live else _read_file
        yield from read(container, stream, reading, painter)


def _read_file(
    container: InputContainer, stream: VideoStream, reading: _Reading, painter: "_Painter"
) -> Iterator[Frame]:
    options = reading.options
    begin, end = options.from_seconds or 0.0, options.to_seconds
    start = _file_start(reading.address, options, container)
    if begin > 0:
        _seek(container, stream, begin)
    media = _media_clock(stream)
    empty = True
    for picture in _decode(container, stream, reading):
        pts = media.seconds_of(picture.pts, picture.dts)
        if end is not None and pts >= end:
            break
        if not begin or pts >= begin:  # the first stamps may lie before a file's zero
            empty = False
            yield reading.frame(start + pts, pts, painter.paint(picture), "file")
    if empty:
        raise explain_nothing_read(reading.address, reading.options, reading.pictures)


def _read_live(
    container: InputContainer, stream: VideoStream, reading: _Reading, painter: "_Painter"
) -> Iterator[Frame]:
    media, arrival_clock = _media_clock(stream), ArrivalClock()
    wall = WallClock(time.time(), time.monotonic())
    for picture in _decode(container, stream, reading):
        arrival = wall.read(time.time(), time.monotonic())
        if wall.steps != reading.timeline:
            reading.timeline, arrival_clock = wall.steps, ArrivalClock()
        pts = media.seconds_of(picture.pts, picture.dts)
        at = arrival_clock.stamp(pts, arrival)
        yield reading.frame(at, pts, painter.paint(picture), "arrival")
    if reading.pictures == 0:
        raise explain_undecodable(reading.address)
    raise SourceLostError(f"'{reading.address.shown}' ended: the camera closed the connection.")


def _media_clock(stream: VideoStream) -> MediaClock:
    assert stream.time_base is not None
    fps = stream.average_rate or stream.guessed_rate
    return MediaClock(float(stream.time_base), stream.start_time, float(fps) if fps else None)


@contextmanager
def _opened(address: Address, options: ReadOptions) -> Iterator[tuple[InputContainer, VideoStream]]:
    """The container and its video track; closed at the end, FFmpeg's errors translated."""
    began = time.monotonic()
    try:
        container = av.open(
            address.url,
            format="v4l2" if address.kind == "device" else None,
            options=open_options(address, options),
            metadata_errors="replace",
            timeout=(options.open_timeout_seconds, options.read_timeout_seconds),
        )
    except (av.error.FFmpegError, OSError, ValueError) as error:
        if time.monotonic() - began >= options.open_timeout_seconds:
            raise explain_silence(address) from error  # RTSP calls it invalid data
        raise explain_fault(error, address) from error
    try:
        yield container, _video_track(address, container)
    finally:
        container.close()


def _video_track(address: Address, container: InputContainer) -> VideoStream:
    if container.format.name in _NOT_VIDEO_FORMATS:
        raise NotAVideoError(f"'{address.shown}' is a text file, not a video: name a video.")
    cover = av.stream.Disposition.attached_pic
    tracks = [track for track in container.streams.video if not track.disposition & cover]
    if not tracks:
        raise explain_no_video(address, {track.type for track in container.streams})
    chosen = max(tracks, key=lambda track: track.width * track.height)
    for track in container.streams:
        if track.index != chosen.index:
            track.discard = av.stream.Discard.all
    return chosen


def _decode(
    container: InputContainer, stream: VideoStream, reading: _Reading
) -> Iterator[VideoFrame]:
    """Pictures as they come; what does not decode is counted and left out."""
    packets = container.demux(stream)
    newest = time.monotonic()
    while True:
        try:
            packet = next(packets, None)
        except av.error.FFmpegError as error:
            if reading.address.kind != "file":
                raise explain_fault(error, reading.address, reading.pictures > 0) from error
            reading.tally.decode_errors += 1  # a file broken in the middle ends here
            return
        if packet is None:
            return
        try:
            pictures = packet.decode()
        except av.error.FFmpegError:
            reading.tally.decode_errors += 1
            pictures = []
        for picture in pictures:
            reading.pictures += 1
            reading.tally.frames += 1
            reading.tally.decode_errors += picture.is_corrupt
            yield picture
            newest = time.monotonic()  # after the reader is done: its delay is no stall
        if reading.live and time.monotonic() - newest > reading.options.read_timeout_seconds:
            raise explain_undecodable(reading.address)


def _is_spoken(scheme: str) -> bool:
    try:
        # Refused for not being on the list, if it is known at all
        av.open(f"{scheme}://127.0.0.1:9/", options={"protocol_whitelist": "none"}).close()
    except av.error.ProtocolNotFoundError:
        return False
    except (av.error.FFmpegError, OSError, ValueError):
        return True
    return True


def _is_live(address: Address, container: InputContainer) -> bool:
    if address.kind == "file":
        return False
    # A file over HTTP has a length; HLS, MJPEG and transport streams have none.
    return not (address.scheme in ("http", "https") and container.duration)


def _file_start(address: Address, options: ReadOptions, container: InputContainer) -> float:
    if options.start is not None:
        return options.start
    told = [container.metadata, *(track.metadata for track in container.streams.video)]
    times = (parse_creation_time(metadata.get("creation_time")) for metadata in told)
    if (taken := next((at for at in times if at is not None), None)) is not None:
        return taken
    return Path(address.url).stat().st_mtime if address.kind == "file" else time.time()


def _seek(container: InputContainer, stream: VideoStream, seconds: float) -> None:
    """To the key frame before; a file that cannot seek is decoded from its beginning."""
    assert stream.time_base is not None
    if stream.start_time is None:  # without stamps a seek fails, and leaves nothing to read
        return
    with suppress(av.error.FFmpegError):
        offset = int(seconds / stream.time_base) + stream.start_time
        container.seek(offset, stream=stream)


class _Painter:
    """Turns decoded pictures into pixels: one swscale context for a whole stream."""

    def __init__(self, clip_format: ClipFormat, address: Address) -> None:
        self._format = clip_format
        self._kernel = KERNELS[clip_format.kernel]
        self._address = address
        self._reformatter = av.video.reformatter.VideoReformatter()

    def paint(self, picture: VideoFrame) -> Picture:
        """The pixels [H, W, 3], when asked for."""
        return partial(self._pixels, picture)

    def _pixels(self, picture: VideoFrame) -> NDArray[np.uint8]:
        matrix = picture.side_data.get("DISPLAYMATRIX")
        # The cast: PyAV's stub forgets that side data is a buffer.
        turn = Orientation.from_display_matrix(bytes(cast(Buffer, matrix)) if matrix else b"")
        width, height = turn.stored_size(self._format.width, self._format.height)
        kernel = self._kernel
        size = (width, height) if kernel.swscale else (picture.width, picture.height)
        try:
            made = self._reformatter.reformat(
                picture, *size, "rgb24", interpolation=kernel.swscale or "POINT"
            )
        except (av.error.FFmpegError, ValueError) as error:
            raise explain_fault(error, self._address) from error
        pixels = np.asarray(made.to_ndarray(), np.uint8)
        return turn.turn(pixels if kernel.swscale else resize(pixels, width, height, kernel))
