"""A camera that is read in a worker process, as the server sees it."""

import logging
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from typing import cast

import msgspec

import streamer.errors
from streamer.bus import CLIPS
from streamer.camera_record import CameraRecord, Credentials
from streamer.clip_ring import ClipRing
from streamer.config import CameraSettings, StreamerPartConfig
from streamer.cut import Outcome
from streamer.errors import (
    RecordError,
    SourceCrashedError,
    SourceError,
    SourceHungError,
    SourceTakenError,
)
from streamer.pulse import Deadlines, Lateness, Pulse
from streamer.record import hold
from streamer.registration import user_info_of
from streamer.sight import Sight
from streamer.source_facts import ReadTally
from streamer.workers.messages import Counts, Cut, Ended, Order, Said, add_tally
from streamer.workers.pool import WorkerPool
from streamer.workers.watch import Connection, Watch, explain_lateness
from streamer.workers.worker import Worker

# Those that wait on the bus, and some in the hands of the encoder
_SLOTS = CLIPS.capacity + 8

_NOTHING = Counts({}, {}, ReadTally(), 0.0, 0.0, is_file=False, shown=False)

_log = logging.getLogger(__name__)


class ReadInWorker:
    """Reads a camera in a process of the pool, and sees that it is being read.

    Its pictures are cut into clips there, in memory that is mapped here too. What is late is asked
    to end, and killed with its process if it does not.
    """

    def __init__(
        self,
        record: CameraRecord,
        config: StreamerPartConfig,
        pool: WorkerPool,
        deadlines: Deadlines | None = None,
    ) -> None:
        self._record = record
        self._config = config
        self._pool = pool
        self._deadlines = deadlines or Deadlines(
            config.open_timeout_seconds, config.read_timeout_seconds
        )
        self._ring: ClipRing | None = None
        self._ring_file = -1

    def read(
        self, settings: CameraSettings, sight: Sight, stop: threading.Event
    ) -> Iterator[bytes | None]:
        """See `Reading.read`."""
        order = self._order(settings, sight)
        ring = self._fresh_ring(settings)
        pulse = Pulse(ring)
        fault: SourceError | None = None
        with self._opened(order) as connection:
            watch = Watch(connection, pulse, self._deadlines, stop)
            try:
                yield from self._follow(watch, sight, ring)
            except EOFError:
                self._pool.ended(connection.worker)
                fault = self._explain_end(connection.worker, watch.late)
            except SourceHungError as error:
                connection.worker.kill(self._record.camera_id)
                self._pool.ended(connection.worker)
                fault = error.with_traceback(None)
            finally:
                if not settings.is_film:
                    sight.not_before = max(sight.not_before, pulse.until)
        if fault is not None:  # raised here: its context would keep the ring alive in some log
            raise fault

    def close(self) -> None:
        """See `Reading.close`."""
        self._pool.give_back(self._record.camera_id)
        if self._ring is not None:
            os.close(self._ring_file)
            self._ring = None

    def _follow(self, watch: Watch, sight: Sight, ring: ClipRing) -> Iterator[bytes | None]:
        before = _NOTHING
        while not isinstance(news := watch.next_news(), Ended):
            if isinstance(news, Said):
                logging.getLogger(news.logger).log(news.level, "%s", news.text)
                continue
            _take_over(sight, before, news.counts)
            before = news.counts
            yield None
            if isinstance(news, Cut):
                yield _value(news, ring, sight)
        _take_over(sight, before, news.counts)
        yield None
        if news.error or news.bug or watch.late is None:
            self._raise(news)
        else:
            raise explain_lateness(self._record, watch.late)

    def _order(self, settings: CameraSettings, sight: Sight) -> Order:
        record, config = self._record, self._config
        if record.credentials is not None:
            user_info = user_info_of(record.credentials, config.unseal, config.environ)
            credentials = Credentials(sealed=user_info)
            record = msgspec.structs.replace(record, credentials=credentials)
        return Order(
            record=record,
            settings=settings,
            # There the secret comes as it is, with nothing else of this process
            config=replace(config, unseal=str, environ={}),
            slots=_SLOTS if settings.pixels == "raw" else 1,
            not_before=0.0 if settings.is_film else sight.not_before,
            watched_since=sight.watched_since,
            card_refusal=sight.tally.card_refusal,
        )

    def _fresh_ring(self, settings: CameraSettings) -> ClipRing:
        """The camera's ring, as nobody writes to it yet."""
        if self._ring is None:
            slots = _SLOTS if settings.pixels == "raw" else 1
            self._ring_file = ClipRing.allocate(settings.options.clip_format, slots)
            self._ring = ClipRing(self._ring_file, settings.options.clip_format, slots)
        self._ring.reclaim()
        Pulse(self._ring).reset()
        return self._ring

    @contextmanager
    def _opened(self, order: Order) -> Iterator[Connection]:
        try:
            worker = self._pool.place(self._record.camera_id)
            channel, theirs = socket.socketpair()
        except OSError as error:
            raise SourceCrashedError(
                f"No process could be started to read the camera: {error.strerror}."
            ) from error
        with closing(channel), closing(theirs):
            try:
                worker.give(order, self._ring_file, theirs.fileno())
            except OSError as error:
                self._pool.ended(worker)
                raise self._explain_end(worker, None) from error
            theirs.close()
            yield Connection(self._record.camera_id, worker, channel, time.monotonic())

    def _explain_end(self, worker: Worker, late: Lateness | None) -> SourceError:
        camera_id = self._record.camera_id
        if worker.culprit == camera_id:
            return explain_lateness(self._record, late)
        if worker.culprit is not None:
            return SourceTakenError(
                f"The process that read it was ended because of camera {worker.culprit}."
            )
        why = worker.why_ended()
        if self._pool.is_suspected(camera_id):
            return SourceCrashedError(f"The process that read it ended again and again ({why}).")
        return SourceTakenError(f"The process that read it ended ({why}).")

    def _raise(self, ended: Ended) -> None:
        if ended.bug:
            _log.error("camera %s: %s", self._record.camera_id, ended.bug)
            raise SourceCrashedError("Reading it failed in a way that nobody foresaw: see the log.")
        if ended.error:
            error = getattr(streamer.errors, ended.error, SourceError)
            assert issubclass(error, SourceError)
            raise error(ended.text)


def _take_over(sight: Sight, before: Counts, now: Counts) -> None:
    """Adds what a connection met since it was told last, and looks where it stands."""
    for outcome, count in now.outcomes.items():
        sight.outcomes[cast(Outcome, outcome)] += count - before.outcomes.get(outcome, 0)
    for why, count in now.beginnings.items():
        sight.beginnings[why] += count - before.beginnings.get(why, 0)
    add_tally(sight.tally, before.tally, now.tally)
    sight.newest_at, sight.newest_pts = now.newest_at, now.newest_pts
    if now.shown and sight.shown_at is None:
        sight.is_file, sight.shown_at = now.is_file, time.monotonic()


def _value(news: Cut, ring: ClipRing, sight: Sight) -> bytes | None:
    """The clip as it goes on the bus; None if its pixels are not where they should be."""
    if not news.shared:
        return news.value
    try:
        return hold(news.value, ring)
    except RecordError as error:
        sight.lost += 1
        _log.warning("a clip was dropped: %s", error)
        return None
