"""The bench of the bus: quick runs of it, whose figures say nothing but that they are there."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from deploy.bench import transport
from deploy.bench.compression import bench_compression
from deploy.bench.figure import Figure
from deploy.bench.java_tools import JavaTools
from deploy.bench.transport import (
    TransportOptions,
    bench_transport,
    drawn_embeddings,
    record_bytes,
)
from deploy.bench.workers import COUNTS, bench_workers
from deploy.errors import BenchError
from encoder.bundle import Bundle, load_bundle
from encoder.record import unpack_embedding
from streamer.kafka_options import KafkaOptions
from tests.e2e.colour_bundle import make_colour_bundle
from tests.e2e.conftest import watchword
from tests.kafka_broker import KafkaBroker

CAMERAS = 4
PRODUCED = "500 records sent, {rate} records/sec (2.86 MB/sec), 3 ms avg latency, 9 ms max latency."
CONSUMED = """start.time, end.time, data.consumed.in.MB, MB.sec, data.consumed.in.nMsg, nMsg.sec
1, 2, 1.4, 5.0, 500, 26000.5"""


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return load_bundle(make_colour_bundle(tmp_path_factory.mktemp("bench") / "colours"))


@pytest.fixture
def options(kafka: KafkaBroker) -> TransportOptions:
    cluster = KafkaOptions(bootstrap_servers=kafka.bootstrap_servers, partitions=2)
    return TransportOptions(cluster, latency_seconds=1.0, records=100, cameras=CAMERAS)


def named(figures: list[Figure]) -> dict[str, float]:
    assert all(figure.value > 0 for figure in figures)
    return {figure.name: figure.value for figure in figures}


def test_memory_and_kafka_are_measured_side_by_side(options, bundle: Bundle) -> None:
    found = named(list(bench_transport(options, bundle)))
    assert found["a record, in all that follows"] == record_bytes(bundle)
    for bus in ("memory", "Kafka"):
        shares = [found[f"{bus}: record to alert p{share}"] for share in (50, 95, 99)]
        assert shares == sorted(shares)
        assert f"{bus}: encoder and grounding" in found


def test_workers_are_measured_as_processes_of_one_group(options, bundle: Bundle) -> None:
    found = named(list(bench_workers(options, bundle)))
    assert list(found) == [f"Kafka: grounding, workers: {count}" for count in COUNTS]


def test_every_compression_is_measured(options, bundle: Bundle) -> None:
    found = named(list(bench_compression(options, bundle)))
    for compression in ("none", "gzip", "lz4", "zstd"):
        assert f"compression {compression}: written" in found
        assert f"compression {compression}: read" in found


def test_drawn_embeddings_are_clips_of_cameras_in_turn(bundle: Bundle) -> None:
    drawn = [unpack_embedding(one.value or b"") for one in drawn_embeddings(bundle, 6, CAMERAS)]
    assert [(one.camera_id, one.index) for one in drawn] == [
        *((f"camera-{number}", 0) for number in range(CAMERAS)),
        ("camera-0", 1),
        ("camera-1", 1),
    ]


@pytest.fixture
def java(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], JavaTools]:
    """Kafka's tools, with a shell script for `java`."""

    def make(script: str) -> JavaTools:
        program = tmp_path / "java"
        program.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
        return JavaTools(tmp_path, records=500)

    return make


def told(tools: JavaTools) -> dict[str, float]:
    return named(list(tools.figures(KafkaOptions(bootstrap_servers=("localhost:1",)), 3000)))


def test_records_are_of_one_size_in_all_of_it(
    options, bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is drawn for latency is as long as the embeddings that follow."""
    sent: list[int] = []
    monkeypatch.setattr(
        transport, "_latencies", lambda bus, options, size: sent.append(size) or [1]
    )
    monkeypatch.setattr(transport, "_throughput", lambda *_: 1.0)
    list(bench_transport(options, bundle))
    drawn = {len(one.value or b"") for one in drawn_embeddings(bundle, 6, CAMERAS)}
    assert drawn == set(sent) == {record_bytes(bundle)}


def test_the_last_rate_that_kafkas_tools_tell_counts(java) -> None:
    produced = "\n".join(PRODUCED.format(rate=rate) for rate in (10.0, 1000.5))
    script = f"""case "$*" in
        *ProducerPerformance*) echo "{produced}" ;;
        *ConsumerPerformance*) echo "{CONSUMED}" ;;
    esac"""
    assert told(java(script)) == {
        "Kafka's ProducerPerformance, acks=all": 1000.5,
        "Kafka's ConsumerPerformance": 26000.5,
    }


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("echo no main class >&2; exit 1", "Kafka's TopicCommand failed: no main class"),
        ("echo nothing", "ProducerPerformance told no rate: nothing"),
    ],
)
def test_tools_that_fail_are_told(java, script: str, said: str) -> None:
    with pytest.raises(BenchError, match=said):
        told(java(script))


def test_no_java(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BenchError, match="could not be run"):
        told(JavaTools(tmp_path))


def test_no_broker_named() -> None:
    done = watchword("bench", "pipeline", "--bus", "kafka")
    assert done.code == 2
    assert "name a broker with --bootstrap-servers HOST:PORT" in done.err
