"""Which cameras may have ended the processes that read them."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterable

STRIKES = 2  # ends of its process after which a camera is read alone
_MEMORY_SECONDS = 600.0


class Suspicion:
    """Counts the ends of processes by the cameras that were read there, for ten minutes.

    Where nobody knows which camera it was, all are suspected: a camera that does it is read alone
    after the second time, and takes no other along any more.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._strikes: defaultdict[str, list[float]] = defaultdict(list)

    def add(self, cameras: Iterable[str]) -> None:
        """A process ended, and it was one of these."""
        for camera_id in cameras:
            self._strikes[camera_id].append(self._now())

    def is_on(self, camera_id: str) -> bool:
        """Whether the camera had better be read alone."""
        since = self._now() - _MEMORY_SECONDS
        recent = [at for at in self._strikes.pop(camera_id, []) if at > since]
        if recent:
            self._strikes[camera_id] = recent
        return len(recent) >= STRIKES
