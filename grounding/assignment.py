"""What a worker holds of the embeddings topic, and where it stands in each partition."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

from encoder.embedding import ClipEmbedding
from grounding.rewind import Rewind
from streamer.bus import Partitions, Position, Record
from streamer.progress import ProgressNote, pack_note, unpack_note

MOST_PUT_ASIDE = 200  # offsets in a note: a broker takes 4 KiB at most


@dataclass(slots=True)
class _Held:
    """One partition; records below `due_from` were evaluated by whoever held it before."""

    due_from: int
    next_offset: int | None  # None while nothing was ever committed
    filled: bool
    put_aside: set[int]
    oldest: int = 0  # no rewinding beyond it: what lies there may have been put aside
    cameras: set[str] = field(default_factory=set)


class Assignment:
    """The partitions of one worker: which records only fill windows, and what to commit."""

    def __init__(self, clips: int) -> None:
        self._held: dict[int, _Held] = {}
        self._homes: dict[str, int] = {}  # camera: its partition
        self._rewind = Rewind(clips)

    @property
    def filling(self) -> bool:
        """Whether there are windows that are not yet as they were before."""
        return not all(held.filled for held in self._held.values())

    @property
    def cameras(self) -> Collection[str]:
        """All cameras of which something is known."""
        return self._homes.keys()

    def begin(self, partition: int, position: Position | None) -> int | None:
        """The partition was assigned with this committed position: the offset to read from.

        None: nothing was committed, it is read from where it begins.
        """
        if position is None:
            self._held[partition] = _Held(0, None, True, set())
            return None
        note = unpack_note(position.note)
        offset = position.offset
        start = offset if note.rewind is None else min(note.rewind, offset)
        self._held[partition] = _Held(offset, offset, start == offset, set(note.skip), start)
        return start

    def end(self, partitions: Partitions) -> set[str]:
        """The partitions are somebody else's: the cameras that went with them."""
        cameras: set[str] = set()
        for partition in partitions & self._held.keys():
            cameras |= self._held.pop(partition).cameras
            self._rewind.drop(partition)
        for camera in cameras:
            del self._homes[camera]
        return cameras

    def end_all(self) -> set[str]:
        """As `end`, of all partitions."""
        return self.end(frozenset(self._held))

    def all_filled(self) -> None:
        """Everything that lay on the partitions when they were assigned was read."""
        for held in self._held.values():
            held.filled = True

    def split(self, records: Iterable[Record]) -> tuple[list[Record], list[Record]]:
        """Records that only fill windows, and those to be evaluated, each in their order."""
        silent: list[Record] = []
        due: list[Record] = []
        for record in records:
            held = self._held[record.partition]
            held.filled = held.filled or record.offset >= held.due_from - 1
            if record.offset >= held.due_from:
                due.append(record)
            elif record.offset not in held.put_aside:
                silent.append(record)
        return silent, due

    def knows(self, camera_id: str, partition: int) -> None:
        """Something of the camera lies on the partition."""
        if self._homes.get(camera_id) != partition and partition in self._held:
            self._homes[camera_id] = partition
            self._held[partition].cameras.add(camera_id)

    def in_window(self, record: Record, embedding: ClipEmbedding) -> None:
        """The record's clip went into its camera's window."""
        camera_id = embedding.camera_id
        self.knows(camera_id, record.partition)
        self._rewind.note(
            record.partition, record.offset, camera_id, embedding.session, embedding.index
        )

    def done(self, record: Record, aside: bool = False) -> None:
        """The record was evaluated, or put aside for ever."""
        held = self._held[record.partition]
        held.next_offset = record.offset + 1
        if aside:
            held.put_aside.add(record.offset)

    def out_of_sight(self, camera_id: str) -> None:
        """The camera is silent for so long that its window is worth nothing."""
        partition = self._homes.get(camera_id)
        if partition is not None:
            self._rewind.forget(partition, camera_id)

    def forget(self, camera_id: str) -> None:
        """Nothing of the camera is remembered any more."""
        self.out_of_sight(camera_id)
        partition = self._homes.pop(camera_id, None)
        if partition is not None:
            self._held[partition].cameras.discard(camera_id)

    def note(self, partition: int) -> ProgressNote:
        """What a later reader of the partition has to know besides the position."""
        held = self._held[partition]
        rewind = self._rewind.rewind(partition)
        if rewind is None:
            held.put_aside.clear()
            return ProgressNote()
        held.put_aside = {offset for offset in held.put_aside if offset >= rewind}
        newest = sorted(held.put_aside)
        if len(newest) > MOST_PUT_ASIDE:
            held.oldest = max(held.oldest, newest[-MOST_PUT_ASIDE - 1] + 1)
            held.put_aside = set(newest[-MOST_PUT_ASIDE:])
        rewind = max(rewind, held.oldest)
        return ProgressNote(rewind=rewind, skip=tuple(sorted(held.put_aside)))

    def positions(self, records: Sequence[Record], cameras: Iterable[str]) -> dict[int, Position]:
        """Where each partition stands that the records or the cameras are of."""
        partitions = {record.partition for record in records}
        partitions |= {self._homes[camera] for camera in cameras if camera in self._homes}
        return {
            partition: Position(offset, pack_note(self.note(partition)))
            for partition in sorted(partitions)
            if (offset := self._held[partition].next_offset) is not None
        }
