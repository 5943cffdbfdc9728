"""The encoder part: clips topic in, embeddings topic out."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Event
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from encoder.config import EncoderConfig
from encoder.dead_letter import dead_letter
from encoder.embedding import ClipEmbedding
from encoder.errors import EncoderError
from encoder.metrics import BATCH_SIZE, DEAD_LETTER_COUNT, DURATION
from encoder.record import pack_embedding
from encoder.space import EmbeddingSpace
from streamer.bus import CLIPS, EMBEDDINGS, Bus, Message, Record, Subscription
from streamer.clip import Clip
from streamer.errors import BusClosedError, RecordError
from streamer.record import unpack_clip

GROUP = "watchword-encoder"
_FAULTS = (EncoderError, RecordError)  # of one record; anything else ends the process


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
    """

    def __init__(
        self,
        bus: Bus,
        encoder: ClipEncoder,
        config: EncoderConfig,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._bus = bus
        self._encoder = encoder
        self._config = config
        self._clock = clock
        self._batch = config.batch or encoder.best_batch

    def run(self, stop: Event) -> None:
        """Work until `stop` is set, the bus is closed, or the clips end.

        At their end the embeddings topic is finished, so that whoever reads it ends too.
        """
        try:
            subscription = self._bus.subscribe(CLIPS.name, group=GROUP)
            try:
                self._work(subscription, stop)
            finally:
                subscription.close()
        except BusClosedError:
            return

    def _work(self, subscription: Subscription, stop: Event) -> None:
        while not stop.is_set():
            records = self._gather(subscription)
            if records:
                messages = self._encode(records)
                with DURATION.labels("publish").time():
                    subscription.commit(messages)
            if subscription.finished:
                self._bus.finish(EMBEDDINGS.name)
                return

    def _gather(self, subscription: Subscription) -> list[Record]:
        records = list(subscription.poll(self._config.poll_seconds, self._batch))
        deadline = self._clock() + self._config.wait_seconds
        while records and len(records) < self._batch and not subscription.finished:
            left = deadline - self._clock()
            if left <= 0:
                break
            records += subscription.poll(left, self._batch - len(records))
        return records

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
        DEAD_LETTER_COUNT.labels("encoder").inc()
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
