"""The encoder part: clips topic in, embeddings topic out."""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Event
from typing import Protocol
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from encoder.config import EncoderConfig
from encoder.dead_letter import dead_letter
from encoder.embedding import ClipEmbedding
from encoder.errors import EncoderError
from encoder.metrics import BATCH_SIZE, CLIPS_STALE, COMMITS_LOST, DEAD_LETTER_COUNT, DURATION
from encoder.record import pack_embedding
from encoder.space import EmbeddingSpace
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
from streamer.clip import Clip
from streamer.errors import BusClosedError, CommitLostError, PoisonRecordError, RecordError
from streamer.progress import pack_note
from streamer.record import unpack_clip, unpack_head
from streamer.trials import TRIES, Trials

GROUP = "watchword-encoder"
_FAULTS = (EncoderError, RecordError)  # of one record; anything else ends the process

_log = logging.getLogger(__name__)


class ClipEncoder(Protocol):
    """What the worker needs of `encoder.video.VideoEncoder`."""

    @property
    def space(self) -> EmbeddingSpace:
        """The space of the vectors."""

    @property
    def best_batch(self) -> int:
        """How many clips one run should hold."""

    def encode(self, clips: NDArray[np.uint8]) -> NDArray[np.float32]:
        """uint8 [B, T, H, W, 3] -> unit vectors [B, D]."""


@dataclass(frozen=True, slots=True, eq=False)
class _Read:
    record: Record
    clip: Clip


class EncoderWorker:
    """Takes clips of all cameras in micro-batches and publishes an embedding for each.

    A batch starts with the first clip that comes and is run when it is full or when that clip has
    waited `config.wait_seconds`. The embeddings of a batch and the clips' read positions are
    committed together: a crash repeats a batch, it loses none.

    Several workers share the cameras by a group. Whenever a partition comes to one, its first clip
    is tried alone, so that a clip which ends the process is found out and put aside. What is gone
    before it could be committed comes to whoever has it now.
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
        self._encoder = encoder
        self._config = config
        self._clock = clock
        self._now = now
        self._batch = config.batch or encoder.best_batch
        self._trials = Trials(process=uuid4().hex)
        self._gathered: list[Record] = []
        self._settled = False

    @property
    def settled(self) -> bool:
        """Whether it is agreed with the other encoders who encodes which cameras."""
        return self._settled

    def run(self, stop: Event) -> None:
        """Work until `stop` is set, the bus is closed, or the clips end.

        At the end the embeddings topic is finished, so that whoever reads it here ends too.
        """
        try:
            while not self._serve(stop):
                self._settled = False
        except BusClosedError:
            return
        finally:
            self._settled = False
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
            self._gathered = []
        return True

    def _subscribe(self) -> Subscription:
        def take(gained: Partitions) -> None:
            for partition in gained:
                self._trials.begin(partition, subscription.committed(partition))

        subscription = self._bus.subscribe(CLIPS.name, GROUP, Rebalance(take, self._let_go))
        return subscription

    def _let_go(self, lost: Partitions) -> None:
        """What was gathered of these partitions comes to whoever has them next."""
        for partition in lost:
            self._trials.end(partition)
        self._gathered = [each for each in self._gathered if each.partition not in lost]

    def _work(self, subscription: Subscription, stop: Event) -> None:
        while not stop.is_set():
            self._gather(subscription)
            self._settled = subscription.settled
            records, self._gathered = self._gathered, []
            self._take(records, subscription)
            if subscription.finished:
                return

    def _gather(self, subscription: Subscription) -> None:
        self._gathered += subscription.poll(self._config.poll_seconds, self._batch)
        deadline = self._clock() + self._config.wait_seconds
        while 0 < len(self._gathered) < self._batch and not subscription.finished:
            left = deadline - self._clock()
            if left <= 0:
                break
            polled = subscription.poll(left, self._batch - len(self._gathered))
            self._gathered += polled  # to what is left of it: the poll may have let go of some

    def _take(self, records: Sequence[Record], subscription: Subscription) -> None:
        """Encode and commit what was gathered, the first clips of new partitions alone."""
        together: list[Record] = []
        alone = 0
        for record in records:
            if self._is_stale(record):
                CLIPS_STALE.labels(record.key).inc()
            elif self._trials.on_trial(record.partition):
                self._take_alone(record, subscription)
                alone += 1
            else:
                together.append(record)
        if len(records) > alone:
            messages = self._encode(together) if together else []
            done = {record.partition: Position(record.offset + 1) for record in records}
            with DURATION.labels("publish").time():
                subscription.commit(messages, done)

    def _take_alone(self, record: Record, subscription: Subscription) -> None:
        note = self._trials.try_note(record)
        if note is None:
            error = PoisonRecordError(f"Whoever tried this clip ended, {TRIES} times in a row.")
            message = self._put_aside(record, TRIES, error)
        else:
            tried = Position(record.offset, pack_note(note))
            subscription.commit((), {record.partition: tried})
            (message,) = self._encode([record])
        subscription.commit([message], {record.partition: Position(record.offset + 1)})
        self._trials.passed(record.partition)

    def _is_stale(self, record: Record) -> bool:
        limit = self._config.stale_seconds
        if not limit or record.value is None or self._now() - record.published <= limit:
            return False
        try:
            return unpack_head(record.value).clock_source != "file"
        except RecordError:
            return False  # it is put aside like others that cannot be read

    def _encode(self, records: Sequence[Record]) -> list[Message]:
        """One message a record, in order: its embedding, or its dead letter."""
        try:
            return self._try(records)
        except _FAULTS as error:
            if len(records) == 1:
                return [self._alone(records[0], 1, error)]
        # One bad clip must not take the others of its batch along.
        return [self._alone(record, 0, None) for record in records]

    def _alone(self, record: Record, attempts: int, error: Exception | None) -> Message:
        while attempts < self._config.attempts:
            try:
                return self._try([record])[0]
            except _FAULTS as fault:
                attempts, error = attempts + 1, fault
        return self._put_aside(record, attempts, error)

    def _put_aside(self, record: Record, attempts: int, error: Exception | None) -> Message:
        DEAD_LETTER_COUNT.labels("encoder").inc()
        _log.warning("camera %s: a clip was put aside: %s", record.key, error)
        return dead_letter(record, attempts, error)

    def _try(self, records: Sequence[Record]) -> list[Message]:
        with DURATION.labels("unpack").time():
            read = [_Read(record, _unpack(record)) for record in records]
        with DURATION.labels("encode").time():
            vectors = self._encoder.encode(_stack([each.clip for each in read]))  # [B, D]
        BATCH_SIZE.observe(len(read))
        return [self._message(each, vector) for each, vector in zip(read, vectors, strict=True)]

    def _message(self, read: _Read, vector: NDArray[np.float32]) -> Message:
        clip = read.clip
        embedding = ClipEmbedding(
            camera_id=clip.camera_id,
            session=clip.session,
            index=clip.index,
            start=clip.start,
            end=clip.end,
            seen_until=clip.seen_until,
            space_id=self._encoder.space.id,
            vector=vector,
            clock_source=clip.clock_source,
            skipped=clip.skipped,
            watched_since=clip.watched_since,
        )
        packed = pack_embedding(embedding, self._config.vector_type)
        return Message(EMBEDDINGS.name, read.record.key, packed)


def _unpack(record: Record) -> Clip:
    if record.value is None:
        raise RecordError("a clip record without a value")
    return unpack_clip(record.value)


def _stack(clips: Sequence[Clip]) -> NDArray[np.uint8]:
    if len({clip.frames.shape for clip in clips}) > 1:
        raise RecordError("clips of several shapes came together: one is not of this bundle")
    return np.stack([clip.frames for clip in clips])  # [B, T, H, W, 3]
