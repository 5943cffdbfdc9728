"""Coverage: which share of a camera's windows was evaluated, over the last hour."""

import time
from collections.abc import Callable

from grounding import metrics

HOUR = 3600.0
SLOTS = 60  # an hour is counted in minutes: memory does not grow with windows


class Coverage:
    """Counts due and evaluated windows of each camera, and tells the metric.

    A camera that had no window for more than an hour is forgotten, and so is its metric.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._cameras: dict[str, dict[int, tuple[int, int]]] = {}  # minute: due, evaluated

    def note(self, camera_id: str, due: int, evaluated: int) -> None:
        """Windows of a camera that fell due now, and how many of them were evaluated."""
        minutes = self._cameras.setdefault(camera_id, {})
        minute = self._minute()
        before = minutes.get(minute, (0, 0))
        minutes[minute] = (before[0] + due, before[1] + evaluated)
        if len(minutes) > SLOTS:
            self._drop_old(minutes)

    def ratio(self, camera_id: str) -> float | None:
        """Evaluated of due windows over the last hour; None for a camera without any."""
        minutes = self._cameras.get(camera_id, {})
        self._drop_old(minutes)
        due = sum(due for due, _ in minutes.values())
        return sum(evaluated for _, evaluated in minutes.values()) / due if due else None

    def tell(self) -> None:
        """Set the metric of every camera, and take away that of cameras long silent."""
        for camera_id in list(self._cameras):
            ratio = self.ratio(camera_id)
            if ratio is None:
                del self._cameras[camera_id]
                metrics.COVERAGE.remove(camera_id)
            else:
                metrics.COVERAGE.labels(camera_id).set(ratio)

    def _minute(self) -> int:
        return int(self._clock() * SLOTS // HOUR)

    def _drop_old(self, minutes: dict[int, tuple[int, int]]) -> None:
        oldest = self._minute() - SLOTS
        for minute in [minute for minute in minutes if minute <= oldest]:
            del minutes[minute]
