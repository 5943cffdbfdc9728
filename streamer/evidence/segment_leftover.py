"""What a process that was killed left of a segment."""

from dataclasses import dataclass
from pathlib import Path

from streamer.errors import SegmentError
from streamer.evidence.media.packets import read_segment_file, span_of
from streamer.evidence.names import OpenSegment, Segment
from streamer.evidence.open_segment import claimed
from streamer.evidence.shelf import Shelf
from streamer.evidence.work_folder import storage_faults


@dataclass(frozen=True, slots=True)
class Recovered:
    """What became of it: bytes that were kept, or packets that were not."""

    kept_bytes: int = 0
    dropped: int = 0


def recover(
    path: Path, known: OpenSegment, camera_id: str, mark: str | None, shelf: Shelf
) -> Recovered:
    """Keep what was written of a segment, unless somebody still writes it.

    Of a camera with masks, `mark`, only what was painted over with the same is kept; "" and None,
    where nobody here knows the camera, stand for no masks.

    Raises:
        EvidenceStorageError: the storage refuses; the file stays, to be tried again.
    """
    with claimed(path) as is_ours:
        if not is_ours:
            return Recovered()
        try:
            _, packets = read_segment_file(path, known.start_ms)
        except SegmentError:  # not one whole picture had been written
            packets = []
        if not packets or (mark and mark != known.mark):
            with storage_faults(str(path)):
                path.unlink(missing_ok=True)
            return Recovered(dropped=len(packets))
        with storage_faults(str(path)):
            size = path.stat().st_size
        _, end_ms = span_of(packets)
        shelf.put(path, Segment(known.start_ms, end_ms, known.session, camera_id).name)
        return Recovered(kept_bytes=size)
