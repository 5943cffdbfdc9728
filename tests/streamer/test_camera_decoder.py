"""What a camera tells of where its pictures are decoded."""

import logging
import threading
from collections.abc import Iterator

import pytest
from prometheus_client import CollectorRegistry

from streamer.camera import Camera
from streamer.config import BackOffSettings, CameraSettings, ReadOptions
from streamer.errors import SourceLostError
from streamer.frame import Frame
from streamer.memory_bus import MemoryBus
from streamer.metrics import StreamerMetrics
from streamer.source_facts import DecodedOn, ReadTally
from tests.streamer.media import START, frame_at
from tests.streamer.script import FORMAT

QUICK = BackOffSettings(first_seconds=0.001, longest_seconds=0.002)
YARD = CameraSettings("rtsp://yard/live", ReadOptions("yard", FORMAT), back_off=QUICK)


class Connections:
    """Each is decoded as it says, the last one until the camera is stopped."""

    def __init__(self, stop: threading.Event, *plan: tuple[DecodedOn, str]) -> None:
        self._stop = stop
        self._plan = list(plan)
        self.found: list[str] = []  # why the card was refused, as each connection finds it

    def __call__(
        self, source: str, options: ReadOptions, tally: ReadTally | None = None
    ) -> Iterator[Frame]:
        assert tally is not None
        self.found.append(tally.card_refusal)
        tally.decoder, why = self._plan.pop(0)
        if why:
            tally.refuse_card(why)
        for number in range(3):
            yield frame_at(START + len(self.found) * 60 + number, number, clock_source="arrival")
        if not self._plan:
            self._stop.set()
        raise SourceLostError("gone")


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


def info(registry: CollectorRegistry, decoder: str) -> float | None:
    labels = {"camera": "yard", "decoder": decoder}
    return registry.get_sample_value("watchword_stream_decoder_info", labels)


def run(registry: CollectorRegistry, *plan: tuple[DecodedOn, str]) -> tuple[Camera, Connections]:
    stop, bus = threading.Event(), MemoryBus()
    connections = Connections(stop, *plan)
    camera = Camera(YARD, bus, StreamerMetrics(registry), connections)
    camera.run(stop)
    bus.close()
    return camera, connections


def test_what_decodes_a_camera_is_told(registry: CollectorRegistry) -> None:
    run(registry, ("cuda", ""))
    assert (info(registry, "cuda"), info(registry, "cpu")) == (1, None)


def test_a_camera_that_leaves_the_card_says_so_once(
    registry: CollectorRegistry, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        _, connections = run(registry, ("cuda", ""), ("cuda", "it would not"), ("cpu", ""))
    assert connections.found == ["", "", "it would not"]
    assert (info(registry, "cuda"), info(registry, "cpu")) == (None, 1)
    name = "watchword_stream_card_refusals_total"
    assert registry.get_sample_value(name, {"camera": "yard"}) == 1
    said = [each.getMessage() for each in caplog.records if "processor" in each.getMessage()]
    assert said == ["camera yard: decoded on the processor: it would not"]


def test_a_changed_camera_may_try_the_card_again(registry: CollectorRegistry) -> None:
    camera, _ = run(registry, ("cuda", "it would not"))
    assert camera.tally.card_refusal == "it would not"
    camera.change(YARD)
    assert camera.tally.card_refusal == ""


def test_nothing_is_left_of_a_camera_that_is_forgotten(registry: CollectorRegistry) -> None:
    metrics = StreamerMetrics(registry)
    metrics.tell_decoder("yard", "cuda")
    metrics.card_refusals.labels("yard").inc()
    metrics.forget("yard")
    assert info(registry, "cuda") is None
    name = "watchword_stream_card_refusals_total"
    assert registry.get_sample_value(name, {"camera": "yard"}) is None
