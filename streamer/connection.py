"""One connection to a camera, from its opening until it breaks off: frames in, clips out."""

import threading
import time
from collections.abc import Iterator
from typing import Protocol

from streamer.clip import Clip
from streamer.config import CameraSettings, ReadOptions
from streamer.cut import ClipCutter
from streamer.errors import SourceError
from streamer.frame import Frame
from streamer.pace import play_as_live
from streamer.record import pack_clip
from streamer.sight import Sight
from streamer.source_facts import ReadTally


class ReadFrames(Protocol):
    """What `streamer.source.read_frames` does."""

    def __call__(
        self, source: str, options: ReadOptions, tally: ReadTally | None = None
    ) -> Iterator[Frame]:
        """The frames of a source."""


class Reading(Protocol):
    """How a camera's connections are read: in this process, or in another."""

    def read(
        self, settings: CameraSettings, sight: Sight, stop: threading.Event
    ) -> Iterator[bytes | None]:
        """The packed clips of one connection, the last and partial one too, however it ends.

        None says that something else was seen: the first picture, or just one more.

        Raises:
            SourceError: why it broke off.
        """

    def close(self) -> None:
        """The camera is not read for now."""


def cut_connection(
    frames: Iterator[Frame],
    settings: CameraSettings,
    cutter: ClipCutter,
    sight: Sight,
    stop: threading.Event,
) -> Iterator[Clip | None]:
    """See `Reading.read`; the clips are not packed yet."""
    cutter.watched_since = sight.watched_since
    frames = _look(frames, sight)
    fault = None
    try:
        for frame in play_as_live(frames, stop) if settings.plays_as_live else frames:
            if stop.is_set():
                if sight.is_file and not settings.plays_as_live:
                    return  # it is read again from its beginning: half a clip would be in the way
                break
            clips = cutter.push(frame)
            sight.newest_at, sight.newest_pts = frame.at, frame.pts
            yield None
            yield from clips
    except SourceError as error:
        fault = error
    yield from cutter.flush()
    if fault:
        raise fault


class ReadHere:
    """Reads a camera in the thread that asks."""

    def __init__(self, read_frames: ReadFrames | None, cutter: ClipCutter) -> None:
        self._read_frames = read_frames
        self._cutter = cutter

    def read(
        self, settings: CameraSettings, sight: Sight, stop: threading.Event
    ) -> Iterator[bytes | None]:
        """See `Reading.read`."""
        if settings.is_film:
            self._cutter.rewind()
        frames = self._reader()(settings.source, settings.options, sight.tally)
        for clip in cut_connection(frames, settings, self._cutter, sight, stop):
            yield None if clip is None else pack_clip(clip, settings.pixels)

    def close(self) -> None:
        """See `Reading.close`."""

    def _reader(self) -> ReadFrames:
        if self._read_frames is not None:
            return self._read_frames
        from streamer.source import read_frames  # PyAV: only where pictures are decoded

        return read_frames


def _look(frames: Iterator[Frame], sight: Sight) -> Iterator[Frame]:
    """The frames; the first shows what the source is."""
    for frame in frames:
        if sight.shown_at is None:
            sight.is_file = frame.clock_source == "file"
            sight.shown_at = time.monotonic()
        yield frame
