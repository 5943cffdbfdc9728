"""Opening a source with FFmpeg, and what it says of itself before anything is decoded."""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import av
import av.error
import av.stream
from av.codec.hwaccel import HWAccel
from av.container import InputContainer
from av.video.stream import VideoStream

from streamer.address import Address, open_options
from streamer.clock import MediaClock, parse_creation_time
from streamer.config import ReadOptions
from streamer.errors import NotAVideoError, SourceError
from streamer.source_fault import explain_fault, explain_no_video, explain_silence

# FFmpeg numbers their pictures as if 25 came every second, however many do
_UNDATED_FORMATS = {"mpjpeg", "mjpeg", "jpeg_pipe", "image2pipe", "h264", "hevc"}
_NOT_VIDEO_FORMATS = {"tty", "txd", "tedcaptions"}  # FFmpeg draws text files as pictures


@dataclass(frozen=True, slots=True)
class Opened:
    """A container and its video track."""

    container: InputContainer
    stream: VideoStream
    seconds: float  # that the opening took: so old may be what lies ready
    live: bool
    on_card: bool  # it was opened to be decoded on an NVIDIA card

    @property
    def is_undated(self) -> bool:
        """Whether it is live and its pictures bring no stamps, so that FFmpeg makes some up."""
        return self.live and self.container.format.name in _UNDATED_FORMATS

    def media_clock(self) -> MediaClock:
        """Its stamps as seconds."""
        stream = self.stream
        assert stream.time_base is not None
        fps = stream.average_rate or stream.guessed_rate
        return MediaClock(float(stream.time_base), stream.start_time, float(fps) if fps else None)

    def file_start(self, address: Address, options: ReadOptions) -> float:
        """When its pictures begin, of a file: as asked, as it says, or when it was modified."""
        if options.start is not None:
            return options.start
        told = [self.container.metadata]
        told += [track.metadata for track in self.container.streams.video]
        times = (parse_creation_time(metadata.get("creation_time")) for metadata in told)
        if (taken := next((at for at in times if at is not None), None)) is not None:
            return taken
        return Path(address.url).stat().st_mtime if address.kind == "file" else time.time()

    def seek(self, seconds: float) -> None:
        """To the key frame before; a file that cannot seek is read from its beginning."""
        stream = self.stream
        assert stream.time_base is not None
        if stream.start_time is None:  # without stamps a seek fails, and leaves nothing to read
            return
        with suppress(av.error.FFmpegError):
            offset = int(seconds / stream.time_base) + stream.start_time
            self.container.seek(offset, stream=stream)


@contextmanager
def opened(address: Address, options: ReadOptions, card: HWAccel | None = None) -> Iterator[Opened]:
    """The source, closed at the end; with `card` it may be decoded there.

    Raises:
        SourceError: it cannot be opened or has no video; FFmpeg's errors are translated.
    """
    began = time.monotonic()
    try:
        container = av.open(
            address.url,
            format="v4l2" if address.kind == "device" else None,
            options=open_options(address, options),
            metadata_errors="replace",
            timeout=(options.open_timeout_seconds, options.read_timeout_seconds),
            hwaccel=card,
        )
    except (av.error.FFmpegError, OSError, ValueError) as error:
        if time.monotonic() - began >= options.open_timeout_seconds:
            raise explain_silence(address) from error  # RTSP calls it invalid data
        # Asked to play no track at all, as none of them is video, servers answer in many ways
        if address.scheme in ("rtsp", "rtsps"):
            raise _explain_refusal(error, address, options) from error
        raise explain_fault(error, address) from error
    try:
        stream = _video_track(address, container)
        seconds = time.monotonic() - began
        live = _is_live(address, container)
        yield Opened(container, stream, seconds, live, card is not None)
    finally:
        container.close()


def _explain_refusal(error: Exception, address: Address, options: ReadOptions) -> SourceError:
    """Why an RTSP server refuses, which is looked at once more if it may be for want of video."""
    if isinstance(error, av.error.HTTPOtherClientError):
        asked = open_options(address, options) | {"allowed_media_types": "audio"}
        timeout = (options.open_timeout_seconds, options.read_timeout_seconds)
        with (
            suppress(av.error.FFmpegError, OSError, ValueError),
            av.open(address.url, options=asked, timeout=timeout) as container,
        ):
            if container.streams.audio:
                return explain_no_video(address, {"audio"})
    return explain_fault(error, address)


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


def _is_live(address: Address, container: InputContainer) -> bool:
    if address.kind == "file":
        return False
    # A file over HTTP has a length; HLS, MJPEG and transport streams have none.
    return not (address.scheme in ("http", "https") and container.duration)
