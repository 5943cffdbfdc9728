"""One camera over its life: connect, cut, publish; back off and connect again."""

import logging
import math
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Protocol

from streamer.back_off import BackOff
from streamer.bus import CLIPS, HEALTH, Bus, Message, WhenFull
from streamer.clip import Clip
from streamer.config import CameraSettings, ReadOptions
from streamer.cut import ClipCutter, Outcome
from streamer.errors import BusFullError, Reason, SourceError
from streamer.frame import Frame
from streamer.health import CameraHealth, State, pack_health
from streamer.metrics import StreamerMetrics
from streamer.record import pack_clip
from streamer.source_facts import ReadTally

_STOP_CHECK_SECONDS = 0.5  # how long a full bus may keep a stopping camera
_METRIC_SECONDS = 1.0

_log = logging.getLogger(__name__)


class ReadFrames(Protocol):
    """What `streamer.source.read_frames` does."""

    def __call__(
        self, source: str, options: ReadOptions, tally: ReadTally | None = None
    ) -> Iterator[Frame]:
        """The frames of a source."""


class Camera:
    """Publishes the clips of one camera until it ends or is stopped.

    A live camera is tried again for ever; a file ends, and one that cannot be read raises. A
    looped file plays at its own speed for ever. A file's clips wait for room on the bus, a live
    camera's oldest ones make room.
    """

    def __init__(
        self,
        settings: CameraSettings,
        bus: Bus,
        metrics: StreamerMetrics,
        read_frames: ReadFrames | None = None,
    ) -> None:
        self.tally = ReadTally()
        self.outcomes: Counter[Outcome] = Counter()
        self.dropped = 0  # clips that made room for newer ones
        self.newest_pts = 0.0  # seconds into the source: how far it has been read
        self._settings = settings
        self._options = settings.options
        self._camera_id = settings.options.camera_id
        self._bus = bus
        self._metrics = metrics
        self._read_frames = read_frames
        self._back_off = BackOff(settings.back_off)
        self._cutter = ClipCutter(settings.options.clip_format, self.outcomes)
        self._told: Counter[str] = Counter()  # what the metrics already know
        self._told_at = 0.0
        self._live_since = math.inf  # monotonic; of the newest connection that gave a picture
        self._finite = False
        self._shown = False  # whether the newest connection gave a picture

    @property
    def camera_id(self) -> str:
        """The camera's name."""
        return self._camera_id

    def run(self, stop: threading.Event) -> None:
        """Blocks until the source ends (files) or `stop` is set.

        Raises:
            SourceError: a file cannot be read; of a live camera it is counted and tried again.
            BusClosedError: the bus was closed.
        """
        try:
            while not stop.is_set():
                self._say("connecting")
                reason, message = self._watch_once(stop)
                if stop.is_set() or self._finite:
                    break
                if not (self._settings.loop and self._shown and reason == "eof"):
                    self._stay_offline(reason, message, stop)
            self._say("ended")
        except SourceError as error:
            self._say("failed", error.reason, str(error))
            raise
        finally:
            self._metrics.up.labels(self._camera_id).set(0)

    def _watch_once(self, stop: threading.Event) -> tuple[Reason, str]:
        """One connection; why it ended. Raises SourceError only for what will not come back."""
        try:
            for clip in self._read_clips(stop):
                self._publish(clip, stop)
        except SourceError as error:
            if self._finite or _is_local(self._settings.source):
                raise
            return error.reason, str(error)
        finally:
            self._tell_metrics(force=True)
        return "eof", "The source ended."

    def _read_clips(self, stop: threading.Event) -> Iterator[Clip]:
        """Clips of one connection, the last and partial one too, however it ends."""
        fault = None
        try:
            for frame in self._connect(stop):
                if stop.is_set():
                    return
                self.newest_pts = frame.pts
                yield from self._cutter.push(frame)
                self._tell_metrics(newest=frame.at)
        except SourceError as error:
            fault = error
        yield from self._cutter.flush()
        if fault:
            raise fault

    def _connect(self, stop: threading.Event) -> Iterator[Frame]:
        options = self._options
        self._shown = False
        if self._settings.loop:
            options = replace(options, start=time.time())
        frames = self._reader()(self._settings.source, options, self.tally)
        if self._settings.loop:
            frames = _at_its_own_speed(frames, stop)
        for count, frame in enumerate(frames):
            if count == 0:
                self._begin(frame)
            yield frame

    def _begin(self, first: Frame) -> None:
        self._finite = first.clock_source == "file" and not self._settings.loop
        self._shown = True
        self._live_since = time.monotonic()
        self._metrics.up.labels(self._camera_id).set(1)
        self._say("live")

    def _reader(self) -> ReadFrames:
        if self._read_frames is not None:
            return self._read_frames
        from streamer.source import read_frames  # PyAV: only where pictures are decoded

        return read_frames

    def _stay_offline(self, reason: Reason, message: str, stop: threading.Event) -> None:
        self._metrics.up.labels(self._camera_id).set(0)
        self._metrics.reconnects.labels(self._camera_id, reason).inc()
        # A camera that gives one picture and dies again must not be hammered.
        if time.monotonic() - self._live_since > self._settings.back_off.longest_seconds:
            self._back_off.reset()
        seconds = self._back_off.next_seconds()
        _log.warning("camera %s: %s Again in %.1f s.", self._camera_id, message, seconds)
        self._say("offline", reason, message)
        stop.wait(seconds)

    def _publish(self, clip: Clip, stop: threading.Event) -> None:
        message = Message(CLIPS.name, self._camera_id, pack_clip(clip))
        when_full: WhenFull = "block" if self._finite else "drop_oldest"
        while not stop.is_set():
            try:
                dropped = self._bus.publish(message, when_full, _STOP_CHECK_SECONDS)
            except BusFullError:
                continue  # a file waits as long as it takes, but must see `stop`
            self.dropped += dropped
            return

    def _say(self, state: State, reason: Reason | None = None, message: str = "") -> None:
        health = CameraHealth(self._camera_id, state, time.time(), reason, message)
        self._bus.publish(Message(HEALTH.name, self._camera_id, pack_health(health)))

    def _tell_metrics(self, newest: float | None = None, force: bool = False) -> None:
        """Counters at most once a second: a file is read hundreds of frames a second."""
        if not force and time.monotonic() - self._told_at < _METRIC_SECONDS:
            return
        self._told_at = time.monotonic()
        if newest is not None:
            self._metrics.last_frame.labels(self._camera_id).set(newest)
        clips = {outcome: self.outcomes[outcome] for outcome in ("ok", "short", "missing")}
        for outcome, count in [*clips.items(), ("dropped", self.dropped)]:
            self._metrics.clips.labels(self._camera_id, outcome).inc(self._new(outcome, count))
        for why in ("stall", "clock_jump"):
            count = self._cutter.beginnings[why]
            self._metrics.reconnects.labels(self._camera_id, why).inc(self._new(why, count))
        errors = self._new("decode_errors", self.tally.decode_errors)
        self._metrics.decode_errors.labels(self._camera_id).inc(errors)

    def _new(self, name: str, count: int) -> int:
        """How much a count grew since it was last asked for."""
        before, self._told[name] = self._told[name], count
        return count - before


def _at_its_own_speed(frames: Iterable[Frame], stop: threading.Event) -> Iterator[Frame]:
    for frame in frames:
        if stop.wait(max(0.0, frame.at - time.time())):
            return
        yield frame


def _is_local(source: str) -> bool:
    return "://" not in source or source.startswith("file://")
