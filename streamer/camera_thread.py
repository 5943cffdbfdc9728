"""The thread of a camera: it runs as it was last asked to, one run at a time."""

import threading
import time
from typing import Protocol

from streamer.camera import Camera
from streamer.camera_record import CameraRecord
from streamer.errors import BusClosedError, BusError


class Ground(Protocol):
    """What a camera's thread asks of its fleet; called in that thread."""

    def prepare(self, camera: Camera, record: CameraRecord) -> None:
        """Make the camera's next run read what the record says."""

    def tell_paused(self, camera_id: str) -> None:
        """Say that the camera is paused."""

    def forget(self, camera_id: str) -> None:
        """Remove every trace of a camera that is no more."""

    def give_up(self, error: BaseException) -> None:
        """Something unexpected happened."""


class CameraThread:
    """Runs one camera as it was last asked to, one run at a time, until it is to end.

    Two sessions of a camera never overlap, because one thread runs them all.
    """

    def __init__(self, camera: Camera, record: CameraRecord, ground: Ground) -> None:
        self._camera = camera
        self._ground = ground
        self._wanted: CameraRecord | None = record  # None: it is to be removed
        self._is_new = True  # what is wanted was not taken up yet
        self._rests = True  # it was not run yet, or paused
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

    def leave_behind(self) -> None:
        """It hangs and is no longer waited for: nothing of it gets out when it comes back."""
        self._camera.cut_off()

    def _work(self) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._is_ending, self._delay_seconds)
        try:
            while record := self._next():
                if self._rests:
                    self._rests = False
                    self._camera.take_up(time.time())
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
                self._rests = True
                self._ground.tell_paused(camera_id)


def _way(record: CameraRecord | None) -> object:
    """What of a record decides how its camera is run."""
    if record is None:
        return None
    if record.paused:
        return "paused"
    return (
        (record.source, record.sub_source, record.credentials, record.rtsp_transport),
        (record.loop, record.declared, record.decode, record.decoder, record.evidence),
        (record.masks, record.region, record.pace, record.start),
    )
