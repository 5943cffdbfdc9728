"""Evaluation that one bad embedding cannot end: it is tried alone, twice, and put aside."""

import logging
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass

from encoder.embedding import ClipEmbedding
from encoder.errors import ForeignSpaceError
from grounding.alert import Alert
from grounding.blind import BlindPeriod
from grounding.grounder import Grounder
from grounding.metrics import IGNORED_EMBEDDINGS
from streamer.bus import Record
from streamer.limited_log import LimitedLog

ATTEMPTS = 2  # alone
MOST_IN_A_ROW = 20  # then it is not the embeddings that are at fault but this process
FOREIGN_SECONDS = 60.0  # between two sentences about a bundle that does not fit

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class Arrival:
    """An embedding and the record that it came in."""

    record: Record
    embedding: ClipEmbedding


@dataclass(frozen=True, slots=True, eq=False)
class PutAside:
    """A record that cannot be evaluated, what it was tried and what came of it."""

    record: Record
    attempts: int
    error: Exception


class Attempts:
    """Has embeddings evaluated; after a failure the grounder is as it was before it."""

    def __init__(self, grounder: Grounder) -> None:
        self._grounder = grounder
        self._in_a_row = 0
        self._blind: list[BlindPeriod] = []  # told before a try that may be arrivals back
        self._foreign = LimitedLog(_log, FOREIGN_SECONDS)
        self._faults = LimitedLog(_log)

    def evaluate(
        self, arrivals: Sequence[Arrival], lag_seconds: float
    ) -> tuple[list[Alert], list[PutAside]]:
        """Alerts of the embeddings, and the records that are given up.

        What fails together is tried one by one. An embedding of another space is given up at
        once: it is the same every time. Raises what the last embedding raised when so many fail
        in a row that the fault must lie here.
        """
        if not arrivals:
            return [], []
        if len(arrivals) == 1:
            return self._alone(arrivals[0], lag_seconds)
        try:
            alerts = self._try(arrivals, lag_seconds)
        except Exception as error:  # noqa: BLE001 - which of them it is about is found below
            self._faults.warning("%d embeddings are tried one by one: %s", len(arrivals), error)
        else:
            self._in_a_row = 0
            return alerts, []
        alerts, aside = [], []
        for one in arrivals:
            more, failed = self._alone(one, lag_seconds)
            alerts += more
            aside += failed
        return alerts, aside

    def fill(self, arrivals: Sequence[Arrival]) -> list[Arrival]:
        """Take the clips into the windows; those that went in, which all but bad ones do."""
        try:
            self._grounder.fill([one.embedding for one in arrivals])
        except Exception:  # noqa: BLE001 - what went in already is passed over when it comes again
            return [one for one in arrivals if self._filled(one)]
        return list(arrivals)

    def admitted(self, arrivals: Sequence[Arrival], refused: Collection[str]) -> list[Arrival]:
        """Those of other cameras than these, whose time is told as blind."""
        clips = [one.embedding for one in arrivals if one.embedding.camera_id in refused]
        IGNORED_EMBEDDINGS.labels("refused").inc(len(clips))
        self._blind += [
            BlindPeriod(camera_id=c.camera_id, start=c.start, end=c.seen_until, reason="lag")
            for c in clips
        ]
        return [one for one in arrivals if one.embedding.camera_id not in refused]

    def take_blind(self) -> list[BlindPeriod]:
        """Blind periods since the last call."""
        blind, self._blind = [*self._blind, *self._grounder.take_blind()], []
        return blind

    def close(self) -> None:
        """Say what was not yet said."""
        self._foreign.close()
        self._faults.close()

    def _alone(self, one: Arrival, lag_seconds: float) -> tuple[list[Alert], list[PutAside]]:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                alerts = self._try([one], lag_seconds)
            except ForeignSpaceError as error:
                self._foreign.error("an embedding was put aside: %s", error)
                return [], [PutAside(one.record, attempt, error)]
            except Exception as error:  # noqa: BLE001 - goes into the dead letter
                last = error
            else:
                self._in_a_row = 0
                return alerts, []
        self._in_a_row += 1
        if self._in_a_row >= MOST_IN_A_ROW:
            raise last
        self._faults.error(
            "clip %d of camera %s was put aside: %s", one.embedding.index, one.record.key, last
        )
        return [], [PutAside(one.record, ATTEMPTS, last)]

    def _try(self, arrivals: Sequence[Arrival], lag_seconds: float) -> list[Alert]:
        self._blind += self._grounder.take_blind()
        undo = self._undo({one.embedding.camera_id for one in arrivals})
        try:
            return self._grounder.evaluate([one.embedding for one in arrivals], lag_seconds)
        except Exception:
            undo()
            raise

    def _undo(self, cameras: Iterable[str]) -> Callable[[], None]:
        """What puts the cameras back as they are now."""
        grounder = self._grounder
        before = [(one, grounder.camera_state(one), grounder.windows.mark(one)) for one in cameras]

        def undo() -> None:
            for camera_id, state, mark in before:
                grounder.put_back(camera_id, state)
                grounder.windows.undo(mark)

        return undo

    def _filled(self, one: Arrival) -> bool:
        try:
            self._grounder.fill([one.embedding])
        except Exception as error:  # noqa: BLE001 - it was evaluated, or put aside, long ago
            self._faults.warning("a clip of camera %s fills nothing: %s", one.record.key, error)
            return False
        return True
