"""One process from files and streams to alerts: the composition of all stages.

One thread a camera, one a stage, so that decoding, encoding and grounding overlap. Stages end when
the topic they read is finished: the last camera finishes the clips, the encoder the embeddings,
grounding the alerts. Asking to end stops the cameras only, and what they saw is still told; an
error in any thread closes the bus, which wakes and ends everyone.
"""

import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from typing import Protocol

from prometheus_client import CollectorRegistry

from deploy.report import Summary, Told
from deploy.tally import CameraTally
from deploy.threads import Threads
from deploy.watch_plan import WatchPlan, query_id
from encoder.config import EncoderConfig
from encoder.record import unpack_embedding
from encoder.text import TextEncoder
from encoder.video import VideoEncoder
from encoder.worker import EncoderWorker
from grounding.config import GroundingConfig
from grounding.grounder import Grounder, GroundingCounts
from grounding.parts import load_parts
from grounding.query import StandingQuery
from grounding.record import unpack_alert
from grounding.tracker import AlertTracker
from grounding.worker import GroundingWorker
from streamer.bus import ALERTS, DEAD_LETTERS, EMBEDDINGS, Record, Subscription, Topic
from streamer.camera import Camera
from streamer.errors import BusClosedError, SourceError
from streamer.memory_bus import MemoryBus
from streamer.metrics import StreamerMetrics
from streamer.worker import StreamerWorker

POLL_SECONDS = 0.5


class Listener(Protocol):
    """Is told what happens in a run; called from the run's threads, one call at a time."""

    def alert(self, told: Told) -> None:
        """An alert was opened, updated or closed."""

    def seen(self, camera_id: str, seconds: float) -> None:
        """So many seconds of the camera have been encoded."""

    def lost(self, camera_id: str, reason: str) -> None:
        """A clip could not be encoded and was given up."""


class WatchRun:
    """A run of a plan; `run` may be called once.

    `faults` are the cameras that could not be read to their end, by id.
    """

    def __init__(self, plan: WatchPlan, listener: Listener) -> None:
        self.faults: dict[str, SourceError] = {}
        self._plan = plan
        self._listener = listener
        self._bus = MemoryBus()
        metrics = StreamerMetrics(CollectorRegistry())  # nobody asks a run that ends
        self._cameras = [Camera(planned.settings, self._bus, metrics) for planned in plan.cameras]
        self._stop_cameras = threading.Event()
        self._stop_stages = threading.Event()
        self._tallies = {
            camera.camera_id: CameraTally(file_start=camera.file_start) for camera in plan.cameras
        }
        self._alert_ids: set[str] = set()
        self._lock = threading.Lock()  # over the listener and the two above

    def ask_to_end(self) -> None:
        """End soon: no more is read, and what was read is still told."""
        self._stop_cameras.set()

    @property
    def decode_errors(self) -> dict[str, int]:
        """How many packets of each camera did not decode, where any did not."""
        counts = {camera.camera_id: camera.tally.decode_errors for camera in self._cameras}
        return {camera_id: count for camera_id, count in counts.items() if count}

    def run(self) -> Summary:
        """Read all cameras to their end, or until asked to end.

        Raises the first error that any stage raised.
        """
        began = time.monotonic()
        with ExitStack() as stack:
            stack.callback(self._bus.close)
            threads = Threads(self._abort)
            grounder = self._start_grounding(threads)
            self._start_encoder(threads)
            self._start_cameras(threads)
            threads.wait()
        return self._summary(time.monotonic() - began, grounder.counts)

    def _abort(self) -> None:
        self._stop_cameras.set()
        self._stop_stages.set()
        self._bus.close()

    def _start_grounding(self, threads: Threads) -> Grounder:
        plan, config = self._plan, GroundingConfig(overload=None)
        parts = load_parts(plan.bundle, config)
        grounder = Grounder(parts, AlertTracker(config.alerts, parts.name), config)
        texts = [query.text for query in plan.queries]
        features = TextEncoder(plan.bundle).encode(texts)
        grounder.watch(
            [
                StandingQuery(query_id(text), text, feature, plan.threshold)
                for text, feature in zip(texts, features, strict=True)
            ]
        )
        worker = GroundingWorker(self._bus, grounder, config)
        self._start_reader(threads, ALERTS, self._tell)
        self._start_reader(threads, EMBEDDINGS, self._count)
        threads.start("grounding", lambda: worker.run(self._stop_stages))
        return grounder

    def _start_encoder(self, threads: Threads) -> None:
        config = EncoderConfig()
        worker = EncoderWorker(self._bus, VideoEncoder(self._plan.bundle, config.session), config)
        self._start_reader(threads, DEAD_LETTERS, self._lose)

        def encode() -> None:
            worker.run(self._stop_stages)
            self._bus.finish(DEAD_LETTERS.name)

        threads.start("encoder", encode)

    def _start_cameras(self, threads: Threads) -> None:
        worker = StreamerWorker(self._cameras, self._bus)
        self.faults = worker.faults
        threads.start("streamer", lambda: worker.run(self._stop_cameras))

    def _start_reader(self, threads: Threads, topic: Topic, take: Callable[[Record], None]) -> None:
        # Subscribed before anything is published: nothing is missed, and a full topic waits
        subscription = self._bus.subscribe(topic.name)
        threads.start(f"reads {topic.name}", partial(self._read, subscription, take))

    def _read(self, subscription: Subscription, take: Callable[[Record], None]) -> None:
        try:
            while not subscription.finished:
                for record in subscription.poll(POLL_SECONDS):
                    with self._lock:
                        take(record)
                subscription.commit()
        except BusClosedError:
            return

    def _tell(self, record: Record) -> None:
        assert record.value is not None
        alert = unpack_alert(record.value)
        self._alert_ids.add(alert.alert_id)
        self._listener.alert(Told(alert, self._tallies[alert.camera_id].file_start))

    def _count(self, record: Record) -> None:
        assert record.value is not None
        clip = unpack_embedding(record.value)
        tally = self._tallies[clip.camera_id]
        tally.add(clip)
        self._listener.seen(clip.camera_id, tally.seen_seconds)

    def _lose(self, record: Record) -> None:
        self._listener.lost(record.key, dict(record.headers).get("error", b"").decode())

    def _summary(self, seconds: float, counts: GroundingCounts) -> Summary:
        clips = sum(tally.clips for tally in self._tallies.values())
        return Summary(
            clips=clips,
            windows=counts.windows,
            queries=len(self._plan.queries),
            alerts=len(self._alert_ids),
            seconds=seconds,
            clips_per_second=clips / seconds if seconds else 0.0,
            blind_seconds=self._blind_seconds(counts.blind_seconds),
        )

    def _blind_seconds(self, between_clips: float) -> float:
        """Of files whose length is known, all that no clip has shown; else gaps between clips."""
        if self._stop_cameras.is_set() or not all(
            camera.seconds is not None for camera in self._plan.cameras
        ):
            return between_clips
        return sum(
            self._tallies[camera.camera_id].unseen_seconds(camera.seconds or 0.0)
            for camera in self._plan.cameras
        )
