"""Records that end the process: each partition's first record is tried alone, noted beforehand.

A process that dies leaves no word of what it died of. But what it had committed last says where
the next one begins, and the note beside it how often that record was tried, and by whom. So a
record is put aside once three processes in a row have ended with it alone in flight.
"""

from dataclasses import dataclass

import msgspec

from streamer.bus import Position, Record
from streamer.progress import ProgressNote, unpack_note

TRIES = 3  # processes that a record may end before it is put aside


@dataclass(frozen=True, slots=True)
class _Trial:
    offset: int  # of the record that `note.tries` speaks of
    note: ProgressNote


class Trials:
    """Which partitions are on trial, and what to note before their first record is tried.

    A process that lost a partition in the midst of a try looks like one that died: only if that
    happens to three in a row, at one record, is the record put aside without being at fault.
    """

    def __init__(self, process: str) -> None:
        """`process` names this process among all that ever were."""
        self._process = process
        self._trials: dict[int, _Trial] = {}  # by partition

    def begin(self, partition: int, position: Position | None) -> None:
        """The partition was assigned, with this committed position."""
        position = position or Position(0)
        self._trials[partition] = _Trial(position.offset, unpack_note(position.note))

    def end(self, partition: int) -> None:
        """The partition was revoked."""
        self._trials.pop(partition, None)

    def on_trial(self, partition: int) -> bool:
        """Whether the next record of the partition is to be taken alone."""
        return partition in self._trials

    def try_note(self, record: Record) -> ProgressNote | None:
        """What to commit at the record's offset before it is tried alone; None: put it aside."""
        trial = self._trials[record.partition]
        deaths = self._deaths(trial) if trial.offset == record.offset else 0
        if deaths >= TRIES:
            return None
        note = msgspec.structs.replace(trial.note, tries=deaths + 1, by=self._process)
        self._trials[record.partition] = _Trial(record.offset, note)
        return note

    def passed(self, partition: int) -> None:
        """The record was committed, as done or as put aside: the partition goes on as usual."""
        self._trials.pop(partition, None)

    def _deaths(self, trial: _Trial) -> int:
        """Tries that a process did not outlive; this one still lives."""
        return trial.note.tries - (trial.note.by == self._process and trial.note.tries > 0)
