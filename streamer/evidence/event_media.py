"""What people look at of an event: a clip, a thumbnail and a moving preview."""

from contextlib import ExitStack
from pathlib import Path

from streamer.errors import EvidenceMissingError
from streamer.evidence.config import ClipOptions
from streamer.evidence.event import Cut, Wanted
from streamer.evidence.find import find_segments
from streamer.evidence.media.clip_cut import cut_clip
from streamer.evidence.media.pictures import pictures_at
from streamer.evidence.pictures import encode_animation, encode_jpeg
from streamer.evidence.shelf import Shelf

_PREVIEW_SECONDS = 0.3  # how long a picture of the preview stays


def make_clip(shelf: Shelf, camera_id: str, wanted: Wanted, target: Path) -> Cut:
    """Write the clip; see `cut_clip`.

    Raises:
        EvidenceMissingError: nothing was kept of that time.
        EvidenceStorageError: the storage does not answer, or the clip cannot be written.
    """
    with ExitStack() as stack:
        files = []
        for segment in find_segments(shelf, camera_id, wanted.begin, wanted.end):
            try:
                files.append((segment, stack.enter_context(shelf.opened(segment.name))))
            except EvidenceMissingError:  # it went in this moment: it was the oldest
                continue
        return cut_clip(files, wanted, target)


def make_thumbnail(clip: Path, cut: Cut, at: float, width: int) -> bytes:
    """The picture of a clip at a time (UTC seconds), or the nearest it has, as JPEG.

    Raises:
        SegmentError: the clip does not decode.
    """
    return encode_jpeg(pictures_at(clip, [_inside(cut, at) - cut.start], width)[0])


def make_preview(clip: Path, cut: Cut, wanted: Wanted, options: ClipOptions) -> bytes:
    """A few pictures of the event, from its beginning to its end, as an animated WebP.

    Raises:
        SegmentError: the clip does not decode.
    """
    count = options.preview_frames
    step = (wanted.event_end - wanted.event_start) / max(1, count - 1)
    times = [
        _inside(cut, wanted.event_start + number * step) - cut.start for number in range(count)
    ]
    distinct = sorted({round(at, 3) for at in times})
    return encode_animation(pictures_at(clip, distinct, options.preview_width), _PREVIEW_SECONDS)


def _inside(cut: Cut, at: float) -> float:
    return min(max(at, cut.start), cut.end)
