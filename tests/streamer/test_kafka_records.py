"""What other products write to our topics: read as it is, put aside and counted, never a crash."""

import threading
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest
from prometheus_client import CollectorRegistry

from encoder.config import EncoderConfig
from encoder.record import unpack_embedding
from encoder.worker import EncoderWorker
from streamer.address_policy import AddressPolicy
from streamer.bus import (
    CAMERAS,
    CLIPS,
    DEAD_LETTERS,
    EMBEDDINGS,
    HEALTH,
    Message,
    Record,
    Subscription,
    Topic,
)
from streamer.camera_record import CameraRecord, pack_camera
from streamer.clip import Clip
from streamer.config import StreamerPartConfig
from streamer.errors import BusError
from streamer.kafka_bus import KafkaBus
from streamer.kafka_client import KafkaProducer
from streamer.kafka_options import KafkaOptions
from streamer.metrics import StreamerMetrics
from streamer.part import StreamerPart
from streamer.record import pack_clip
from tests.encoder.models import SPACE, random_clips
from tests.kafka_broker import KafkaBroker
from tests.streamer.script import FORMAT, Stage

RAW = Topic("test.raw")
GARBAGE = b"\x00\xff{not ours"


class OneVector:
    """Encodes every clip as the same vector."""

    space = SPACE
    best_batch = 4
    overlaps = False

    def encode(self, clips: np.ndarray) -> np.ndarray:
        vectors = np.zeros((len(clips), SPACE.dims), np.float32)
        vectors[:, 0] = 1
        return vectors


@pytest.fixture
def options(kafka: KafkaBroker, topic_prefix: str) -> KafkaOptions:
    return KafkaOptions(
        bootstrap_servers=kafka.bootstrap_servers, topic_prefix=topic_prefix, partitions=1
    )


@pytest.fixture
def bus(options: KafkaOptions) -> Iterator[KafkaBus]:
    bus = KafkaBus(options, [RAW, CLIPS, EMBEDDINGS, DEAD_LETTERS, CAMERAS, HEALTH])
    bus.connect()
    yield bus
    bus.close()


@pytest.fixture
def stranger(options: KafkaOptions) -> Iterator[Any]:
    producer = KafkaProducer(bootstrap_servers=list(options.bootstrap_servers))
    yield lambda topic, **record: producer.send(
        options.topic_prefix + topic.name, partition=0, **record
    ).get(30)
    producer.close()


def drain(reader: Subscription, wanted: int) -> list[Record]:
    records: list[Record] = []
    while len(records) < wanted:
        records += reader.poll(30)
    return records


def test_records_without_a_key_or_with_one_of_any_bytes_are_read(bus: KafkaBus, stranger: Any):
    stranger(RAW, value=b"no key")
    stranger(RAW, key=b"\xff\xfe", value=b"", headers=[("trace", b"\x00"), ("trace", b"")])
    stranger(RAW, key=b"k", value=None)
    stranger(RAW, key=b"k", value=b"old", timestamp_ms=0)
    records = drain(bus.subscribe(RAW.name, "readers"), 4)
    assert [(record.key, record.value) for record in records] == [
        ("", b"no key"),
        ("\ufffd\ufffd", b""),
        ("k", None),
        ("k", b"old"),
    ]
    assert records[1].headers == (("trace", b"\x00"), ("trace", b""))
    assert records[3].published == 0.0


@pytest.mark.skipif(find_spec("snappy") is not None, reason="python-snappy is installed")
def test_what_is_compressed_with_what_is_not_installed_is_told_by_name(
    bus: KafkaBus, kafka: KafkaBroker, options: KafkaOptions
):
    kafka.run_tool(
        "org.apache.kafka.tools.ProducerPerformance",
        *("--topic", options.topic_prefix + RAW.name),
        *("--num-records", "3", "--record-size", "50", "--throughput", "-1", "--producer-props"),
        *(f"bootstrap.servers={kafka.bootstrap_servers[0]}", "compression.type=snappy"),
    )
    reader = bus.subscribe(RAW.name, "readers")
    with pytest.raises(BusError, match=r"'test\.raw' be read .*snappy.* python-snappy"):
        drain(reader, 1)


def test_clips_that_are_none_are_put_aside_with_the_reason(bus: KafkaBus, stranger: Any):
    stranger(CLIPS, key=b"yard", value=GARBAGE, headers=[("trace", b"7")])
    stranger(CLIPS, key=b"", value=None)
    frames = random_clips(1, 1)[0]
    clip = Clip("yard", 100_000, 0, 100.0, 102.0, 102.0, frames, "arrival")
    bus.publish(Message(CLIPS.name, "yard", pack_clip(clip)))
    stranger(CLIPS, key=b"\xff", value=b"")
    letters, made = bus.subscribe(DEAD_LETTERS.name), bus.subscribe(EMBEDDINGS.name)
    stop = threading.Event()
    worker = EncoderWorker(bus, OneVector(), EncoderConfig(wait_seconds=0.0, poll_seconds=0.05))
    running = threading.Thread(target=worker.run, args=(stop,))
    running.start()
    try:
        first, second, third = drain(letters, 3)
        (embedding,) = drain(made, 1)
    finally:
        stop.set()
        running.join(30)
    assert not running.is_alive()
    assert (first.key, first.value, second.value, third.value) == ("yard", GARBAGE, None, b"")
    told = dict(first.headers)
    assert (told["trace"], told["topic"], told["offset"]) == (b"7", CLIPS.name.encode(), b"0")
    assert (told["error"], told["attempt"]) == (b"RecordError", b"2")
    assert unpack_embedding(embedding.value or b"").index == 0


def test_cameras_that_are_none_are_counted_and_the_others_run(bus: KafkaBus, stranger: Any):
    stranger(CAMERAS, key=b"yard", value=GARBAGE)
    stranger(CAMERAS, key=b"\xff", value=b"{}")
    gate = CameraRecord(camera_id="gate", source="rtsp://127.0.0.1/gate", revision=1)
    bus.publish(Message(CAMERAS.name, "gate", pack_camera(gate)))
    registry, stage, stop = CollectorRegistry(), Stage(), threading.Event()
    config = StreamerPartConfig(
        clip_format=FORMAT, address_policy=AddressPolicy(loopback=True, private=False)
    )
    part = StreamerPart(config, bus, StreamerMetrics(registry), stage)
    running = threading.Thread(target=part.run, args=(stop,))
    running.start()
    try:
        stage.wait_for(gate.source)
    finally:
        stop.set()
        running.join(30)
    assert not running.is_alive()
    assert registry.get_sample_value("watchword_camera_records_refused_total") == 2
