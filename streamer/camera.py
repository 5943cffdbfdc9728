"""One camera over its life: connect, cut, publish; back off and connect again."""

import logging
import threading
import time
from collections import Counter
from collections.abc import Iterator
from typing import Protocol

import msgspec

from streamer.back_off import BackOff
from streamer.bus import CLIPS, HEALTH, Bus, Message, WhenFull
from streamer.clip import Clip
from streamer.config import CameraSettings, ReadOptions
from streamer.cut import ClipCutter, Outcome
from streamer.errors import BusFullError, SourceAddressError, SourceError, SourceLostError
from streamer.frame import Frame
from streamer.health import CameraHealth, State, pack_health
from streamer.metrics import StreamerMetrics
from streamer.outlet import Outlet
from streamer.pace import play_as_live
from streamer.record import pack_clip
from streamer.source_facts import ReadTally

_STOP_CHECK_SECONDS = 0.5  # how long a full bus may keep a stopping camera
_METRIC_SECONDS = 1.0
_SHORTEST_TURN_SECONDS = 0.2  # of a looped file

_log = logging.getLogger(__name__)


class ReadFrames(Protocol):
    """What `streamer.source.read_frames` does."""

    def __call__(
        self, source: str, options: ReadOptions, tally: ReadTally | None = None
    ) -> Iterator[Frame]:
        """The frames of a source."""


class Camera:
    """Publishes the clips of one camera until it ends or is stopped; may be run again.

    A live camera is tried again for ever, and its oldest clips make room on a full bus. A file
    ends. At the fastest pace its clips wait for room and one that cannot be read raises; as live
    it is a live camera that ends, or begins again when it is looped.
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
        self._camera_id = settings.options.camera_id
        self._outlet = Outlet(self._camera_id, bus, metrics)
        self._metrics = metrics
        self._cutter = ClipCutter(settings.options.clip_format, self.outcomes, settings.not_before)
        self._told: Counter[str] = Counter()  # what the metrics already know
        self._told_at = 0.0
        self._said: CameraHealth | None = None
        self.change(settings, read_frames)

    @property
    def camera_id(self) -> str:
        """The camera's name."""
        return self._camera_id

    def take_up(self, since: float) -> None:
        """Say that it is watched from now on, in UTC seconds: after a pause, or from elsewhere."""
        self._cutter.watched_since = since

    def cut_off(self) -> None:
        """Let nothing of it out any more, wherever it hangs; called from any thread."""
        self._outlet.cut()

    def change(self, settings: CameraSettings, read_frames: ReadFrames | None = None) -> None:
        """Read from elsewhere at the next `run`; sessions stay in order and counts go on.

        Never while it runs, and never to another camera's id or clip format; `not_before` is of
        the first session, and not changed.
        """
        self._settings = settings
        self._read_frames = read_frames
        self._back_off = BackOff(settings.back_off)
        self._shown_at: float | None = None  # monotonic; of the newest connection's first picture
        self.tally.card_refusal = ""  # what was no good for it there may be for what is read now
        self._told_decoder = ""
        self._is_file = False

    def run(self, stop: threading.Event) -> None:
        """Blocks until the source ends (files) or `stop` is set.

        Raises:
            SourceError: a file at the fastest pace cannot be read; otherwise it is counted, said
                on the health topic and tried again.
            BusClosedError: the bus was closed, or the camera cut off from it.
        """
        try:
            self._say("connecting")
            while not stop.is_set():
                fault = self._watch_once(stop)
                if stop.is_set() or (self._is_file and not fault and not self._settings.loop):
                    break
                if self._is_file and not fault:
                    self._turn(stop)
                else:
                    self._stay_away(fault or SourceLostError("The source ended."), stop)
            self._say("ended")
        except SourceError as error:
            self._metrics.up.labels(self._camera_id).set(0)
            self._say("failed", error)
            raise
        # Neither up nor down: nobody is to be called because a film is over
        self._metrics.up.remove_by_labels({"camera": self._camera_id})

    def _watch_once(self, stop: threading.Event) -> SourceError | None:
        """One connection, and why it broke off; None at its end. Raises what is final."""
        try:
            for clip in self._read_clips(stop):
                self._publish(clip, stop)
        except SourceError as error:
            is_local = self._is_file or _is_local(self._settings.source)
            if is_local and not self._settings.plays_as_live:
                raise
            return error.with_traceback(None)  # it would keep pictures alive
        finally:
            self._tell_metrics(force=True)
        return None

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
        settings = self._settings
        self._shown_at, self._is_file = None, False
        frames = self._reader()(settings.source, settings.options, self.tally)
        frames = self._greet(frames)
        return play_as_live(frames, stop) if settings.plays_as_live else frames

    def _greet(self, frames: Iterator[Frame]) -> Iterator[Frame]:
        """The frames; with the first the camera is live."""
        for frame in frames:
            if self._shown_at is None:
                self._shown_at = time.monotonic()
                self._is_file = frame.clock_source == "file"
                self._say("live")
                self._metrics.up.labels(self._camera_id).set(1)
            yield frame

    def _reader(self) -> ReadFrames:
        if self._read_frames is not None:
            return self._read_frames
        from streamer.source import read_frames  # PyAV: only where pictures are decoded

        return read_frames

    def _turn(self, stop: threading.Event) -> None:
        """Between two turns of a looped file; one of a single picture would spin."""
        assert self._shown_at is not None
        stop.wait(max(0.0, self._shown_at + _SHORTEST_TURN_SECONDS - time.monotonic()))

    def _stay_away(self, fault: SourceError, stop: threading.Event) -> None:
        self._metrics.up.labels(self._camera_id).set(0)
        self._metrics.reconnects.labels(self._camera_id, fault.reason).inc()
        longest = self._settings.back_off.longest_seconds
        # A camera that gives one picture and dies again must not be hammered.
        if self._shown_at is not None and time.monotonic() - self._shown_at > longest:
            self._back_off.reset()
        seconds = self._back_off.next_seconds()
        _log.warning("camera %s: %s Again in %.1f s.", self._camera_id, fault, seconds)
        # Somebody has to look at an address or a file; a camera comes back by itself.
        lasting = isinstance(fault, SourceAddressError) or _is_local(self._settings.source)
        self._say("failed" if lasting else "offline", fault)
        if not stop.wait(seconds) and not lasting:
            self._say("connecting")

    def _publish(self, clip: Clip, stop: threading.Event) -> None:
        value = pack_clip(clip, self._settings.pixels)
        message = Message(CLIPS.name, self._camera_id, value)
        waits = self._is_file and not self._settings.plays_as_live
        when_full: WhenFull = "block" if waits else "drop_oldest"
        while not stop.is_set():
            try:
                dropped = self._outlet.publish(message, when_full, _STOP_CHECK_SECONDS)
            except BusFullError:
                continue  # a file waits as long as it takes, but must see `stop`
            self.dropped += dropped
            return

    def _say(self, state: State, fault: SourceError | None = None) -> None:
        reason, message = (fault.reason, str(fault)) if fault else (None, "")
        health = CameraHealth(self._camera_id, state, time.time(), reason, message)
        if self._said and msgspec.structs.replace(self._said, since=health.since) == health:
            return  # every turn of a looped file is live again
        self._said = health
        self._outlet.publish(Message(HEALTH.name, self._camera_id, pack_health(health)))

    def _tell_metrics(self, newest: float | None = None, force: bool = False) -> None:
        """Counters at most once a second: a file is read hundreds of frames a second."""
        if self._outlet.is_cut:
            return  # the camera's series are gone from here, or another's
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
        self._tell_decoder()

    def _tell_decoder(self) -> None:
        if refusals := self._new("card_refusals", self.tally.card_refusals):
            self._metrics.card_refusals.labels(self._camera_id).inc(refusals)
            why = self.tally.card_refusal
            _log.warning("camera %s: decoded on the processor: %s", self._camera_id, why)
        if self._shown_at is not None and self._told_decoder != self.tally.decoder:
            self._told_decoder = self.tally.decoder
            self._metrics.tell_decoder(self._camera_id, self._told_decoder)

    def _new(self, name: str, count: int) -> int:
        """How much a count grew since it was last asked for."""
        before, self._told[name] = self._told[name], count
        return count - before


def _is_local(source: str) -> bool:
    return "://" not in source or source.startswith("file://")
