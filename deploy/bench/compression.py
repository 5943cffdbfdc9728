"""What compression of records on Kafka costs, for records as Watchword writes them."""

import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from typing import get_args
from uuid import uuid4

from deploy.bench.figure import Figure
from deploy.bench.transport import TransportOptions, drawn_embeddings
from encoder.bundle import Bundle
from streamer.bus import Message, Topic
from streamer.kafka_options import Compression

TOPIC = Topic("watchword.bench.v1")
TOGETHER = 200  # records of one call


def bench_compression(options: TransportOptions, bundle: Bundle) -> Iterator[Figure]:
    """Embeddings written and read with each compression, on topics of their own.

    Raises BusError if the broker does not answer, or a package that compresses is not installed.
    """
    drawn = drawn_embeddings(bundle, options.records, options.cameras)
    messages = [Message(TOPIC.name, one.key, one.value) for one in drawn]
    for compression in get_args(Compression):
        yield from _with(options, compression, messages)


def _with(
    options: TransportOptions, compression: Compression, messages: Sequence[Message]
) -> Iterator[Figure]:
    from streamer.kafka_bus import KafkaBus  # kafka-python: only where there are brokers

    prefix = f"bench-{uuid4().hex[:8]}-"
    kafka = replace(options.kafka, topic_prefix=prefix, compression=compression)
    with closing(KafkaBus(kafka, [TOPIC])) as bus:
        bus.publish_all(messages[:1])  # makes the topic
        began, used = time.monotonic(), time.process_time()
        for first in range(1, len(messages), TOGETHER):
            bus.publish_all(messages[first : first + TOGETHER])
        wrote, cost = time.monotonic() - began, time.process_time() - used
        began, left = time.monotonic(), len(messages)
        reader = bus.subscribe(TOPIC.name)
        while left > 0:
            left -= len(reader.poll(10.0, 1000))
        read = time.monotonic() - began
    yield Figure(f"compression {compression}: written", len(messages) / wrote, "/s")
    yield Figure(f"compression {compression}: a core's time", cost / len(messages) * 1e6, "us")
    yield Figure(f"compression {compression}: read", len(messages) / read, "/s")
