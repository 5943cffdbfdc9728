"""What killed processes left of segments is kept, also of cameras that do not come back."""

import logging
import threading

from streamer.errors import EvidenceError
from streamer.evidence.config import EvidenceConfig
from streamer.evidence.names import mark_of
from streamer.evidence.open_segment import clear_forgotten, open_segments
from streamer.evidence.shelf import open_shelf
from streamer.limited_log import LimitedLog
from streamer.picture_area import Polygon

_END_SECONDS = 2.0  # a storage that hangs is not waited for

_log = logging.getLogger(__name__)


class EvidenceRecovery:
    """Looks now and then for segments of this machine that nobody writes any more.

    A camera's recorder does the same when it connects, which it may never do again. Begin once it
    is known which masks cameras have: what was not painted over is kept of no camera with masks.
    """

    def __init__(self, config: EvidenceConfig) -> None:
        self._config = config
        self._marks: dict[str, str] = {}  # by camera
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._log = LimitedLog(_log, 60.0)

    def note(self, camera_id: str, masks: tuple[Polygon, ...]) -> None:
        """A camera has these masks from now on."""
        self._marks[camera_id] = mark_of(masks)

    def begin(self) -> None:
        """Look from now on, in a thread; called again it changes nothing."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="evidence recovery", daemon=True)
            self._thread.start()

    def end(self) -> None:
        """Look no more."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(_END_SECONDS)
        self._log.close()

    def look(self) -> int:
        """Keep what can be kept now; of how many segments.

        Raises:
            EvidenceStorageError: the storage refuses.
        """
        kept = 0
        folder = self._config.open_folder
        for camera in sorted(folder.iterdir()) if folder.is_dir() else ():
            clear_forgotten(camera)
            for path, known in open_segments(camera):
                from streamer.evidence.segment_leftover import recover  # PyAV: only where one lies

                mark = self._marks.get(camera.name)
                found = recover(path, known, camera.name, mark, open_shelf(self._config.url))
                kept += found.kept_bytes > 0
                if found.kept_bytes:
                    _log.info("camera %s: kept what was left of a segment", camera.name)
                if found.dropped:
                    _log.warning(
                        "camera %s: what was left of a segment was removed: it was recorded "
                        "without the masks that the camera has now",
                        camera.name,
                    )
        return kept

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self.look()
            except (EvidenceError, OSError) as error:
                self._log.warning("segments that were left are not kept yet: %s", error)
            except Exception as error:  # noqa: BLE001 - a damaged file must not end the server
                self._log.error("a segment that was left cannot be looked at: %r", error)
            self._stop.wait(self._config.sweep_seconds)
