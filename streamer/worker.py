"""Cameras that are known from the start and read to their end (`watch`): a thread each."""

import threading
from collections.abc import Sequence

from streamer.bus import CLIPS, Bus
from streamer.camera import Camera
from streamer.errors import BusClosedError, SourceError


class StreamerWorker:
    """Runs cameras until all have ended or `stop` is set, then finishes the clips topic."""

    def __init__(self, cameras: Sequence[Camera], bus: Bus) -> None:
        self.faults: dict[str, SourceError] = {}  # cameras that cannot be read, by id
        self._cameras = cameras
        self._bus = bus
        self._unexpected: list[BaseException] = []

    def run(self, stop: threading.Event) -> None:
        """Blocks until the last camera is done.

        A camera that cannot be read stands in `faults` and does not hold up the others; anything
        unexpected stops them all and is raised.
        """
        threads = [
            threading.Thread(target=self._watch, args=(camera, stop), name=camera.camera_id)
            for camera in self._cameras
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self._bus.finish(CLIPS.name)
        if self._unexpected:
            raise self._unexpected[0]

    def _watch(self, camera: Camera, stop: threading.Event) -> None:
        try:
            camera.run(stop)
        except SourceError as error:
            self.faults[camera.camera_id] = error
        except BusClosedError:
            stop.set()  # everybody is to stop
        except BaseException as error:  # noqa: BLE001 - raised again by run, in the caller's thread
            self._unexpected.append(error)
            stop.set()
