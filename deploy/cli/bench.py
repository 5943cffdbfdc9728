"""`watchword bench`: the speed and memory of the stages on this machine."""

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import msgspec
import typer

from deploy.bench.compression import bench_compression
from deploy.bench.decode import bench_decode
from deploy.bench.fan_out import FanOutOptions, bench_fan_out
from deploy.bench.figure import Figure, figure_table
from deploy.bench.java_tools import JavaTools
from deploy.bench.live import LiveOptions, bench_capacity, bench_live
from deploy.bench.machine import describe_machine
from deploy.bench.many_cameras import bench_many_cameras
from deploy.bench.pipeline import bench_pipeline
from deploy.bench.runtimes import bench_runtimes
from deploy.bench.scene import SceneOptions, write_scene
from deploy.bench.soak import SoakOptions, bench_soak
from deploy.bench.transport import TransportOptions, bench_transport, record_bytes
from deploy.bench.workers import bench_workers
from deploy.cli.bench_encode import encode
from deploy.cli.output import plain_console
from deploy.errors import BenchError, UsageError
from deploy.sample_clip import sample_clip
from encoder.bundle import DEFAULT_BUNDLE, load_bundle
from streamer.clip import ClipFormat
from streamer.config import ReadOptions
from streamer.kafka_options import KafkaOptions

SCENE = SceneOptions()
FAN_OUT = FanOutOptions()
LIVE = LiveOptions()
SOAK = SoakOptions()


class Bus(StrEnum):
    """Where the records go."""

    MEMORY = "memory"
    KAFKA = "kafka"


SourceOption = Annotated[
    Path | None,
    typer.Option("--source", metavar="FILE", help="Measure on this file, not on a drawn scene."),
]
BundleOption = Annotated[
    str, typer.Option("--bundle", metavar="NAME|DIR", help="The models to measure.")
]
RepeatsOption = Annotated[
    int, typer.Option("--repeats", min=1, help="How often each is run; the median is told.")
]
SecondsOption = Annotated[
    float, typer.Option("--seconds", min=2.0, help="Length of the drawn scene.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    bench = typer.Typer(no_args_is_help=True, help="Measure this machine.")
    for command in (decode, encode, ground, pipeline, live, capacity, soak, fan_out):
        bench.command()(command)
    app.add_typer(bench, name="bench")


def decode(
    source: SourceOption = None,
    bundle: BundleOption = DEFAULT_BUNDLE,
    repeats: RepeatsOption = 3,
    seconds: SecondsOption = SCENE.seconds,
    as_json: JsonOption = False,
) -> None:
    """Decode a file, and without --source 1080p cameras in every way, beside ffmpeg."""

    def figures() -> Iterator[Figure]:
        with _measured(source, bundle, seconds) as file:
            yield from bench_decode(file.path, file.clip_format, repeats)
        if source is None:
            with TemporaryDirectory(prefix="watchword-bench-") as folder:
                yield from bench_many_cameras(Path(folder), file.clip_format, repeats)

    _tell(figures(), as_json=as_json)


def ground(bundle: BundleOption = DEFAULT_BUNDLE, as_json: JsonOption = False) -> None:
    """Run SG-DETR in ONNX Runtime and in PyTorch, at batch 8."""
    _tell(bench_runtimes(load_bundle(bundle)), as_json=as_json)


def pipeline(
    source: SourceOption = None,
    bundle: BundleOption = DEFAULT_BUNDLE,
    repeats: RepeatsOption = 3,
    seconds: SecondsOption = SCENE.seconds,
    bus: Annotated[
        Bus,
        typer.Option("--bus", help="kafka: what the way of a record costs there, beside memory."),
    ] = Bus.MEMORY,
    servers: Annotated[
        str, typer.Option("--bootstrap-servers", metavar="HOST:PORT,...", help="For --bus kafka.")
    ] = "",
    kafka_libs: Annotated[
        Path | None,
        typer.Option(
            "--kafka-libs", metavar="DIR", help="Kafka's jars: measure its own tools as well."
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Decode, cut, encode and ground a 768x432 file with 1 and 20 queries; time and memory."""
    if bus is Bus.KAFKA:
        _tell(_transport_figures(servers, kafka_libs, bundle), as_json=as_json)
        return

    def figures() -> Iterator[Figure]:
        with _measured(source, bundle, seconds) as file:
            yield from bench_decode(file.path, file.clip_format, repeats)
            yield from bench_pipeline(file.path, file.seconds, bundle, repeats)
        # PyTorch last: what it loads into this process must not weigh on the runs before
        yield from bench_runtimes(load_bundle(bundle))

    _tell(figures(), as_json=as_json)


def _transport_figures(servers: str, kafka_libs: Path | None, bundle: str) -> Iterator[Figure]:
    named = tuple(server.strip() for server in servers.split(",") if server.strip())
    if not named:
        raise UsageError("--bus kafka: name a broker with --bootstrap-servers HOST:PORT")
    plain_console(stderr=True).print(describe_machine())
    logging.getLogger("streamer.kafka_log").setLevel(logging.ERROR)  # of topics just made
    kafka, loaded = KafkaOptions(bootstrap_servers=named), load_bundle(bundle)
    options = TransportOptions(kafka)
    yield from bench_transport(options, loaded)
    yield from bench_workers(options, loaded)
    yield from bench_compression(options, loaded)
    if kafka_libs is not None:
        yield from JavaTools(kafka_libs).figures(kafka, record_bytes(loaded))


QueriesOption = Annotated[
    int, typer.Option("--queries", min=1, max=20, help="How many standing queries.")
]


def live(
    cameras: Annotated[int, typer.Option("--cameras", min=1, help="Live cameras.")] = LIVE.cameras,
    queries: QueriesOption = LIVE.queries,
    subscribers: Annotated[
        int, typer.Option("--subscribers", min=1, help="Webhooks that are told of every alert.")
    ] = LIVE.subscribers,
    seconds: Annotated[
        float, typer.Option("--seconds", min=60.0, help="For how long.")
    ] = LIVE.seconds,
    bundle: BundleOption = DEFAULT_BUNDLE,
    as_json: JsonOption = False,
) -> None:
    """Run `serve` on live cameras (640x360, 25 fps): loss, alert latency, memory, processor."""
    plain_console(stderr=True).print(describe_machine())
    options = LiveOptions(cameras, queries, subscribers, seconds, bundle)
    _tell(bench_live(options, sample_clip()), as_json=as_json)


def capacity(
    queries: QueriesOption = LIVE.queries,
    step_seconds: Annotated[
        float, typer.Option("--step-seconds", min=20.0, help="From one camera to the next.")
    ] = 60.0,
    bundle: BundleOption = DEFAULT_BUNDLE,
    as_json: JsonOption = False,
) -> None:
    """Add live cameras one by one until `serve` drops clips: how many this machine carries."""
    plain_console(stderr=True).print(describe_machine())
    options = LiveOptions(queries=queries, bundle=bundle)
    _tell(bench_capacity(options, sample_clip(), step_seconds), as_json=as_json)


def soak(
    cameras: Annotated[int, typer.Option("--cameras", min=1, help="Live cameras.")] = SOAK.cameras,
    seconds: Annotated[
        float, typer.Option("--seconds", min=30.0, help="For how long.")
    ] = SOAK.seconds,
    fault_seconds: Annotated[
        float, typer.Option("--fault-seconds", min=0.5, help="From one fault to the next.")
    ] = SOAK.fault_seconds,
    bundle: BundleOption = DEFAULT_BUNDLE,
    as_json: JsonOption = False,
) -> None:
    """Read cameras that break every few seconds: memory, and whether a second goes untold."""
    plain_console(stderr=True).print(describe_machine())
    options = SoakOptions(cameras, seconds, fault_seconds)
    _tell(bench_soak(options, load_bundle(bundle).space.clip_format), as_json=as_json)


def fan_out(
    followers: Annotated[
        int, typer.Option("--followers", min=1, help="How many follow the alert stream.")
    ] = FAN_OUT.followers,
    rate: Annotated[float, typer.Option("--rate", min=0.1, help="Alerts a second.")] = FAN_OUT.rate,
    seconds: Annotated[
        float, typer.Option("--seconds", min=1.0, help="For how long.")
    ] = FAN_OUT.seconds,
    burst: Annotated[
        int, typer.Option("--burst", min=0, max=256, help="Alerts then written at once.")
    ] = FAN_OUT.burst,
    as_json: JsonOption = False,
) -> None:
    """Tell alerts to many followers of the stream: delay, processor time and memory."""
    plain_console(stderr=True).print(describe_machine())
    _tell(bench_fan_out(FanOutOptions(followers, rate, seconds, burst)), as_json=as_json)


@dataclass(frozen=True, slots=True)
class _File:
    path: Path
    seconds: float
    clip_format: ClipFormat


@contextmanager
def _measured(source: Path | None, bundle: str, seconds: float) -> Iterator[_File]:
    """The file to measure on; a drawn scene is deleted afterwards."""
    from streamer.source import probe  # PyAV: not needed to parse a command line

    clip_format = load_bundle(bundle).space.clip_format
    with TemporaryDirectory(prefix="watchword-bench-") as folder:
        path = source or Path(folder) / "scene.mp4"
        if source is None:
            write_scene(path, SceneOptions(seconds=seconds))
        facts = probe(str(path), ReadOptions("bench", clip_format))
        if facts.seconds is None:
            raise BenchError(f"{path} does not say how long it is: name another file")
        size, rate = f"{facts.width}x{facts.height}", f"{facts.fps or 0:.3g} fps"
        about = f"{path.name}: {facts.codec}, {size}, {rate}, {facts.seconds:.0f} s"
        plain_console(stderr=True).print(f"{describe_machine()}\n{about}")
        yield _File(path, facts.seconds, clip_format)


def _tell(figures: Iterable[Figure], *, as_json: bool) -> None:
    if as_json:
        for figure in figures:
            typer.echo(msgspec.json.encode(figure.as_json()).decode())
    else:
        plain_console().print(figure_table(list(figures)))
