"""The encoder part: clips topic in, embeddings topic out."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from threading import Event
from uuid import uuid4

from encoder.clip_messages import ClipEncoder, ClipMessages
from encoder.config import EncoderConfig
from encoder.flight import Flight, Lane
from encoder.gathering import ClipRead, Gathered, Gathering
from encoder.metrics import CLIPS_STALE, COMMITS_LOST, DURATION, LATENCY
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
)
from streamer.errors import BusClosedError, CommitLostError, PoisonRecordError
from streamer.progress import pack_note
from streamer.trials import TRIES, Trials

GROUP = "watchword-encoder"
_LOOK_SECONDS = 0.005  # how soon it is noticed that a batch has come through

_log = logging.getLogger(__name__)


class EncoderWorker:
    """Takes clips of all cameras in micro-batches and publishes an embedding for each.

    A batch starts with the first clip that comes and is run when it is full or when that clip was
    produced `config.wait_seconds` ago. Where the encoder `overlaps`, the next batch is gathered
    and unpacked while one is in flight, and set off before that one is committed. The embeddings
    of a batch and the clips' read positions are committed together, batch after batch: a crash
    repeats what is in flight, it loses nothing.

    Several workers share the cameras by a group. Whenever a partition comes to one, its first clip
    is tried alone, with nothing in flight, so that a clip which ends the process is found out and
    put aside. What is gone before it could be committed comes to whoever has it now.
    """

    def __init__(
        self,
        bus: Bus,
        encoder: ClipEncoder,
        config: EncoderConfig,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._bus = bus
        self._config = config
        self._now = now
        self._overlaps = encoder.overlaps
        self._messages = ClipMessages(encoder, config)
        self._trials = Trials(process=uuid4().hex)
        self._gathering = Gathering(config.batch or encoder.best_batch, config, clock, now)
        self._lane = Lane(encoder.overlaps)
        self._flight: Flight | None = None
        self._settled = False

    @property
    def settled(self) -> bool:
        """Whether it is agreed with the other encoders who encodes which cameras."""
        return self._settled

    def run(self, stop: Event) -> None:
        """Work until `stop` is set, the bus is closed, or the clips end.

        What is in flight then is committed first. At the end the embeddings topic is finished, so
        that whoever reads it here ends too.
        """
        try:
            while not self._serve(stop):
                self._settled = False
        except BusClosedError:
            return
        finally:
            self._settled = False
            self._lane.close()
        self._bus.finish(EMBEDDINGS.name)

    def _serve(self, stop: Event) -> bool:
        """One membership of the group; False when a commit was lost and all begins anew."""
        subscription = self._subscribe()
        try:
            self._work(subscription, stop)
        except CommitLostError as error:
            COMMITS_LOST.labels("encoder").inc()
            _log.warning("clips are encoded again from what was committed last: %s", error)
            return False
        finally:
            subscription.close()
            self._gathering.clear()
            if self._flight:
                self._flight.abandon()
                self._flight = None
        return True

    def _subscribe(self) -> Subscription:
        def take(gained: Partitions) -> None:
            for partition in gained:
                self._trials.begin(partition, subscription.committed(partition))

        subscription = self._bus.subscribe(CLIPS.name, GROUP, Rebalance(take, self._let_go))
        return subscription

    def _let_go(self, lost: Partitions) -> None:
        """What was gathered or flies of these partitions comes to whoever has them next."""
        for partition in lost:
            self._trials.end(partition)
        self._gathering.drop(lost)
        if self._flight:
            self._flight.drop(lost)

    def _work(self, subscription: Subscription, stop: Event) -> None:
        while not stop.is_set():
            self._gather(subscription)
            self._settled = subscription.settled
            if self._flight and not self._flight.is_over:
                continue
            is_last = subscription.finished
            if len(self._gathering) and (is_last or not self._gathering.left_seconds):
                self._depart(subscription)
            else:
                self._land(subscription)
            if is_last and not self._flight:
                return
        self._land(subscription)

    def _gather(self, subscription: Subscription) -> None:
        """One poll, or a look at what flies: as long as neither asks for anything else."""
        room, flight = self._gathering.room, self._flight
        if flight and (not room or subscription.finished):
            flight.wait(self._config.poll_seconds)
            return
        idle = self._gathering.left_seconds if len(self._gathering) else self._config.poll_seconds
        polled = subscription.poll(0.0 if flight else idle, room)
        # After the poll: it may have let go of some, or begun trials
        self._gathering.add(polled, self._trials.on_trial)
        if flight and not polled:
            flight.wait(_LOOK_SECONDS)

    def _depart(self, subscription: Subscription) -> None:
        """Send what was gathered on its way, the first clips of new partitions alone before."""
        gathered = self._gathering.take()
        together: list[ClipRead] = []
        alone = 0
        for read in gathered.reads:
            if read.is_stale:
                CLIPS_STALE.labels(read.record.key).inc()
            elif self._trials.on_trial(read.record.partition):
                self._take_alone(read.record, subscription)
                alone += 1
            else:
                together.append(read)
        if len(gathered.reads) > alone:
            is_all = len(together) == len(gathered.reads)
            frames = gathered.frames if is_all else None
            batch = Gathered(together, frames, gathered.unpack_seconds)
            done = {r.record.partition: Position(r.record.offset + 1) for r in gathered.reads}
            self._send(batch, done, subscription)

    def _send(self, batch: Gathered, done: dict[int, Position], subscription: Subscription) -> None:
        """Set a batch off; the one before, which is over, is committed while it flies."""
        before, self._flight = self._flight, None
        outputs = before.land() if before else []
        records = [read.record for read in batch.reads]
        self._flight = Flight(records, done, lambda: self._messages.of(batch))
        self._lane.send(self._flight)
        if before:
            self._publish(subscription, outputs, before.done)
        if not self._overlaps:
            self._land(subscription)

    def _land(self, subscription: Subscription) -> None:
        """Wait for what flies, and commit it."""
        flight, self._flight = self._flight, None
        if flight:
            self._publish(subscription, flight.land(), flight.done)

    def _take_alone(self, record: Record, subscription: Subscription) -> None:
        self._land(subscription)
        note = self._trials.try_note(record)
        if note is None:
            error = PoisonRecordError(f"Whoever tried this clip ended, {TRIES} times in a row.")
            message = self._messages.put_aside(record, TRIES, error)
        else:
            tried = Position(record.offset, pack_note(note))
            subscription.commit((), {record.partition: tried})
            flight = Flight([record], {}, lambda: self._messages.of(_only(record)))
            self._lane.send(flight)
            ((_, message),) = flight.land()
        done = Position(record.offset + 1)
        self._publish(subscription, [(record, message)], {record.partition: done})
        self._trials.passed(record.partition)

    def _publish(
        self,
        subscription: Subscription,
        outputs: Sequence[tuple[Record, Message]],
        done: Mapping[int, Position],
    ) -> None:
        if not done:  # all of it went elsewhere
            return
        with DURATION.labels("publish").time():
            subscription.commit([message for _, message in outputs], done)
        for record, message in outputs:
            if message.topic == EMBEDDINGS.name:
                LATENCY.observe(max(0.0, self._now() - record.published))


def _only(record: Record) -> Gathered:
    return Gathered([ClipRead(record)], None, 0.0)
