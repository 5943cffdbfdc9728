"""Packets of one camera become segments and snapshots on a shelf."""

import time
from collections.abc import Callable, Iterable
from contextlib import closing
from functools import partial
from pathlib import Path

from streamer.errors import EvidenceError, SegmentError
from streamer.evidence.config import EvidenceConfig
from streamer.evidence.media.painting import painter
from streamer.evidence.media.pictures import decode_keyframe
from streamer.evidence.media.recoder import Recoder
from streamer.evidence.names import OpenSegment, Segment, Snapshot, mark_of
from streamer.evidence.open_segment import open_segments
from streamer.evidence.packet import Packet
from streamer.evidence.pictures import encode_jpeg
from streamer.evidence.room import check_room
from streamer.evidence.segment_draft import SegmentDraft
from streamer.evidence.segment_leftover import recover
from streamer.evidence.shelf import Shelf
from streamer.evidence.tally import EvidenceTally
from streamer.packet_tap import StreamFacts
from streamer.picture_area import Polygon

# A key frame that comes this much too early ends a segment: the next may be a group later
_EARLY_SECONDS = 0.5


class SegmentKeeper:
    """What the recorder's thread does; no fault of the storage or stream leaves it.

    A segment begins with a key frame and ends with the next one that comes once it is long
    enough. Where the storage refuses, packets are counted as dropped, and after `retry_seconds`
    the next key frame begins anew. Of a camera with masks, what is kept is coded anew from painted
    pictures, and what the camera sent is not written anywhere.
    """

    def __init__(
        self,
        camera_id: str,
        config: EvidenceConfig,
        shelf: Shelf,
        tally: EvidenceTally,
        masks: tuple[Polygon, ...] = (),
    ) -> None:
        self._camera_id = camera_id
        self._config = config
        self._shelf = shelf
        self._tally = tally
        self._masks = masks
        self._mark = mark_of(masks)
        self._folder = config.open_folder / camera_id
        self._session: int | None = None
        self._came: StreamFacts | None = None  # of the connection; None: it is not kept
        self._recoder: Recoder | None = None
        self._kept: StreamFacts | None = None  # of what is written
        self._draft: SegmentDraft | None = None
        self._rests_until = 0.0  # monotonic; after the storage refused

    def recover(self) -> None:
        """Keep what a process that was killed left of its last segment."""
        for path, known in open_segments(self._folder):
            self._guarded(partial(self._recover, path, known))

    def begin(self, facts: StreamFacts) -> None:
        """Packets of this kind follow, of a new connection or within one."""
        self.gap()
        self._came = self._kept = facts

    def packet(self, packet: Packet) -> None:
        """The next packet."""
        if self._came is None or time.monotonic() < self._rests_until:
            self._tally.refused += 1
            return
        if self._session is None:
            self._session = round(packet.at * 1000)
        if not self._guarded(lambda: self._take(packet)):
            self._tally.refused += 1

    def gap(self) -> None:
        """Packets are missing here: what follows begins anew, with a key frame."""
        recoder, self._recoder = self._recoder, None
        if recoder is not None:
            self._guarded(lambda: self._keep(recoder.finish()))
        self._guarded(lambda: self._complete(None))

    def end(self) -> None:
        """The connection is over."""
        self.gap()
        self._came, self._session = None, None

    def _take(self, packet: Packet) -> None:
        assert self._came is not None
        if not self._masks:
            self._write(packet)
            return
        if self._recoder is None:
            if not packet.is_keyframe:
                self._tally.refused += 1
                return
            paint = painter(self._masks, self._came.display_matrix)
            self._recoder = Recoder(self._came, paint)
        self._keep(self._recoder.code(packet))

    def _keep(self, items: Iterable[StreamFacts | Packet]) -> None:
        for item in items:
            if isinstance(item, StreamFacts):
                self._complete(None)
                self._kept = item
            else:
                self._write(item)

    def _write(self, packet: Packet) -> None:
        if self._draft is not None and self._draft.went_back(packet):
            self._complete(None)
        if self._draft is not None and self._is_long_enough(self._draft, packet):
            self._complete(packet)
        if self._draft is None and not packet.is_keyframe:
            self._tally.refused += 1  # no clip could begin with what it begins
            return
        draft = self._draft or self._open(packet)
        draft.add(packet)

    def _is_long_enough(self, draft: SegmentDraft, packet: Packet) -> bool:
        seconds = draft.seconds_until(packet)
        if packet.is_keyframe:
            return seconds >= self._config.segment_seconds - _EARLY_SECONDS
        return seconds >= self._config.most_open_seconds

    def _open(self, packet: Packet) -> SegmentDraft:
        assert self._session is not None
        assert self._kept is not None
        check_room(self._shelf, self._config)
        segment = OpenSegment(round(packet.at * 1000), self._session, self._mark)
        draft = self._draft = SegmentDraft(self._folder, segment, self._kept, packet)
        self._take_snapshot(self._session, self._kept, packet)
        return draft

    def _take_snapshot(self, session: int, kept: StreamFacts, packet: Packet) -> None:
        at_ms = round(packet.at * 1000)
        name = Snapshot(at_ms, session, self._camera_id, self._mark).name
        try:
            pixels = decode_keyframe(kept, packet.data, self._config.snapshot_width)
            self._shelf.put_bytes(encode_jpeg(pixels), name)
        except SegmentError:  # a damaged picture; the next one may be whole
            return

    def _complete(self, following: Packet | None) -> None:
        draft, self._draft = self._draft, None
        if draft is None or self._session is None:
            return
        try:
            written = draft.finish(None if following is None else following.at)
            whose = (self._session, self._camera_id)
            with closing(written.file):
                self._store(written.file.path, Segment(written.start_ms, written.end_ms, *whose))
        except EvidenceError:
            self._tally.refused += draft.packets
            raise

    def _store(self, path: Path, segment: Segment) -> None:
        size = path.stat().st_size
        try:
            self._shelf.put(path, segment.name)
        except EvidenceError:
            path.unlink(missing_ok=True)
            raise
        self._tally.segments += 1
        self._tally.bytes += size

    def _recover(self, path: Path, known: OpenSegment) -> None:
        found = recover(path, known, self._camera_id, self._mark, self._shelf)
        self._tally.segments += found.kept_bytes > 0
        self._tally.bytes += found.kept_bytes
        self._tally.refused += found.dropped

    def _guarded(self, work: Callable[[], None]) -> bool:
        """Whether it was done; a fault costs the segment that is open, and rest."""
        try:
            work()
        except (EvidenceError, OSError) as error:
            self._tally.faults += 1
            self._tally.problem = str(error)
            draft, self._draft = self._draft, None
            self._recoder = None
            if draft is not None:
                self._tally.refused += draft.packets
                draft.discard()
            if isinstance(error, SegmentError):
                self._came = None  # nothing of this stream can be kept
            else:
                self._rests_until = time.monotonic() + self._config.retry_seconds
            return False
        return True
