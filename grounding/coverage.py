"""Coverage: which share of a camera's time was evaluated, over the last hour."""

import time
from collections.abc import Callable

from grounding import metrics

HOUR = 3600.0
SLOTS = 60  # an hour is counted in minutes: memory does not grow with time
MINUTE = HOUR / SLOTS


class Coverage:
    """Sums the owed and the evaluated seconds of each camera, and tells the metric.

    Seconds count when they are settled. More than a minute of them at once (an outage that is
    over) counts backwards from then, so that what lies more than an hour back soon counts no more.
    A camera of which nothing was settled for an hour is forgotten, and so is its metric.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._cameras: dict[str, dict[int, tuple[float, float]]] = {}  # minute: owed, evaluated

    def note(self, camera_id: str, owed: float, evaluated: float) -> None:
        """Seconds of a camera that are settled now, and how many of them were evaluated.

        A negative `evaluated` takes back what was noted before.
        """
        minutes = self._cameras.setdefault(camera_id, {})
        minute, parts = self._minute(), 1
        if owed > MINUTE:
            parts = int(owed // MINUTE) + 1
        for back in range(min(parts, SLOTS)):
            before = minutes.get(minute - back, (0.0, 0.0))
            minutes[minute - back] = (before[0] + owed / parts, before[1] + evaluated / parts)
        if len(minutes) > SLOTS:
            self._drop_old(minutes)

    def ratio(self, camera_id: str) -> float | None:
        """Evaluated of owed seconds over the last hour; None for a camera without any."""
        minutes = self._cameras.get(camera_id, {})
        self._drop_old(minutes)
        owed = sum(owed for owed, _ in minutes.values())
        evaluated = sum(evaluated for _, evaluated in minutes.values())
        return min(1.0, max(0.0, evaluated / owed)) if owed > 0 else None

    def tell(self) -> None:
        """Set the metric of every camera, and take away that of cameras long silent."""
        for camera_id in list(self._cameras):
            ratio = self.ratio(camera_id)
            if ratio is None:
                self.forget(camera_id)
            else:
                metrics.COVERAGE.labels(camera_id).set(ratio)

    def forget(self, camera_id: str) -> None:
        """Another worker goes on with the camera: its metric is not told here any more."""
        if self._cameras.pop(camera_id, None) is not None:
            metrics.COVERAGE.remove(camera_id)

    def _minute(self) -> int:
        return int(self._clock() // MINUTE)

    def _drop_old(self, minutes: dict[int, tuple[float, float]]) -> None:
        oldest = self._minute() - SLOTS
        for minute in [minute for minute in minutes if minute <= oldest]:
            del minutes[minute]
