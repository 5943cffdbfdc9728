"""Clips and texts side by side: the tiny towers of models.py, and workers that misbehave."""

import threading
import time
from threading import Event

import pytest
from prometheus_client import REGISTRY

from encoder.bundle import Bundle
from encoder.config import EncoderConfig
from encoder.part import EncoderPart, build
from encoder.record import unpack_embedding
from encoder.text_features_record import unpack_text_features
from streamer.bus import CLIPS, EMBEDDINGS, QUERIES, QUERY_FEATURES, Message
from streamer.clip import Clip
from streamer.memory_bus import MemoryBus
from streamer.record import pack_clip
from tests.encoder.models import random_clips

WAIT = 20.0


def start(part: EncoderPart, stop: Event) -> threading.Thread:
    thread = threading.Thread(target=part.run, args=(stop,))
    thread.start()
    return thread


def wait_until_ready(part: EncoderPart) -> None:
    deadline, pause = time.monotonic() + WAIT, Event()
    while not part.ready:
        assert time.monotonic() < deadline
        pause.wait(0.005)


def publish_clip(bus: MemoryBus, index: int) -> None:
    at = 100.0 + 2 * index
    clip = Clip("door", 100_000, index, at, at + 2, at + 2, random_clips(1, index)[0], "arrival")
    bus.publish(Message(CLIPS.name, "door", pack_clip(clip)))


def test_clips_and_texts_are_encoded_until_the_clips_end(bundle: Bundle) -> None:
    bus = MemoryBus()
    embeddings, features = bus.subscribe(EMBEDDINGS.name), bus.subscribe(QUERY_FEATURES.name)
    part = build(EncoderConfig(wait_seconds=0.0), bundle, bus)
    assert part.name == "encoder"
    assert not part.ready
    thread = start(part, Event())
    bus.publish(Message(QUERIES.name, "q1", b'{"query_id": "q1", "text": "a car on the road"}'))
    (record,) = features.poll(WAIT)
    assert unpack_text_features(record.value or b"").texts == ("a car on the road",)
    bus.publish(Message(QUERIES.name, "q2", b'{"query_id": "q2", "text": "a person falls"}'))
    features.poll(WAIT)
    wait_until_ready(part)
    publish_clip(bus, 0)
    bus.finish(CLIPS.name)
    (embedding,) = embeddings.poll(WAIT)
    assert unpack_embedding(embedding.value or b"").space_id == bundle.space.id
    thread.join(WAIT)
    assert not thread.is_alive()
    embeddings.poll(0.0)
    assert embeddings.finished
    bus.close()


def test_it_tells_which_bundle_is_in_use(bundle: Bundle) -> None:
    build(EncoderConfig(), bundle, MemoryBus())
    labels = {"name": "tiny", "version": "1", "space": bundle.space.id}
    assert REGISTRY.get_sample_value("watchword_bundle_info", labels) == 1


def test_a_new_query_does_not_wait_behind_clips(bundle: Bundle) -> None:
    bus = MemoryBus()
    part = build(EncoderConfig(wait_seconds=0.0), bundle, bus)
    features = bus.subscribe(QUERY_FEATURES.name)
    stop = Event()
    held, entered = Event(), Event()

    def hold(clip_stop: Event) -> None:
        entered.set()
        held.wait(WAIT)

    part._clips.run = hold  # type: ignore[method-assign]
    thread = start(part, stop)
    assert entered.wait(WAIT)
    bus.publish(Message(QUERIES.name, "q1", b'{"query_id": "q1", "text": "a car"}'))
    assert features.poll(WAIT)
    held.set()
    thread.join(WAIT)
    bus.close()


def test_stop_ends_both_at_once_and_lets_whoever_reads_here_end_too(bundle: Bundle) -> None:
    bus = MemoryBus()
    embeddings = bus.subscribe(EMBEDDINGS.name)
    stop = Event()
    thread = start(build(EncoderConfig(), bundle, bus), stop)
    stop.set()
    thread.join(WAIT)
    assert not thread.is_alive()
    embeddings.poll(0.0)
    assert embeddings.finished
    bus.close()


class Idle:
    def __init__(self, is_so: bool = False) -> None:
        self.ready = self.settled = is_so

    def run(self, stop: Event) -> None:
        assert stop.wait(WAIT), "nobody told it to stop"


class Broken(Idle):
    def run(self, stop: Event) -> None:
        raise MemoryError("no room")


@pytest.mark.parametrize("clips", [True, False])
@pytest.mark.parametrize("texts", [True, False])
def test_it_is_ready_when_both_are(clips: bool, texts: bool) -> None:
    part = EncoderPart(Idle(clips), Idle(texts))  # type: ignore[arg-type]
    assert part.ready == (clips and texts)


@pytest.mark.parametrize(("clips", "texts"), [(Broken(), Idle()), (Idle(), Broken())])
def test_what_one_thread_raises_ends_the_other_and_is_raised(clips: Idle, texts: Idle) -> None:
    with pytest.raises(MemoryError, match="no room"):
        EncoderPart(clips, texts).run(Event())  # type: ignore[arg-type]
