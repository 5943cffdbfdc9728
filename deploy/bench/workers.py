"""What more grounding workers gain: processes of one group on one broker."""

import multiprocessing
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

from deploy.bench.figure import Figure
from deploy.bench.transport import TransportOptions, drawn_embeddings, grounding_worker
from deploy.errors import BenchError
from encoder.bundle import Bundle, load_bundle
from streamer.bus import Bus
from streamer.kafka_options import KafkaOptions

COUNTS = (1, 2, 4)
PATIENCE_SECONDS = 120.0
LOOK_SECONDS = 0.02
TOGETHER = 200  # records of one call


class _News(NamedTuple):
    """What a worker's process tells of itself."""

    ready: bool
    windows: int


def bench_workers(options: TransportOptions, bundle: Bundle) -> Iterator[Figure]:
    """Embeddings a second through 1, 2 and 4 grounding workers that watch for nothing.

    Raises BenchError if not all arrive, BusError if the broker does not answer.
    """
    messages = drawn_embeddings(bundle, options.records, options.cameras)
    for count in COUNTS:
        kafka = replace(options.kafka, topic_prefix=f"bench-{uuid4().hex[:8]}-")
        with closing(_bus(kafka)) as bus:
            bus.publish_all(messages[:1])  # makes the topics
            with _workers(kafka, bundle.folder, count) as workers:
                _wait(workers, lambda news: all(one.ready for one in news))
                began = time.monotonic()
                for first in range(1, len(messages), TOGETHER):
                    bus.publish_all(messages[first : first + TOGETHER])
                _wait(workers, lambda news: sum(one.windows for one in news) >= len(messages))
                rate = len(messages) / (time.monotonic() - began)
        yield Figure(f"Kafka: grounding, workers: {count}", rate, "/s")


def _bus(kafka: KafkaOptions) -> Bus:
    from streamer.kafka_bus import KafkaBus  # kafka-python: only where there are brokers

    return KafkaBus(kafka)


@contextmanager
def _workers(kafka: KafkaOptions, bundle: Path, count: int) -> Iterator[Sequence[Connection]]:
    """Processes that read the embeddings until the block ends."""
    spawn = multiprocessing.get_context("spawn")
    pipes = [spawn.Pipe() for _ in range(count)]
    processes = [
        spawn.Process(target=_work, args=(kafka, bundle, theirs), daemon=True)
        for _, theirs in pipes
    ]
    try:
        for process in processes:
            process.start()
        yield [ours for ours, _ in pipes]
    finally:
        for ours, _ in pipes:
            ours.send(None)
        for process in processes:
            process.join(PATIENCE_SECONDS)


def _work(kafka: KafkaOptions, folder: Path, parent: Connection) -> None:
    """One process: tells how far it is until the parent says something."""
    with closing(_bus(kafka)) as bus:
        worker = grounding_worker(load_bundle(folder), bus)
        stop = threading.Event()
        thread = threading.Thread(target=worker.run, args=(stop,))
        thread.start()
        while thread.is_alive() and not parent.poll(LOOK_SECONDS):
            parent.send(_News(worker.ready, worker.counts.windows))
        stop.set()
        thread.join()


def _wait(workers: Sequence[Connection], enough: Callable[[Sequence[_News]], bool]) -> None:
    news = [_News(False, 0)] * len(workers)
    ends = time.monotonic() + PATIENCE_SECONDS
    while not enough(news):
        for number, worker in enumerate(workers):
            while worker.poll(LOOK_SECONDS / len(workers)):
                news[number] = worker.recv()
        if time.monotonic() > ends:
            raise BenchError(f"the grounding workers came no further than this: {news}")
