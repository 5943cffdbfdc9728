"""Clips to messages: each one's embedding, or its dead letter."""

import logging
import time
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from encoder.config import EncoderConfig
from encoder.embedding import ClipEmbedding
from encoder.errors import EncoderError, EngineError
from encoder.gathering import ClipRead, Gathered, read_clip, stack_frames
from encoder.metrics import BATCH_SIZE, DURATION
from encoder.record import pack_embedding
from encoder.space import EmbeddingSpace
from streamer.bus import EMBEDDINGS, Message, Record
from streamer.clip import Clip
from streamer.dead_letter import dead_letter
from streamer.errors import RecordError
from streamer.metrics import DEAD_LETTER_COUNT

# Of one record, but for an EngineError; anything else ends the process
_FAULTS = (EncoderError, RecordError)

_log = logging.getLogger(__name__)


class ClipEncoder(Protocol):
    """What is needed of `encoder.video.VideoEncoder`."""

    @property
    def space(self) -> EmbeddingSpace:
        """The space of the vectors."""

    @property
    def best_batch(self) -> int:
        """How many clips one run should hold."""

    @property
    def overlaps(self) -> bool:
        """Whether a batch is gathered while another is encoded: a card leaves the cores free."""
        return False

    def encode(self, clips: NDArray[np.uint8]) -> NDArray[np.float32]:
        """uint8 [B, T, H, W, 3] -> unit vectors [B, D]."""


class ClipMessages:
    """What is published of clips; no state of its own, for whichever thread encodes."""

    def __init__(self, encoder: ClipEncoder, config: EncoderConfig) -> None:
        self._encoder = encoder
        self._config = config

    def of(self, gathered: Gathered) -> list[Message]:
        """One message a record, in order. Raises EngineError if what encodes them fails."""
        reads = gathered.reads
        if not reads:
            return []
        try:
            return self._try(gathered)
        except EngineError:  # the card's: every clip would fail
            raise
        except _FAULTS as error:
            if len(reads) == 1:
                return [self._alone(reads[0].record, 1, error)]
        # One bad clip must not take the others of its batch along.
        return [self._alone(read.record, 0, None) for read in reads]

    def put_aside(self, record: Record, attempts: int, error: Exception | None) -> Message:
        """The record's dead letter, counted."""
        DEAD_LETTER_COUNT.labels("encoder").inc()
        _log.warning("camera %s: a clip was put aside: %s", record.key, error)
        return dead_letter(record, attempts, error)

    def _alone(self, record: Record, attempts: int, error: Exception | None) -> Message:
        while attempts < self._config.attempts:
            try:
                return self._try(Gathered([ClipRead(record)], None, 0.0))[0]
            except EngineError:
                raise
            except _FAULTS as fault:
                attempts, error = attempts + 1, fault
        return self.put_aside(record, attempts, error)

    def _try(self, gathered: Gathered) -> list[Message]:
        began = time.perf_counter()
        clips = [read.clip or read_clip(read.record) for read in gathered.reads]
        frames = stack_frames(clips) if gathered.frames is None else gathered.frames
        late = time.perf_counter() - began  # what could not be unpacked when it came
        DURATION.labels("unpack").observe(gathered.unpack_seconds + late)
        with DURATION.labels("encode").time():
            vectors = self._encoder.encode(frames)  # [B, D]
        BATCH_SIZE.observe(len(clips))
        keys = [read.record.key for read in gathered.reads]
        return [self._message(*each) for each in zip(keys, clips, vectors, strict=True)]

    def _message(self, key: str, clip: Clip, vector: NDArray[np.float32]) -> Message:
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
        return Message(EMBEDDINGS.name, key, pack_embedding(embedding, self._config.vector_type))
