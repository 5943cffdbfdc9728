"""What the bus costs: Kafka beside memory, with the workers that run on it in production.

Models are left out of it: vectors are drawn, and no query is watched for. What is measured is the
way of a record from stage to stage. Every record is as long as an embedding of the bundle is.
"""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from deploy.bench.figure import Figure
from deploy.errors import BenchError
from encoder.bundle import Bundle
from encoder.config import EncoderConfig
from encoder.embedding import ClipEmbedding
from encoder.record import pack_embedding
from encoder.space import EmbeddingSpace
from encoder.worker import EncoderWorker
from grounding.config import GroundingConfig
from grounding.grounder import Grounder
from grounding.parts import load_parts
from grounding.tracker import AlertTracker
from grounding.worker import GroundingWorker
from streamer.bus import ALERTS, CLIPS, EMBEDDINGS, Bus, Message, Position
from streamer.clip import Clip
from streamer.errors import BusClosedError
from streamer.kafka_options import KafkaOptions
from streamer.memory_bus import MemoryBus
from streamer.record import pack_clip
from streamer.split_bus import SplitBus

PATIENCE_SECONDS = 120.0
_GROUP = "watchword-bench"


@dataclass(frozen=True, slots=True)
class TransportOptions:
    """How much is sent through."""

    kafka: KafkaOptions
    latency_seconds: float = 20.0
    rate: float = 50.0  # records a second while latency is measured
    records: int = 8000  # through encoder and grounding
    cameras: int = 48


def bench_transport(options: TransportOptions, bundle: Bundle) -> Iterator[Figure]:
    """Latency and throughput of memory and Kafka, and how long their records are.

    Raises BenchError if records do not arrive, BusError if the broker does not answer.
    """
    size = record_bytes(bundle)
    yield Figure("a record, in all that follows", size, "bytes")
    for name in ("memory", "Kafka"):
        with closing(MemoryBus() if name == "memory" else _kafka_bus(options)) as bus:
            seconds = sorted(_latencies(bus, options, size))
            for share in (50, 95, 99):
                value = seconds[min(len(seconds) - 1, len(seconds) * share // 100)]
                yield Figure(f"{name}: record to alert p{share}", value * 1000, "ms")
    yield Figure("memory: encoder and grounding", _throughput(MemoryBus(), options, bundle), "/s")
    rate = _throughput(_split_bus(options), options, bundle)
    yield Figure("Kafka: encoder and grounding", rate, "/s")


def _kafka_bus(options: TransportOptions) -> Bus:
    from streamer.kafka_bus import KafkaBus  # kafka-python: only where there are brokers

    return KafkaBus(replace(options.kafka, topic_prefix=f"bench-{uuid4().hex[:8]}-"))


def _split_bus(options: TransportOptions) -> Bus:
    memory = MemoryBus((CLIPS,), options.kafka.partitions)
    return SplitBus(memory, _kafka_bus(options), (CLIPS.name,))


def _latencies(bus: Bus, options: TransportOptions, size: int) -> list[float]:
    """Seconds from the publishing of an embedding to the arrival of what is made of it.

    Between them is what grounding does to the bus: a poll, and a commit of one output and a note.
    """
    arrived: list[float] = []
    reader = bus.subscribe(ALERTS.name, _GROUP)
    stage = threading.Thread(target=_answer, args=(bus,), daemon=True)
    stage.start()
    payload = np.random.default_rng(0).bytes(size - 8)
    wanted = int(options.latency_seconds * options.rate)
    writer = threading.Thread(target=_write, args=(bus, options, payload, wanted), daemon=True)
    writer.start()
    ends = time.monotonic() + options.latency_seconds + PATIENCE_SECONDS
    while len(arrived) < wanted:
        for record in reader.poll(0.5):
            arrived.append(time.monotonic() - float(np.frombuffer((record.value or b"")[:8])[0]))
        reader.commit()
        if time.monotonic() > ends:
            raise BenchError(f"of {wanted} records only {len(arrived)} arrived")
    return arrived[wanted // 10 :]  # the first ones wait for groups to form


def _write(bus: Bus, options: TransportOptions, payload: bytes, count: int) -> None:
    for number in range(count):
        value = np.float64(time.monotonic()).tobytes() + payload
        bus.publish(Message(EMBEDDINGS.name, f"camera-{number % options.cameras}", value))
        time.sleep(1 / options.rate)


def _answer(bus: Bus) -> None:
    subscription = bus.subscribe(EMBEDDINGS.name, _GROUP)
    try:
        while True:
            records = subscription.poll(0.5, 16)
            if not records:
                continue
            outputs = [Message(ALERTS.name, one.key, (one.value or b"")[:1000]) for one in records]
            newest = {one.partition: Position(one.offset + 1, "{}") for one in records}
            subscription.commit(outputs, newest)
    except BusClosedError:
        return


class _Drawn:
    """An encoder that takes no time: vectors of the bundle's space, drawn at random."""

    best_batch = 32
    overlaps = False

    def __init__(self, space: EmbeddingSpace) -> None:
        self.space = space
        self._random = np.random.default_rng(0)

    def encode(self, clips: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Unit vectors [B, D] for clips [B, T, H, W, 3]."""
        vectors = self._random.standard_normal((len(clips), self.space.dims), np.float32)
        unit: NDArray[np.float32] = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        return unit


def _throughput(bus: Bus, options: TransportOptions, bundle: Bundle) -> float:
    """Clips a second through one encoder worker and one grounding worker."""
    with closing(bus):
        encoder = EncoderWorker(bus, _Drawn(bundle.space), EncoderConfig())
        grounding = grounding_worker(bundle, bus)
        with _running(encoder.run, grounding.run):
            began = time.monotonic()
            for number in range(options.records):
                bus.publish(_clip(number, options.cameras))
            bus.finish(CLIPS.name)
            while grounding.counts.windows < options.records:
                if time.monotonic() - began > PATIENCE_SECONDS:
                    raise BenchError(
                        f"of {options.records} clips only {grounding.counts.windows} arrived"
                    )
                time.sleep(0.01)
            return options.records / (time.monotonic() - began)


def grounding_worker(bundle: Bundle, bus: Bus) -> GroundingWorker:
    """Grounding that watches for nothing, and tells every position as in production."""
    config = GroundingConfig(resumable=True, overload=None)
    parts = load_parts(bundle, config)
    grounder = Grounder(parts, AlertTracker(config.alerts, parts.name), config)
    return GroundingWorker(bus, grounder, config)


def _clip(number: int, cameras: int) -> Message:
    camera_id, index = f"camera-{number % cameras}", number // cameras
    start = 2.0 * index
    pixels = np.zeros((1, 2, 2, 3), np.uint8)
    clip = Clip(camera_id, 0, index, start, start + 2, start + 2, pixels, "file")
    return Message(CLIPS.name, camera_id, pack_clip(clip))


@contextmanager
def _running(*work: Callable[[threading.Event], None]) -> Iterator[None]:
    stop = threading.Event()
    threads = [threading.Thread(target=one, args=(stop,), daemon=True) for one in work]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join(PATIENCE_SECONDS)


def drawn_embeddings(bundle: Bundle, count: int, cameras: int) -> Sequence[Message]:
    """That many embeddings of the bundle's space, of cameras in turn, ready to be published."""
    drawn = _Drawn(bundle.space).encode(np.zeros((count, 1, 2, 2, 3), np.uint8))
    messages = []
    for number, vector in enumerate(drawn):
        camera_id, index = f"camera-{number % cameras}", number // cameras
        start = 2.0 * index
        clip = ClipEmbedding(
            camera_id, 0, index, start, start + 2, start + 2, bundle.space.id, vector, "file"
        )
        messages.append(Message(EMBEDDINGS.name, camera_id, pack_embedding(clip)))
    return messages


def record_bytes(bundle: Bundle) -> int:
    """How long the record of an embedding of the bundle's space is."""
    (one,) = drawn_embeddings(bundle, 1, 1)
    return len(one.value or b"")
