"""Evidence that has to go, goes: the oldest first."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

from streamer.errors import EvidenceError
from streamer.evidence.config import EvidenceConfig
from streamer.evidence.kept_clips import KeptClips, surplus
from streamer.evidence.metrics import StorageMetrics
from streamer.evidence.names import HOUR_SECONDS
from streamer.evidence.open_segment import claimed, open_segments
from streamer.evidence.retention import Limits, RetentionPlan, plan_retention
from streamer.evidence.shelf import Entry, Shelf
from streamer.evidence.work_folder import storage_faults
from streamer.limited_log import LimitedLog

# Hours that began this long ago are complete: nobody adds to them, so they are listed once
_SETTLED_SECONDS = 3 * HOUR_SECONDS
_DAY_SECONDS = 24 * HOUR_SECONDS

_log = logging.getLogger(__name__)


class Sweeper:
    """Removes evidence by age, size and the room that is left on its disk."""

    def __init__(
        self,
        config: EvidenceConfig,
        shelf: Shelf,
        metrics: StorageMetrics,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._config = config
        self._shelf = shelf
        self._metrics = metrics
        self._clock = clock
        self._clips = KeptClips(shelf)
        self._settled: dict[str, list[Entry]] = {}  # by hour's folder
        self._log = LimitedLog(_log, 60.0)

    def run(self, stop: threading.Event) -> None:
        """Sweep now and then until `stop` is set; a storage that refuses is tried again."""
        while not stop.is_set():
            try:
                self.sweep()
            except EvidenceError as error:
                self._metrics.sweep_faults.inc()
                self._log.warning("old evidence is not removed: %s", error)
            stop.wait(self._config.sweep_seconds)
        self._log.close()

    def sweep(self) -> RetentionPlan:
        """Remove what has to go now.

        Raises:
            EvidenceStorageError: the storage refuses.
        """
        now = self._clock()
        oldest = now - self._config.keep_seconds
        entries = [entry for hour in self._hours(now) for entry in hour]
        clips = self._clips.look(oldest - _DAY_SECONDS)
        kept = sum(clip.size for clip in clips)
        most = self._most_bytes(kept + sum(entry.size for entry in entries))
        # Clips of alerts leave half of it to what cameras send; what that leaves they may have
        plan = plan_retention(entries, Limits(oldest, max(most - kept, most // 2)))
        gone: set[str] = set()
        for reason, names in (("age", plan.too_old), ("size", plan.too_many)):
            for name in names:
                self._shelf.remove(name)
                self._metrics.removed.labels(reason).inc()
                gone.add(name)
        self._forget(gone)
        for clip in surplus(clips, most - plan.kept_bytes):
            self._clips.remove(clip)
            self._metrics.removed.labels("size").inc()
            kept -= clip.size
        self._metrics.stored.set(plan.kept_bytes + kept)
        self._clear_left_behind(oldest)
        return plan

    def _most_bytes(self, stored: int) -> int:
        """What all evidence may take, of which so much is there."""
        free = self._shelf.free_bytes()
        if free is None:
            return self._config.keep_bytes
        return min(self._config.keep_bytes, stored + free - self._config.keep_free_bytes)

    def _clear_left_behind(self, oldest: float) -> None:
        """Remove what was never completed, and could not be recovered in all that time."""
        folder = self._config.open_folder
        with storage_faults(str(folder)):
            cameras = sorted(folder.iterdir()) if folder.is_dir() else []
        for camera in cameras:
            for path, known in open_segments(camera):
                if known.start_ms / 1000 >= oldest:
                    continue
                with claimed(path) as is_free, storage_faults(str(path)):
                    if is_free:
                        path.unlink(missing_ok=True)

    def _hours(self, now: float) -> Iterator[list[Entry]]:
        known, self._settled = self._settled, {}
        for camera in self._shelf.folders(""):
            if camera.startswith("_"):  # no camera: what is kept for alerts, or is not complete
                continue
            for day in self._shelf.folders(camera):
                for hour in self._shelf.folders(f"{camera}/{day}"):
                    folder = f"{camera}/{day}/{hour}"
                    is_settled = _is_settled(day, hour, now)
                    if is_settled and folder not in known:
                        for name in self._shelf.unfinished(folder):  # their writers were killed
                            self._shelf.remove(name)
                    entries = known.get(folder) or self._shelf.files(folder)
                    if is_settled:
                        self._settled[folder] = entries
                    yield entries

    def _forget(self, gone: set[str]) -> None:
        for folder in {name.rpartition("/")[0] for name in gone} & self._settled.keys():
            self._settled[folder] = [one for one in self._settled[folder] if one.name not in gone]


def _is_settled(day: str, hour: str, now: float) -> bool:
    return f"{day}/{hour}" < f"{datetime.fromtimestamp(now - _SETTLED_SECONDS, UTC):%Y-%m-%d/%H}"
