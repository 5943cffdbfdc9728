"""The cameras of a running server: a thread each, changed one by one while the others go on.

A camera's thread connects, publishes and backs off; its pictures are read in a worker process.
"""

import logging
import time
from collections.abc import Mapping
from dataclasses import replace

from streamer.bus import HEALTH, Bus, Message, Partitions, partition_of
from streamer.camera import Camera
from streamer.camera_record import CameraRecord
from streamer.camera_thread import CameraThread
from streamer.camera_url import is_network
from streamer.checked_reader import CheckedReader
from streamer.config import CameraSettings, ReadOptions, StreamerPartConfig
from streamer.connection import ReadFrames, Reading
from streamer.health import CameraHealth, pack_health
from streamer.metrics import StreamerMetrics
from streamer.workers.pool import WorkerPool
from streamer.workers.remote import ReadInWorker

PAUSED = "The camera is paused."
# The golden ratio's fraction: however many cameras begin, their clips end evenly spread in time
_SPREAD = (5**0.5 - 1) / 2

_log = logging.getLogger(__name__)


class Fleet:
    """Runs cameras as their records say.

    A camera whose source, credentials, pace, loop, transport or decoder changed ends its session
    and begins another; what else changes (labels) does not touch it. Calls come from one thread and
    return at once: a camera ends when the read it is in returns, and only then begins anew or is
    forgotten. What cannot be read is tried again for ever.

    Cameras begin a part of a clip's length apart: if all began at once, as after a restart, all
    their clips would come to the encoder at once, and each would wait for all others.
    """

    def __init__(
        self,
        config: StreamerPartConfig,
        bus: Bus,
        metrics: StreamerMetrics,
        read_frames: ReadFrames | None = None,
    ) -> None:
        """Cameras are read by `read_frames` in their threads; without it, in worker processes."""
        self._config = config
        self._bus = bus
        self._metrics = metrics
        self._read_frames = read_frames
        self.pool = WorkerPool(config.per_process)  # unused where cameras are read in threads
        self._threads: dict[str, CameraThread] = {}
        self._begun = 0  # cameras so far
        self._error: BaseException | None = None

    def apply(self, record: CameraRecord, not_before: float = 0.0) -> None:
        """Add, change or pause a camera. A lower revision than the one known is ignored.

        One that is new here begins no session before `not_before` (UTC seconds).

        Raises:
            SourceAddressError: the record's id cannot name a camera.
        """
        thread = self._threads.get(record.camera_id)
        if thread is not None and thread.ask(record):
            return
        settings = replace(self._settings(record), not_before=not_before)
        camera = Camera(settings, self._bus, self._metrics, *self._ways(record))
        thread = self._threads[record.camera_id] = CameraThread(camera, record, self)
        thread.start(begin_after(self._begun, self._config.clip_format.seconds))
        self._begun += 1

    def remove(self, camera_id: str) -> None:
        """End a camera and forget it: its metrics, its health.

        Of one that is not known here another process may have left its health behind.
        """
        if thread := self._threads.get(camera_id):
            thread.ask(None)
        else:
            self.forget(camera_id)

    def check(self) -> None:
        """Raise what a camera's thread raised unexpectedly, if one did."""
        if self._error is not None:
            raise self._error
        gone = [camera_id for camera_id, thread in self._threads.items() if thread.is_over]
        for camera_id in gone:
            del self._threads[camera_id]

    def stop(self) -> None:
        """End all cameras; returns when they have published their last clips.

        One that hangs in a connection is left behind after `stop_seconds`: it has had no picture
        for at least as long, and nothing of it gets out any more.
        """
        self._end(self._threads)
        self.pool.close()

    def release(self, partitions: Partitions) -> None:
        """End the cameras of partitions that go to another process, and keep no series of them.

        Returns and leaves behind as `stop` does.
        """
        lost = {
            camera_id: thread
            for camera_id, thread in self._threads.items()
            if partition_of(camera_id, self._bus.partitions) in partitions
        }
        self._end(lost)
        for camera_id in lost:
            del self._threads[camera_id]
            self._metrics.forget(camera_id)

    def prepare(self, camera: Camera, record: CameraRecord) -> None:
        """See `Ground`."""
        camera.change(self._settings(record), *self._ways(record))

    def tell_paused(self, camera_id: str) -> None:
        """See `Ground`."""
        health = CameraHealth(camera_id, "ended", time.time(), message=PAUSED)
        self._bus.publish(Message(HEALTH.name, camera_id, pack_health(health)))

    def forget(self, camera_id: str) -> None:
        """See `Ground`."""
        self._metrics.forget(camera_id)
        self._bus.publish(Message(HEALTH.name, camera_id, None))

    def give_up(self, error: BaseException) -> None:
        """See `Ground`."""
        self._error = self._error or error

    def _end(self, threads: Mapping[str, CameraThread]) -> None:
        for thread in threads.values():
            thread.end()
        deadline = time.monotonic() + self._config.stop_seconds
        for camera_id, thread in threads.items():
            if not thread.join(deadline - time.monotonic()):
                thread.leave_behind()
                _log.warning("camera %s: did not end in time and was left behind", camera_id)

    def _settings(self, record: CameraRecord) -> CameraSettings:
        config = self._config
        options = ReadOptions(
            record.camera_id,
            config.clip_format,
            start=record.start,
            open_timeout_seconds=config.open_timeout_seconds,
            read_timeout_seconds=config.read_timeout_seconds,
            rtsp_transport=record.rtsp_transport,
            decode=record.decode,
            decode_threads=1,
            masks=record.masks,
            region=record.region,
            decoder=record.decoder or config.decoder,
        )
        return CameraSettings(
            record.source,
            options,
            "own" if is_network(record.source) else record.pace,
            record.loop,
            config.back_off,
            config.pixels,
            tries_again=True,
        )

    def _ways(self, record: CameraRecord) -> tuple[ReadFrames | None, Reading | None]:
        """How the camera is read in its thread, or by a worker process."""
        if self._read_frames is None:
            return None, ReadInWorker(record, self._config, self.pool)
        return CheckedReader(record, self._config, self._read_frames), None


def begin_after(number: int, clip_seconds: float) -> float:
    """How many seconds the camera of that number waits before it begins; the first does not.

    >>> [round(begin_after(number, 2.0), 2) for number in range(5)]
    [0.0, 1.24, 0.47, 1.71, 0.94]
    """
    return number * _SPREAD % 1.0 * clip_seconds
