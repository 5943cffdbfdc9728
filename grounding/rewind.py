"""How far back a reader has to go so that its windows are whole again."""

from collections import deque
from typing import NamedTuple

from grounding.window import WINDOW_CLIPS

SPARE_ENTRIES = 64  # beyond what can be inside windows, before the rest is sorted out


class _Entry(NamedTuple):
    offset: int
    camera_id: str
    session: int
    clip: int


class _Log:
    """What is known of one partition: clips in the order of offsets, newest clip by camera."""

    def __init__(self) -> None:
        self.entries: deque[_Entry] = deque()
        self.newest: dict[str, tuple[int, int]] = {}  # session, index


class Rewind:
    """By partition, which offsets hold clips that are still inside a camera's window.

    A clip costs constant time on average: it is appended once and dropped once. Memory is bounded
    by what the windows themselves hold.
    """

    def __init__(self, clips: int = WINDOW_CLIPS) -> None:
        self._clips = clips
        self._logs: dict[int, _Log] = {}

    def note(self, partition: int, offset: int, camera_id: str, session: int, index: int) -> None:
        """A clip that lies at the offset went into the camera's window; offsets ascend."""
        log = self._logs.setdefault(partition, _Log())
        if (session, index) <= log.newest.get(camera_id, (-1, -1)):
            return  # of an earlier session, or repeated: no window holds it
        log.newest[camera_id] = (session, index)
        log.entries.append(_Entry(offset, camera_id, session, index))
        if len(log.entries) > 2 * self._clips * len(log.newest) + SPARE_ENTRIES:
            log.entries = deque(entry for entry in log.entries if self._inside(log, entry))

    def rewind(self, partition: int) -> int | None:
        """The lowest offset that is still inside any window; None: there is none."""
        log = self._logs.get(partition)
        if log is None:
            return None
        while log.entries and not self._inside(log, log.entries[0]):
            log.entries.popleft()
        return log.entries[0].offset if log.entries else None

    def forget(self, partition: int, camera_id: str) -> None:
        """The camera's window is not needed any more: it holds nobody back."""
        if partition in self._logs:
            self._logs[partition].newest.pop(camera_id, None)

    def drop(self, partition: int) -> None:
        """The partition is somebody else's."""
        self._logs.pop(partition, None)

    def _inside(self, log: _Log, entry: _Entry) -> bool:
        session, index = log.newest.get(entry.camera_id, (-1, -1))
        return entry.session == session and entry.clip > index - self._clips
