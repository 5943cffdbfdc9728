"""One membership in the group that shares the embeddings: partitions come, are restored, and go."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from threading import Event
from types import TracebackType

import msgspec

from grounding.assignment import Assignment
from grounding.attempts import Arrival, PutAside
from grounding.grounder import Grounder
from grounding.hearing import Hearing
from grounding.remembered import Remembered
from streamer.bus import (
    CLIPS,
    EMBEDDINGS,
    Bus,
    Message,
    Partitions,
    Position,
    Rebalance,
    Record,
    Subscription,
    partition_of,
)
from streamer.progress import pack_note
from streamer.trials import Trials

GROUP = "watchword-grounding"


@dataclass(frozen=True, slots=True)
class Polled:
    """Records that only fill windows, and records to be evaluated."""

    silent: Sequence[Record]
    due: Sequence[Record]

    @property
    def count(self) -> int:
        """How many records there are in all."""
        return len(self.silent) + len(self.due)


class Membership:
    """Reads embeddings as one of a group, and knows how far each partition is done.

    With `process`, the name of this process, what is known of the cameras outlives a membership:
    whoever gets a partition goes on from the state on `watchword.alert-state.v1`, rereads what is
    still inside a window, and tries the first record alone (`streamer.trials`). Without, nothing
    is read but the embeddings.
    """

    def __init__(
        self, bus: Bus, grounder: Grounder, hearing: Hearing, stop: Event, process: str = ""
    ) -> None:
        self._bus = bus
        self._grounder = grounder
        self._hearing = hearing
        self._stop = stop
        self._resumes = bool(process)
        self._trials = Trials(process)
        self._remembered = Remembered(bus, grounder, stop)
        self._held = Assignment(grounder.windows.clips)
        self.backlog = True  # what lay there when a partition came is not yet read
        self.in_touch = False  # a camera that is not heard is silent: it would be read
        self.ready = False  # all partitions are agreed upon, restored and filled
        self._subscription: Subscription = bus.subscribe(
            EMBEDDINGS.name, GROUP, Rebalance(self._gain, self._lose)
        )

    def __enter__(self) -> "Membership":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave the group: what was polled and not committed goes to another member."""
        self.ready = False
        self._subscription.close()

    @property
    def finished(self) -> bool:
        """Whether the embeddings have ended and all that is this member's was polled."""
        return self._subscription.finished

    @property
    def stopped(self) -> bool:
        """Whether to stop, perhaps in the midst of restoring: nothing may build on that."""
        return self._stop.is_set()

    @property
    def cameras(self) -> Collection[str]:
        """All cameras of which this member knows something."""
        return self._held.cameras

    @property
    def refused(self) -> Collection[str]:
        """Cameras of this member's that are not to be evaluated here (`grounding.remembered`)."""
        return self._remembered.refused

    @property
    def waiting(self) -> int:
        """How many records lie there that were not polled yet."""
        return self._bus.lags().get(EMBEDDINGS.name, 0)

    @property
    def on_their_way(self) -> int:
        """How many clips, embedded or not, are known here to wait for somebody."""
        return self.waiting + self._bus.lags().get(CLIPS.name, 0)

    def poll(self, timeout: float, most: int) -> Polled:
        """What came; partitions come and go in here."""
        return Polled(*self._held.split(self._subscription.poll(timeout, most)))

    def settle(self) -> None:
        """What was polled is dealt with: see where that leaves us."""
        settled = self._subscription.settled
        if settled and not self.in_touch:
            self._hearing.hear(self._held.cameras)  # silence counts from here on
        self.in_touch = settled
        if self.backlog and self._subscription.caught_up:
            self.backlog = False
            self._held.all_filled()
            self._hearing.hear(self._held.cameras)
        self.ready = settled and not self._held.filling

    def alone(self, due: Sequence[Record]) -> list[Record]:
        """Of each partition that came just now, the first record to be evaluated."""
        first: dict[int, Record] = {}
        for record in due:
            if self._trials.on_trial(record.partition):
                first.setdefault(record.partition, record)
        return list(first.values())

    def begin_try(self, record: Record) -> bool:
        """Note durably that the record is about to be tried; False: it was tried too often."""
        trial = self._trials.try_note(record)
        if trial is None:
            return False
        held = self._held.note(record.partition)
        note = msgspec.structs.replace(held, tries=trial.tries, by=trial.by)
        position = Position(record.offset, pack_note(note))
        self._subscription.commit((), {record.partition: position})
        return True

    def end_try(self, record: Record) -> None:
        """The record was committed, evaluated or put aside."""
        self._trials.passed(record.partition)

    def filled(self, arrivals: Iterable[Arrival]) -> None:
        """The clips went into their windows again."""
        for one in arrivals:
            self._held.in_window(one.record, one.embedding)

    def done(
        self, records: Iterable[Record], arrivals: Iterable[Arrival], aside: Iterable[PutAside]
    ) -> None:
        """The records were dealt with; those arrivals and not put aside are in windows now."""
        bad = {(one.record.partition, one.record.offset) for one in aside}
        for record in records:
            self._held.done(record, (record.partition, record.offset) in bad)
        self.filled(one for one in arrivals if (one.record.partition, one.record.offset) not in bad)

    def commit(
        self, outputs: Iterable[Message], records: Sequence[Record], cameras: Iterable[str]
    ) -> None:
        """Publish outputs and positions of what the records or cameras are of: all or none.

        The cameras' partitions are in it though nothing was read of them, because only a position
        shows the broker that they are still ours.

        Raises:
            CommitLostError, BusClosedError: as `Subscription.commit`.
        """
        self._subscription.commit(outputs, self._held.positions(records, cameras))

    def out_of_sight(self, camera_id: str) -> None:
        """The camera is silent for so long that nobody has to go back for its window."""
        self._held.out_of_sight(camera_id)

    def forget(self, camera_id: str) -> None:
        """Nothing of the camera is remembered any more."""
        self._held.forget(camera_id)

    def drop_all(self) -> None:
        """Nothing counts that this member knows: others may have gone on from what it committed."""
        self._drop(self._held.end_all() | self._grounder.gone)

    def _gain(self, gained: Partitions) -> None:
        self.ready, self.backlog = False, True
        for partition in gained:
            position = self._subscription.committed(partition)
            start = self._held.begin(partition, position)
            if self._resumes:
                self._trials.begin(partition, position)
            if start is not None:
                self._subscription.seek(partition, start)
        if self._resumes:
            for camera_id, partition in self._remembered.restore(gained).items():
                self._held.knows(camera_id, partition)
                self._hearing.hear([camera_id])

    def _lose(self, lost: Partitions) -> None:
        """Between two polls nothing is pending: what was evaluated is committed."""
        self.ready = False
        for partition in lost:
            self._trials.end(partition)
        self._remembered.forget(lost)
        gone = {one for one in self._grounder.gone if self._partition_of(one) in lost}
        self._drop(self._held.end(lost) | gone)

    def _drop(self, cameras: set[str]) -> None:
        self._grounder.drop(cameras)
        self._hearing.forget(cameras)

    def _partition_of(self, camera_id: str) -> int:
        return partition_of(camera_id, self._bus.partitions)
