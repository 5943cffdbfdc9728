"""Which topic is where: all in memory, or on Kafka but for those that stay in this process."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from deploy.parts import clips_travel
from deploy.settings import Settings
from deploy.settings.parts import kafka_options
from streamer.bus import CLIPS, TOPICS
from streamer.memory_bus import MemoryBus
from streamer.split_bus import SplitBus

if TYPE_CHECKING:
    from streamer.kafka_bus import KafkaBus

WATCH_SECONDS = 0.2  # how soon a stop is noticed while no broker answers


@contextmanager
def open_bus(
    settings: Settings, parts: Sequence[str], stop: threading.Event
) -> Iterator[MemoryBus | SplitBus]:
    """The bus of a process with these parts, until the block ends; waits for the first broker.

    Clips are in memory exactly when both who cuts and who encodes them run here.

    Raises:
        BusUnreachableError: no broker answered within `kafka.start_timeout_seconds`.
        BusAccessError: the broker refuses the credentials or the certificate.
        TopicPolicyError: a topic that exists is not as it has to be.
        BusClosedError: `stop` was set before a broker answered.
    """
    options = kafka_options(settings)
    bus: MemoryBus | SplitBus
    if not options.bootstrap_servers:
        bus = MemoryBus()
    else:
        from streamer.kafka_bus import KafkaBus  # kafka-python: only where there are brokers

        inside = (CLIPS,) if {"streamer", "encoder"} <= set(parts) else ()
        shared = [topic for topic in TOPICS if topic is not CLIPS or clips_travel(parts)]
        kafka = KafkaBus(options, shared)
        memory = MemoryBus(inside, options.partitions)
        bus = SplitBus(memory, kafka, [topic.name for topic in inside])
        _connect(kafka, stop)
    try:
        yield bus
    finally:
        bus.close()


def _connect(kafka: "KafkaBus", stop: threading.Event) -> None:
    answered = threading.Event()

    def give_up() -> None:
        while not answered.is_set():
            if stop.wait(WATCH_SECONDS):
                kafka.close()
                return

    waiting = threading.Thread(target=give_up, name="kafka-stop", daemon=True)
    waiting.start()
    try:
        kafka.connect()
    except BaseException:
        kafka.close()
        raise
    finally:
        answered.set()
        waiting.join()
