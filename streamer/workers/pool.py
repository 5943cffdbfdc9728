"""The worker processes of a server, and which camera is read in which."""

import logging
import threading
import time

from streamer.errors import BusClosedError
from streamer.workers.suspicion import Suspicion
from streamer.workers.worker import Worker

_END_SECONDS = 2.0  # that all processes together may take to be gone at the end

_log = logging.getLogger(__name__)


class WorkerPool:
    """Starts processes as cameras want them, some cameras in each; safe to use from any thread.

    A camera keeps its place until it gives it back or the process ends. A process that nobody has
    a place in is ended at once. What hangs in the system and does not die holds up no other: it is
    waited for without the lock, and never for long.
    """

    def __init__(self, per_process: int, suspicion: Suspicion | None = None) -> None:
        self._per_process = per_process
        self._suspicion = suspicion or Suspicion()
        self._lock = threading.Lock()  # over all of the following
        self._workers: list[Worker] = []
        self._is_closed = False

    @property
    def processes(self) -> dict[int, frozenset[str]]:
        """The cameras read in each process, by its id."""
        with self._lock:
            return {worker.pid: frozenset(worker.cameras) for worker in self._workers}

    def place(self, camera_id: str) -> Worker:
        """The process that reads the camera from now on.

        Raises:
            BusClosedError: the server ends, and reads no camera any more.
            OSError: the system starts no process.
        """
        left: Worker | None = None
        try:
            with self._lock:
                if self._is_closed:
                    raise BusClosedError("The processes that read cameras were ended.")
                worker = self._worker_of(camera_id)
                alone = self._suspicion.is_on(camera_id)
                if worker and worker.is_alive and (not alone or len(worker.cameras) == 1):
                    return worker
                left = self._leave(worker, camera_id)
                worker = None if alone else self._with_room()
                if worker is None:
                    worker = Worker()
                    self._workers.append(worker)
                worker.cameras.add(camera_id)
                return worker
        finally:
            if left is not None:
                left.close()

    def give_back(self, camera_id: str) -> None:
        """The camera is not read for now."""
        with self._lock:
            left = self._leave(self._worker_of(camera_id), camera_id)
        if left is not None:
            left.close()

    def ended(self, worker: Worker) -> None:
        """A process ended under its cameras; may be told by each of them."""
        worker.settle()
        with self._lock:
            if worker not in self._workers:
                return
            self._workers.remove(worker)
            self._suspicion.add({worker.culprit} if worker.culprit else worker.cameras)
            cameras = ", ".join(sorted(worker.cameras))
        _log.warning(
            "the process %d that read %s ended: %s", worker.pid, cameras, worker.why_ended()
        )
        worker.close(0.0)  # it was waited for

    def is_suspected(self, camera_id: str) -> bool:
        """Whether the camera ended its process too often to be read with others."""
        with self._lock:
            return self._suspicion.is_on(camera_id)

    def close(self) -> None:
        """End all processes, whatever they do; none is started any more."""
        with self._lock:
            self._is_closed = True
            workers, self._workers = self._workers, []
        for worker in workers:
            worker.kill(None)
        deadline = time.monotonic() + _END_SECONDS
        for worker in workers:
            worker.close(max(0.0, deadline - time.monotonic()))

    def _worker_of(self, camera_id: str) -> Worker | None:
        return next((each for each in self._workers if camera_id in each.cameras), None)

    def _with_room(self) -> Worker | None:
        for worker in self._workers:
            is_full = len(worker.cameras) >= self._per_process
            if worker.is_alive and not is_full and not self._is_quarantine(worker):
                return worker
        return None

    def _is_quarantine(self, worker: Worker) -> bool:
        return any(self._suspicion.is_on(camera_id) for camera_id in worker.cameras)

    def _leave(self, worker: Worker | None, camera_id: str) -> Worker | None:
        """The process, if nobody has a place in it now: it is to be closed without the lock."""
        if worker is None:
            return None
        worker.cameras.discard(camera_id)
        if worker.cameras:
            return None
        self._workers.remove(worker)
        return worker
