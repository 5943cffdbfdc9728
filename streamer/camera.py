"""One camera over its life: connect, cut, publish; back off and connect again."""

import logging
import threading
import time
from collections import Counter

import msgspec

from streamer.back_off import BackOff
from streamer.bus import CLIPS, HEALTH, Bus, Message
from streamer.config import CameraSettings
from streamer.connection import ReadFrames, ReadHere, Reading
from streamer.cut import ClipCutter, Outcome
from streamer.errors import (
    BusFullError,
    SourceAddressError,
    SourceError,
    SourceLostError,
    SourceTakenError,
)
from streamer.evidence.teller import EvidenceTeller
from streamer.health import CameraHealth, State, pack_health
from streamer.metrics import StreamerMetrics
from streamer.outlet import Outlet
from streamer.sight import Sight
from streamer.source_facts import ReadTally

_STOP_CHECK_SECONDS = 0.5  # how long a full bus may keep a stopping camera
_METRIC_SECONDS = 1.0
_SHORTEST_TURN_SECONDS = 0.2  # of a looped file

_log = logging.getLogger(__name__)


class Camera:
    """Publishes the clips of one camera until it ends or is stopped; may be run again.

    A live camera is tried again for ever, and its oldest clips make room on a full bus. A file
    ends. At the fastest pace its clips wait for room, and one that cannot be read raises, or is
    read again from its beginning (`tries_again`); as live it is a live camera that ends, or begins
    again when it is looped.
    """

    def __init__(
        self,
        settings: CameraSettings,
        bus: Bus,
        metrics: StreamerMetrics,
        read_frames: ReadFrames | None = None,
        reading: Reading | None = None,
    ) -> None:
        """Connections are read by `reading`; without one, here, by `read_frames`."""
        self.dropped = 0  # clips that made room for newer ones
        self._camera_id = settings.options.camera_id
        self._outlet = Outlet(self._camera_id, bus, metrics)
        self._metrics = metrics
        self._sight = Sight(not_before=settings.not_before)
        self._cutter = ClipCutter(
            settings.options.clip_format, self._sight.outcomes, settings.not_before
        )
        self._sight.beginnings = self._cutter.beginnings
        self._evidence = EvidenceTeller(self._camera_id, metrics.recording)
        self._told: dict[str, float] = {}  # what the metrics already know
        self._told_at = 0.0
        self._said: CameraHealth | None = None
        self.change(settings, read_frames, reading)

    @property
    def camera_id(self) -> str:
        """The camera's name."""
        return self._camera_id

    @property
    def tally(self) -> ReadTally:
        """What its connections met."""
        return self._sight.tally

    @property
    def outcomes(self) -> Counter[Outcome]:
        """What became of its clips."""
        return self._sight.outcomes

    @property
    def newest_pts(self) -> float:
        """Seconds into the source: how far it has been read."""
        return self._sight.newest_pts

    def take_up(self, since: float) -> None:
        """Say that it is watched from now on, in UTC seconds: after a pause, or from elsewhere."""
        self._sight.watched_since = since

    def cut_off(self) -> None:
        """Let nothing of it out any more, wherever it hangs; called from any thread."""
        self._outlet.cut()

    def change(
        self,
        settings: CameraSettings,
        read_frames: ReadFrames | None = None,
        reading: Reading | None = None,
    ) -> None:
        """Read from elsewhere at the next `run`; sessions stay in order and counts go on.

        Never while it runs, and never to another camera's id or clip format; `not_before` is of
        the first session, and not changed.
        """
        self._settings = settings
        self._reading = reading or ReadHere(read_frames, self._cutter)
        self._back_off = BackOff(settings.back_off)
        self._sight.begin()
        self.tally.card_refusal = ""  # what was no good for it there may be for what is read now
        self._told_decoder = ""

    def run(self, stop: threading.Event) -> None:
        """Blocks until the source ends (files) or `stop` is set.

        Raises:
            SourceError: a file at the fastest pace cannot be read, and is not to be tried again;
                otherwise it is counted, said on the health topic and tried again.
            BusClosedError: the bus was closed, or the camera cut off from it.
        """
        try:
            self._say("connecting")
            while not stop.is_set():
                fault = self._watch_once(stop)
                if stop.is_set() or (self._sight.is_file and not fault and not self._settings.loop):
                    break
                if self._sight.is_file and not fault:
                    self._turn(stop)
                else:
                    self._stay_away(fault or SourceLostError("The source ended."), stop)
            self._say("ended")
        except SourceError as error:
            self._metrics.up.labels(self._camera_id).set(0)
            self._say("failed", error)
            raise
        finally:
            self._reading.close()
        # Neither up nor down: nobody is to be called because a film is over
        self._metrics.up.remove_by_labels({"camera": self._camera_id})

    def _watch_once(self, stop: threading.Event) -> SourceError | None:
        """One connection, and why it broke off; None at its end. Raises what is final."""
        sight, is_live = self._sight, False
        sight.begin()
        try:
            for value in self._reading.read(self._settings, sight, stop):
                if not is_live and sight.shown_at is not None:
                    is_live = True
                    self._say("live")
                    self._metrics.up.labels(self._camera_id).set(1)
                self._tell_metrics(sight.newest_at or None)
                if value is not None:
                    self._publish(value, stop)
        except SourceError as error:
            settings = self._settings
            is_local = sight.is_file or settings.is_local
            if is_local and not settings.plays_as_live and not settings.tries_again:
                raise
            return error.with_traceback(None)  # it would keep pictures alive
        finally:
            self._tell_metrics(force=True)
        return None

    def _turn(self, stop: threading.Event) -> None:
        """Between two turns of a looped file; one of a single picture would spin."""
        assert self._sight.shown_at is not None
        stop.wait(max(0.0, self._sight.shown_at + _SHORTEST_TURN_SECONDS - time.monotonic()))

    def _stay_away(self, fault: SourceError, stop: threading.Event) -> None:
        self._metrics.up.labels(self._camera_id).set(0)
        self._metrics.reconnects.labels(self._camera_id, fault.counted_as()).inc()
        longest = self._settings.back_off.longest_seconds
        # A camera that gives one picture and dies again must not be hammered, nor a film that
        # breaks off at the same place each time, however far that is into it.
        shown_at = None if self._settings.is_film else self._sight.shown_at
        if shown_at is not None and time.monotonic() - shown_at > longest:
            self._back_off.reset()
        blameless = isinstance(fault, SourceTakenError)
        seconds = 0.0 if blameless else self._back_off.next_seconds()
        _log.warning("camera %s: %s Again in %.1f s.", self._camera_id, fault, seconds)
        # Somebody has to look at an address or a file; a camera comes back by itself.
        lasting = isinstance(fault, SourceAddressError) or self._settings.is_local
        self._say("failed" if lasting else "offline", fault)
        if not stop.wait(seconds) and not lasting:
            self._say("connecting")

    def _publish(self, value: bytes, stop: threading.Event) -> None:
        message = Message(CLIPS.name, self._camera_id, value)
        if self._settings.plays_as_live or not self._sight.is_file:
            self.dropped += self._outlet.publish(message, "drop_oldest")  # its last one, too
            return
        while not stop.is_set():
            try:
                self._outlet.publish(message, "block", _STOP_CHECK_SECONDS)
            except BusFullError:
                continue  # a file waits as long as it takes, but must see `stop`
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
        clips = {outcome: self._sight.outcomes[outcome] for outcome in ("ok", "short", "missing")}
        dropped = self.dropped + self._sight.lost
        for outcome, count in [*clips.items(), ("dropped", dropped)]:
            self._metrics.clips.labels(self._camera_id, outcome).inc(self._new(outcome, count))
        for why in ("stall", "clock_jump"):
            count = self._sight.beginnings[why]
            self._metrics.reconnects.labels(self._camera_id, why).inc(self._new(why, count))
        errors = self._new("decode_errors", self._sight.tally.decode_errors)
        self._metrics.decode_errors.labels(self._camera_id).inc(errors)
        seconds = self._new("decode_seconds", self._sight.tally.decode_seconds)
        self._metrics.decode_seconds.labels(self._camera_id).inc(seconds)
        self._evidence.tell(self._sight.tally.evidence)
        self._tell_decoder()

    def _tell_decoder(self) -> None:
        tally = self._sight.tally
        if refusals := self._new("card_refusals", tally.card_refusals):
            self._metrics.card_refusals.labels(self._camera_id).inc(refusals)
            why = tally.card_refusal
            _log.warning("camera %s: decoded on the processor: %s", self._camera_id, why)
        if self._sight.shown_at is not None and self._told_decoder != tally.decoder:
            self._told_decoder = tally.decoder
            self._metrics.tell_decoder(self._camera_id, self._told_decoder)

    def _new(self, name: str, count: float) -> float:
        """How much a count grew since it was last asked for."""
        before, self._told[name] = self._told.get(name, 0.0), count
        return count - before
