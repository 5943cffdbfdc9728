"""Finding evidence by its names."""

from streamer.errors import EvidenceMissingError
from streamer.evidence.names import (
    HOUR_SECONDS,
    Segment,
    Snapshot,
    hour_folders,
    mark_of,
    read_segment,
    read_snapshot,
)
from streamer.evidence.shelf import Shelf
from streamer.picture_area import Polygon


def find_segments(shelf: Shelf, camera_id: str, begin: float, end: float) -> list[Segment]:
    """The segments of a camera that hold any of the time from `begin` to `end` (UTC seconds).

    In the order of their beginnings. What is empty was lost in a power cut, and left out.

    Raises:
        EvidenceStorageError: the storage does not answer.
    """
    found = []
    # A segment lies where it began: it may have begun in the hour before
    for folder in hour_folders(camera_id, begin - HOUR_SECONDS, end):
        for entry in shelf.files(folder):
            segment = read_segment(entry.name)
            if segment and entry.size and segment.start < end and segment.end > begin:
                found.append(segment)
    return sorted(found)


def newest_snapshot(shelf: Shelf, camera_id: str, masks: tuple[Polygon, ...] = ()) -> Snapshot:
    """The newest picture of a camera; of one with masks, that was painted over with the same.

    Raises:
        EvidenceMissingError: there is none.
        EvidenceStorageError: the storage does not answer.
    """
    mark = mark_of(masks)
    for day in reversed(shelf.folders(camera_id)):
        for hour in reversed(shelf.folders(f"{camera_id}/{day}")):
            files = shelf.files(f"{camera_id}/{day}/{hour}")
            known = [
                found
                for one in files
                if one.size and (found := read_snapshot(one.name)) is not None
                if not mark or found.mark == mark
            ]
            if known:
                return max(known)
    raise EvidenceMissingError(
        f"There is no snapshot of camera {camera_id!r}: none was taken yet"
        f"{', or none with its masks' if mark else ''}, or its evidence is off or gone."
    )
