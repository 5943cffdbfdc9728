"""The cameras of a running server: a thread each, changed one by one while the others go on."""

import logging
import threading
import time
from typing import Protocol

from streamer.bus import HEALTH, Bus, Message
from streamer.camera import Camera, ReadFrames
from streamer.camera_record import CameraRecord
from streamer.checked_reader import CheckedReader
from streamer.config import CameraSettings, ReadOptions, StreamerPartConfig
from streamer.errors import BusClosedError, BusError
from streamer.health import CameraHealth, pack_health
from streamer.metrics import StreamerMetrics

PAUSED = "The camera is paused."
# The golden ratio's fraction: however many cameras begin, their clips end evenly spread in time
_SPREAD = (5**0.5 - 1) / 2

_log = logging.getLogger(__name__)


class _Ground(Protocol):
    """What a camera's thread asks of its fleet; called in that thread."""

    def prepare(self, camera: Camera, record: CameraRecord) -> None:
        """Make the camera's next run read what the record says."""

    def tell_paused(self, camera_id: str) -> None:
        """Say that the camera is paused."""

    def forget(self, camera_id: str) -> None:
        """Remove every trace of a camera that is no more."""

    def give_up(self, error: BaseException) -> None:
        """Something unexpected happened."""


class Fleet:
    """Runs cameras as their records say.

    A camera whose source, credentials, loop or transport changed ends its session and begins
    another; what else changes (labels) does not touch it. Calls come from one thread and return
    at once: a camera ends when the read it is in returns, and only then begins anew or is
    forgotten. What cannot be read is tried again for ever.

    Cameras begin a part of a clip's length apart: if all began at once, as after a restart, all
    their clips would come to the encoder at once, and each would wait for all others.
    """

    def __init__(
        self,
        config: StreamerPartConfig,
        bus: Bus,
        metrics: StreamerMetrics,
        read_frames: ReadFrames,
    ) -> None:
        self._config = config
        self._bus = bus
        self._metrics = metrics
        self._read_frames = read_frames
        self._threads: dict[str, _CameraThread] = {}
        self._begun = 0  # cameras so far
        self._error: BaseException | None = None

    def apply(self, record: CameraRecord) -> None:
        """Add, change or pause a camera. A lower revision than the one known is ignored.

        Raises:
            SourceAddressError: the record's id cannot name a camera.
        """
        thread = self._threads.get(record.camera_id)
        if thread is not None and thread.ask(record):
            return
        camera = Camera(self._settings(record), self._bus, self._metrics, self._reader(record))
        thread = self._threads[record.camera_id] = _CameraThread(camera, record, self)
        thread.start(begin_after(self._begun, self._config.clip_format.seconds))
        self._begun += 1

    def remove(self, camera_id: str) -> None:
        """End a camera and forget it: its metrics, its health."""
        if thread := self._threads.get(camera_id):
            thread.ask(None)

    def check(self) -> None:
        """Raise what a camera's thread raised unexpectedly, if one did."""
        if self._error is not None:
            raise self._error
        gone = [camera_id for camera_id, thread in self._threads.items() if thread.is_over]
        for camera_id in gone:
            del self._threads[camera_id]

    def stop(self) -> None:
        """End all cameras; returns when they have published their last clips.

        One that hangs in a connection is left behind after `stop_seconds`: it ends with the
        process, and has had no picture for at least as long.
        """
        for thread in self._threads.values():
            thread.end()
        deadline = time.monotonic() + self._config.stop_seconds
        for camera_id, thread in self._threads.items():
            if not thread.join(deadline - time.monotonic()):
                _log.warning("camera %s: did not end in time and was left behind", camera_id)

    def prepare(self, camera: Camera, record: CameraRecord) -> None:
        """See `_Ground`."""
        camera.change(self._settings(record), self._reader(record))

    def tell_paused(self, camera_id: str) -> None:
        """See `_Ground`."""
        health = CameraHealth(camera_id, "ended", time.time(), message=PAUSED)
        self._bus.publish(Message(HEALTH.name, camera_id, pack_health(health)))

    def forget(self, camera_id: str) -> None:
        """See `_Ground`."""
        self._metrics.forget(camera_id)
        self._bus.publish(Message(HEALTH.name, camera_id, None))

    def give_up(self, error: BaseException) -> None:
        """See `_Ground`."""
        self._error = self._error or error

    def _settings(self, record: CameraRecord) -> CameraSettings:
        config = self._config
        options = ReadOptions(
            record.camera_id,
            config.clip_format,
            open_timeout_seconds=config.open_timeout_seconds,
            read_timeout_seconds=config.read_timeout_seconds,
            rtsp_transport=record.rtsp_transport,
        )
        return CameraSettings(record.source, options, "own", record.loop, config.back_off)

    def _reader(self, record: CameraRecord) -> ReadFrames:
        return CheckedReader(record, self._config, self._read_frames)


def begin_after(number: int, clip_seconds: float) -> float:
    """How many seconds the camera of that number waits before it begins; the first does not.

    >>> [round(begin_after(number, 2.0), 2) for number in range(5)]
    [0.0, 1.24, 0.47, 1.71, 0.94]
    """
    return number * _SPREAD % 1.0 * clip_seconds


class _CameraThread:
    """Runs one camera as it was last asked to, one run at a time, until it is to end.

    Two sessions of a camera never overlap, because one thread runs them all.
    """

    def __init__(self, camera: Camera, record: CameraRecord, ground: _Ground) -> None:
        self._camera = camera
        self._ground = ground
        self._wanted: CameraRecord | None = record  # None: it is to be removed
        self._is_new = True  # what is wanted was not taken up yet
        self._is_ending = False
        self._is_over = False
        self._changed = threading.Condition()  # over all of the above
        self._interrupt = threading.Event()  # ends the run that goes on
        name = f"camera {camera.camera_id}"
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._delay_seconds = 0.0

    @property
    def is_over(self) -> bool:
        """Whether the camera was removed, and nothing of it goes on."""
        with self._changed:
            return self._is_over

    def start(self, delay_seconds: float) -> None:
        """Begin the first run, after a while."""
        self._delay_seconds = delay_seconds
        self._thread.start()

    def ask(self, wanted: CameraRecord | None) -> bool:
        """Run it like this from now on, or remove it (None); false when it was removed before."""
        with self._changed:
            known = self._wanted
            if self._is_over:
                return False
            if known and wanted and wanted.revision < known.revision:
                return True
            self._wanted = wanted
            if _way(known) != _way(wanted):
                self._is_new = True
                self._interrupt.set()
                self._changed.notify()
            return True

    def end(self) -> None:
        """Ask it to end; it is not removed."""
        with self._changed:
            self._is_ending = True
            self._interrupt.set()
            self._changed.notify()

    def join(self, timeout: float) -> bool:
        """Whether it has ended, `timeout` seconds from now at the latest."""
        self._thread.join(max(0.0, timeout))
        return not self._thread.is_alive()

    def _work(self) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._is_ending, self._delay_seconds)
        try:
            while record := self._next():
                self._ground.prepare(self._camera, record)
                self._camera.run(self._interrupt)
        except BusClosedError:
            return
        except BaseException as error:  # noqa: BLE001 - raised again by the part, in its thread
            if not (self._is_ending and isinstance(error, BusError)):  # it was left behind
                self._ground.give_up(error)

    def _next(self) -> CameraRecord | None:
        """Waits for something to run; None: nothing any more."""
        camera_id = self._camera.camera_id
        with self._changed:
            while True:
                self._changed.wait_for(lambda: self._is_ending or self._is_new)
                if self._is_ending:
                    return None
                self._is_new = False
                self._interrupt.clear()
                if self._wanted is None:
                    self._ground.forget(camera_id)
                    self._is_over = True
                    return None
                if not self._wanted.paused:
                    return self._wanted
                self._ground.tell_paused(camera_id)


def _way(record: CameraRecord | None) -> object:
    """What of a record decides how its camera is run."""
    if record is None:
        return None
    if record.paused:
        return "paused"
    transport, declared = record.rtsp_transport, record.declared
    return (record.source, record.credentials, record.loop, transport, declared)
