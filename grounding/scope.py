"""Scope: which windows which queries are to be compared with, for thousands of queries at once."""

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from grounding.query import StandingQuery
from grounding.schedule import Schedule
from grounding.window import Window

Columns = NDArray[np.intp]
Mask = NDArray[np.bool_]
Key = TypeVar("Key", tuple[str, ...], Schedule | None)
Kept = TypeVar("Kept", str, int)

KEPT_CAMERAS = 1024  # cameras whose columns are remembered; of more the oldest give way
KEPT_MINUTES = 8


class Scope:
    """`StandingQuery.watches` of all queries, as arrays.

    What depends on the camera alone is worked out once a camera, schedules once a minute: in every
    time zone of today a minute begins with a minute of UTC.
    """

    def __init__(self) -> None:
        self.watch(())

    def watch(self, queries: Sequence[StandingQuery]) -> None:
        """Take these queries, in this order, in place of the former ones."""
        self._count = len(queries)
        self._effective_at = np.array([query.effective_at for query in queries], np.float64)  # [Q]
        self._until = np.array([query.until for query in queries], np.float64)  # [Q]
        self._patterns = _grouped([query.cameras for query in queries])
        schedules = _grouped([query.schedule for query in queries])
        self._schedules = [(key, columns) for key, columns in schedules if key is not None]
        self._by_camera: dict[str, Mask] = {}
        self._by_minute: dict[int, Mask] = {}

    def of(self, windows: Sequence[Window]) -> Mask:
        """Which pairs [W, Q] of a window and a query are in scope."""
        scope = np.zeros((len(windows), self._count), np.bool_)
        for row, window in enumerate(windows):
            at = window.seen_until
            if window.is_film:
                scope[row] = np.isinf(self._until)
            else:
                scope[row] = (self._effective_at <= at) & (at < self._until)
            scope[row] &= self._watching(window.camera_id)
            if self._schedules:
                scope[row] &= self._scheduled(int(at // 60))
        return scope

    def _watching(self, camera_id: str) -> Mask:
        known = self._by_camera.get(camera_id)
        if known is None:
            known = np.zeros(self._count, np.bool_)
            for patterns, columns in self._patterns:
                known[columns] = any(fnmatchcase(camera_id, pattern) for pattern in patterns)
            _remember(self._by_camera, camera_id, known, KEPT_CAMERAS)
        return known

    def _scheduled(self, minute: int) -> Mask:
        known = self._by_minute.get(minute)
        if known is None:
            known = np.ones(self._count, np.bool_)
            for schedule, columns in self._schedules:
                known[columns] = schedule.includes(60.0 * minute)
            _remember(self._by_minute, minute, known, KEPT_MINUTES)
        return known


def _grouped(keys: Sequence[Key]) -> list[tuple[Key, Columns]]:
    """Equal keys with the places [n] where they stand."""
    places: dict[Key, list[int]] = {}
    for place, key in enumerate(keys):
        places.setdefault(key, []).append(place)
    return [(key, np.array(found, np.intp)) for key, found in places.items()]


def _remember(known: dict[Kept, Mask], key: Kept, mask: Mask, most: int) -> None:
    if len(known) >= most:
        del known[next(iter(known))]  # the one that was worked out first
    known[key] = mask
