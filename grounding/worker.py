"""Embeddings topic in, alerts topic out."""

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from threading import Event
from typing import Protocol
from uuid import uuid4

from encoder.errors import EmbeddingRecordError
from encoder.metrics import COMMITS_LOST
from encoder.record import unpack_embedding
from grounding.alert import Alert
from grounding.alert_state import state_message
from grounding.attempts import Arrival, Attempts, PutAside
from grounding.blind import blind_message
from grounding.cloud_event import alert_message
from grounding.config import GroundingConfig
from grounding.grounder import Grounder, GroundingCounts
from grounding.hearing import Hearing
from grounding.membership import Membership
from grounding.portion import Portion
from grounding.query import StandingQuery
from streamer.bus import ALERTS, Bus, Message, Record
from streamer.dead_letter import dead_letter
from streamer.errors import BusClosedError, CommitLostError, PoisonRecordError
from streamer.metrics import DEAD_LETTER_COUNT
from streamer.trials import TRIES

MANY_RECORDS = 16  # that wait: then it is behind, and silence may be its own
FILL_RECORDS = 256  # of one poll while windows are filled

_log = logging.getLogger(__name__)


class ChangingQueries(Protocol):
    """What the worker needs of `grounding.query_intake.QueryIntake`."""

    def changes(self) -> tuple[StandingQuery, ...] | None:
        """All queries to be watched from now on, if that changed; never waits."""


class GroundingWorker:
    """Reads embeddings until their topic is finished, publishes alerts with each commit.

    With `queries` what is watched for may change between any two polls. With `config.resumable`
    each alert carries the state it was in, each camera's whole state is published beside it, and
    whoever gets the camera's partition next goes on from there: this worker, another, or the one
    that is started after a crash. An embedding that cannot be evaluated is put aside then, where
    otherwise its error ends the work.

    `clock` says what time it is, `steady` how much of it has passed: a machine's clock that is set
    while it runs silences no camera. Without `steady` that is `clock`, too.
    """

    def __init__(
        self,
        bus: Bus,
        grounder: Grounder,
        config: GroundingConfig,
        clock: Callable[[], float] = time.time,
        queries: ChangingQueries | None = None,
        steady: Callable[[], float] | None = None,
    ) -> None:
        self._bus = bus
        self._grounder = grounder
        self._config = config
        self._clock = clock
        self._queries = queries
        self._process = uuid4().hex if config.resumable else ""
        self._attempts = Attempts(grounder)
        self._steady = steady or clock
        self._hearing = Hearing(self._steady)
        self._portion = Portion(self._steady)
        self._member: Membership | None = None
        self._next_tick = 0.0

    @property
    def counts(self) -> GroundingCounts:
        """What happened to windows and pairs so far."""
        return self._grounder.counts

    @property
    def ready(self) -> bool:
        """Whether its partitions are agreed upon, and their windows as they were before."""
        return self._member is not None and self._member.ready

    def run(self, stop: Event) -> None:
        """Work until `stop` is set, the bus is closed, or the embeddings end.

        Then the alerts topic is finished, so that its readers in this process end. At the end of
        the embeddings every open alert closes, unless the work is resumable; on `stop` alerts stay
        open for whoever goes on.
        """
        try:
            while not self._serve(stop):
                pass
        except BusClosedError:
            return
        finally:
            self._attempts.close()
        self._bus.finish(ALERTS.name)

    def _serve(self, stop: Event) -> bool:
        """One membership of the group; False when a commit was lost and all begins anew."""
        with Membership(self._bus, self._grounder, self._hearing, stop, self._process) as member:
            self._member = member
            try:
                while not (stop.is_set() or member.finished):
                    self._turn(member)
                if member.finished and not self._config.resumable:
                    self._commit(member, (), frozenset(), self._grounder.finish())
            except CommitLostError as error:
                COMMITS_LOST.labels("grounding").inc()
                _log.warning("beginning anew from what was committed last: %s", error)
                member.drop_all()
                self._grounder.tracker.take_snapshots()
                self._attempts.take_blind()
                return False
            return True

    def _turn(self, member: Membership) -> None:
        config = self._config
        wanted = self._grounder.records_wanted(self._portion.size)
        most = wanted if member.ready else max(wanted, FILL_RECORDS)
        polled = member.poll(min(config.poll_seconds, config.tick_seconds), most)
        if member.stopped:
            return
        self._take_queries()
        filling, _ = read_embeddings(polled.silent)  # their dead letters were told before
        silent = [one for one in filling if one.embedding.camera_id not in member.refused]
        member.filled(self._attempts.fill(silent))
        alone = member.alone(polled.due)
        for record in alone:
            self._try_alone(member, record)
        tried = {(record.partition, record.offset) for record in alone}
        rest = [one for one in polled.due if (one.partition, one.offset) not in tried]
        for first in range(0, len(rest), wanted):
            records = rest[first : first + wanted]
            with self._portion.measured(len(records)):
                self._work_off(member, records)
        member.settle()
        self._tick(member, polled.count)

    def _take_queries(self) -> None:
        changes = None if self._queries is None else self._queries.changes()
        if changes is not None:
            self._grounder.watch(changes)

    def _try_alone(self, member: Membership, record: Record) -> None:
        """Nothing else is in flight: if this process dies of the record, that can be told."""
        if member.begin_try(record):
            self._work_off(member, [record])
        else:
            error = PoisonRecordError("every process that tried it ended")
            _log.error("a clip of camera %s was put aside: %s", record.key, error)
            aside = [PutAside(record, TRIES, error)]
            member.done([record], (), aside)
            self._commit(member, [record], frozenset(), (), aside)
        member.end_try(record)

    def _work_off(self, member: Membership, records: Sequence[Record]) -> None:
        found, unreadable = read_embeddings(records)
        arrivals = self._attempts.admitted(found, member.refused)
        alerts, aside = self._evaluate(arrivals)
        member.done(records, arrivals, aside)
        cameras = frozenset(one.embedding.camera_id for one in arrivals)
        self._hearing.hear(cameras.intersection(member.cameras))
        self._commit(member, records, cameras, alerts, [*unreadable, *aside])

    def _evaluate(self, arrivals: Sequence[Arrival]) -> tuple[list[Alert], list[PutAside]]:
        lag = lag_seconds(arrivals, self._clock())
        if self._config.resumable:
            return self._attempts.evaluate(arrivals, lag)
        return self._grounder.evaluate([one.embedding for one in arrivals], lag), []

    def _tick(self, member: Membership, polled: int) -> None:
        """Wall-clock time for cameras that are silent, rather than waiting to be read."""
        steady, config = self._steady(), self._config
        if steady < self._next_tick:
            return
        self._next_tick = steady + config.tick_seconds
        # A poll may bring few records though many wait: their broker was slow.
        behind = max(polled, member.waiting) >= MANY_RECORDS
        grace = config.backlog_grace_seconds if behind else config.silence_grace_seconds
        can_tell = member.in_touch and not member.backlog
        silent = self._hearing.silent(grace) if can_tell else []
        tracker = self._grounder.tracker
        before = {camera: tracker.active(camera) for camera in silent}
        alerts = self._grounder.tick(self._clock(), silent)
        if can_tell and config.resumable:
            alerts += self._finish_films(member)
        changed = [camera for camera in silent if tracker.active(camera) != before[camera]]
        gone = self._hearing.silent(config.forget_seconds) if can_tell else []
        for camera in gone:
            member.out_of_sight(camera)
        forgotten = [camera for camera in gone if self._grounder.forget(camera)]
        self._hearing.forget(forgotten)
        self._commit(member, (), frozenset(changed + forgotten), alerts)
        for camera in forgotten:
            member.forget(camera)

    def _finish_films(self, member: Membership) -> list[Alert]:
        """The end of a file is not told: nothing comes of it any more, and nothing is under way."""
        config = self._config
        clear = not member.on_their_way
        grace = config.silence_grace_seconds if clear else config.backlog_grace_seconds
        return self._grounder.finish_films(self._hearing.silent(grace))

    def _commit(
        self,
        member: Membership,
        records: Sequence[Record],
        cameras: frozenset[str],
        alerts: Sequence[Alert],
        aside: Sequence[PutAside] = (),
    ) -> None:
        """What was told and what is remembered now, with how far that goes: all or none."""
        blind = self._attempts.take_blind()
        cameras |= {alert.camera_id for alert in alerts} | {period.camera_id for period in blind}
        outputs = [dead_letter(one.record, one.attempts, one.error) for one in aside]
        DEAD_LETTER_COUNT.labels("grounding").inc(len(aside))
        outputs += [*self._told(alerts), *map(blind_message, blind)]
        if self._config.resumable:
            kept = sorted(cameras.difference(member.refused))  # of others a later state stays
            states = {camera: self._grounder.camera_state(camera) for camera in kept}
            outputs += [state_message(one, state) for one, state in states.items()]
        if records or outputs:
            member.commit(outputs, records, cameras)

    def _told(self, alerts: Sequence[Alert]) -> list[Message]:
        if not self._config.resumable:
            return [alert_message(alert) for alert in alerts]
        snapshots = self._grounder.tracker.take_snapshots()
        return [alert_message(alert, snapshots[alert.event_id]) for alert in alerts]


def read_embeddings(records: Iterable[Record]) -> tuple[list[Arrival], list[PutAside]]:
    """The embeddings of the records, and the records that hold none."""
    arrivals: list[Arrival] = []
    unreadable: list[PutAside] = []
    for record in records:
        try:
            arrivals.append(Arrival(record, unpack_embedding(record.value or b"")))
        except EmbeddingRecordError as error:
            # Reading a record gives the same answer each time: one attempt is enough.
            unreadable.append(PutAside(record, 1, error))
    return arrivals, unreadable


def lag_seconds(arrivals: Iterable[Arrival], now: float) -> float:
    """How long that embedding of a live camera waited to be read which waited longest.

    Not the newest: where a poll brings all that waited of one partition that is always fresh.
    """
    waited = (
        now - one.record.published for one in arrivals if one.embedding.clock_source != "file"
    )
    return max(0.0, max(waited, default=0.0))
