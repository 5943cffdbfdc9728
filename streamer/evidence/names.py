"""The index of evidence: all that is known of a file stands in its name.

`<camera>/<day>/<hour>/<session>-<start>-<end>.mkv` is a segment and
`<camera>/<day>/<hour>/<session>-<at>.jpg` a snapshot, with times in UTC milliseconds. The session
is the connection that brought it, named by its first packet. Folders are those of the beginning.
What was painted over with privacy masks and may be asked for again, snapshots and segments that
are not complete, has the mark of the masks in its name: `<session>-<at>-<mark>.jpg`.
"""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from streamer.picture_area import Polygon

HOUR_SECONDS = 3600.0
_SEGMENT = re.compile(r"([a-z0-9-]+)/\d{4}-\d\d-\d\d/\d\d/(\d{1,16})-(\d{1,16})-(\d{1,16})\.mkv")
_MARK = r"(?:-(m[0-9a-f]{12}))?"
_SNAPSHOT = re.compile(
    rf"([a-z0-9-]+)/\d{{4}}-\d\d-\d\d/\d\d/(\d{{1,16}})-(\d{{1,16}}){_MARK}\.jpg"
)
_OPEN = re.compile(rf"(\d{{1,16}})-(\d{{1,16}}){_MARK}\.mkv")


@dataclass(frozen=True, slots=True, order=True)
class Segment:
    """A recorded stretch of a camera's time, in UTC milliseconds; `end` is exclusive."""

    start_ms: int
    end_ms: int
    session: int
    camera_id: str

    @property
    def start(self) -> float:
        """UTC seconds."""
        return self.start_ms / 1000

    @property
    def end(self) -> float:
        """UTC seconds."""
        return self.end_ms / 1000

    @property
    def name(self) -> str:
        """Where it lies."""
        folder = hour_folder(self.camera_id, self.start)
        return f"{folder}/{self.session}-{self.start_ms}-{self.end_ms}.mkv"


@dataclass(frozen=True, slots=True, order=True)
class Snapshot:
    """A picture of a camera, at a UTC millisecond, painted over with the masks of a mark."""

    at_ms: int
    session: int
    camera_id: str
    mark: str = ""

    @property
    def name(self) -> str:
        """Where it lies."""
        folder = hour_folder(self.camera_id, self.at_ms / 1000)
        return f"{folder}/{_joined(self.session, self.at_ms, self.mark)}.jpg"


@dataclass(frozen=True, slots=True, order=True)
class OpenSegment:
    """A segment that is not complete, painted over with the masks of a mark."""

    start_ms: int
    session: int
    mark: str = ""

    @property
    def name(self) -> str:
        """What it is called until it is complete."""
        return f"{_joined(self.session, self.start_ms, self.mark)}.mkv"


def mark_of(masks: tuple[Polygon, ...]) -> str:
    """What tells masks from others; nothing for none.

    >>> mark_of(()), mark_of((((0, 0), (1, 0), (1, 1)),))
    ('', 'm7d748e4ff828')
    """
    if not masks:
        return ""
    corners = repr([[(float(x), float(y)) for x, y in polygon] for polygon in masks])
    return f"m{hashlib.sha256(corners.encode()).hexdigest()[:12]}"


def read_open_segment(name: str) -> OpenSegment | None:
    """The segment of such a name; None for another file."""
    found = _OPEN.fullmatch(name)
    return OpenSegment(int(found[2]), int(found[1]), found[3] or "") if found else None


def read_segment(name: str) -> Segment | None:
    """The segment of a name; None for another file.

    >>> read_segment("yard/2023-11-14/22/1700000000000-1700000000000-1700000010000.mkv").end
    1700000010.0
    """
    found = _SEGMENT.fullmatch(name)
    return Segment(int(found[3]), int(found[4]), int(found[2]), found[1]) if found else None


def read_snapshot(name: str) -> Snapshot | None:
    """The snapshot of a name; None for another file."""
    found = _SNAPSHOT.fullmatch(name)
    return Snapshot(int(found[3]), int(found[2]), found[1], found[4] or "") if found else None


def begun_at(name: str) -> float | None:
    """When what a file holds began (UTC seconds); None for a file that is no evidence."""
    if segment := read_segment(name):
        return segment.start
    snapshot = read_snapshot(name)
    return snapshot.at_ms / 1000 if snapshot else None


def hour_folder(camera_id: str, at: float) -> str:
    """The folder of a camera's hour.

    >>> hour_folder("yard", 1_700_000_000.0)
    'yard/2023-11-14/22'
    """
    return f"{camera_id}/{datetime.fromtimestamp(at, UTC):%Y-%m-%d/%H}"


def hour_folders(camera_id: str, begin: float, end: float) -> Iterator[str]:
    """The folders of a camera's hours that hold any of the time from `begin` to `end`."""
    hour = datetime.fromtimestamp(begin, UTC).replace(minute=0, second=0, microsecond=0)
    while hour.timestamp() <= end:
        yield hour_folder(camera_id, hour.timestamp())
        hour += timedelta(hours=1)


def _joined(session: int, at_ms: int, mark: str) -> str:
    return "-".join([str(session), str(at_ms), *([mark] if mark else [])])
