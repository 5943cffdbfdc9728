"""The worker against a scripted bus: what it publishes, when, and what it never loses."""

from dataclasses import replace
from threading import Event, Thread

import numpy as np
import pytest
from prometheus_client import REGISTRY

from encoder.config import EncoderConfig
from encoder.errors import CardMemoryError, EngineError
from encoder.record import unpack_embedding
from encoder.worker import EncoderWorker
from streamer.bus import CLIPS, DEAD_LETTERS, EMBEDDINGS, Message
from streamer.clip import Clip
from streamer.memory_bus import MemoryBus
from streamer.record import pack_clip
from tests.encoder.models import SPACE, random_clips
from tests.encoder.scripted import MeanColour, Scripted, clip, record, run


@pytest.fixture(autouse=True, params=[False, True], ids=["in turns", "overlapped"])
def overlaps(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every promise holds whether batches are gathered and encoded in turns or at once."""
    monkeypatch.setattr(MeanColour, "overlaps", request.param)


def dead_letters() -> float:
    return REGISTRY.get_sample_value("watchword_dead_letters_total", {"stage": "encoder"}) or 0


def test_every_clip_becomes_its_embedding() -> None:
    clips = [clip(camera, index) for index in range(3) for camera in ("door", "gate")]
    bus = Scripted([[record(i, pack_clip(each), each.camera_id) for i, each in enumerate(clips)]])
    run(bus, MeanColour())
    read = [unpack_embedding(message.value) for message in bus.published]
    assert [(each.camera_id, each.index) for each in read] == [
        (each.camera_id, each.index) for each in clips
    ]
    for each, made, message in zip(clips, read, bus.published, strict=True):
        assert (message.topic, message.key) == (EMBEDDINGS.name, each.camera_id)
        names = ("session", "start", "end", "seen_until", "clock_source")
        assert [getattr(made, name) for name in names] == [getattr(each, name) for name in names]
        assert made.space_id == SPACE.id
        np.testing.assert_allclose(made.vector, MeanColour().encode(each.frames[None])[0])
    assert bus.ended == [EMBEDDINGS.name]
    assert bus.left


def test_batches_fill_across_cameras() -> None:
    values = [record(i, pack_clip(clip(f"c{i}", 0, seed=i)), f"c{i}") for i in range(10)]
    encoder, bus = MeanColour(), Scripted([values])
    run(bus, encoder)
    assert encoder.batches == [4, 4, 2]
    assert [len(commit) for commit in bus.commits] == [4, 4, 2]


def test_a_setting_overrides_the_devices_batch() -> None:
    values = [record(i, pack_clip(clip("door", i))) for i in range(5)]
    encoder = MeanColour()
    run(Scripted([values]), encoder, batch=2)
    assert encoder.batches == [2, 2, 1]


def test_a_clip_waits_for_others_only_so_long() -> None:
    one, two, three = ([record(i, pack_clip(clip("door", i)))] for i in range(3))
    encoder = MeanColour()
    bus = Scripted([one, two, [], three])
    run(bus, encoder, wait_seconds=0.5, poll_seconds=9.0)
    assert encoder.batches == [2, 1]
    assert bus.asked[0] == (9.0, 4)
    assert bus.asked[1:3] == [(0.5, 3), (0.5, 2)]
    assert bus.now == 0.5


def test_the_wait_counts_from_when_a_clip_was_produced() -> None:
    late, early = record(0, pack_clip(clip("door", 0))), record(1, pack_clip(clip("door", 1)))
    bus = Scripted([[replace(late, published=9.875)], [replace(early, published=9.75)], []])
    bus.now = 10.0
    encoder = MeanColour()
    run(bus, encoder, wait_seconds=0.5)
    assert [timeout for timeout, _ in bus.asked][1:3] == [0.375, 0.25]
    assert encoder.batches == [2]


def test_a_clip_that_waited_long_enough_waits_no_more() -> None:
    old = replace(record(0, pack_clip(clip("door", 0))), published=-60.0)
    encoder = MeanColour()
    run(Scripted([[old], [record(1, pack_clip(clip("door", 1)))]]), encoder, wait_seconds=0.5)
    assert encoder.batches == [1, 1]


def test_a_clip_from_a_clock_that_is_ahead_waits_no_longer_than_others() -> None:
    ahead = replace(record(0, pack_clip(clip("door", 0))), published=60.0)
    bus = Scripted([[ahead], [], [record(1, pack_clip(clip("door", 1)))]])
    run(bus, MeanColour(), wait_seconds=0.5)
    assert bus.asked[1] == (0.5, 3)
    assert bus.now == 0.5


def test_how_long_a_clip_took_is_measured_when_it_is_committed() -> None:
    def sample(suffix: str) -> float:
        return REGISTRY.get_sample_value(f"watchword_encode_latency_seconds_{suffix}") or 0

    before = sample("sum"), sample("count")
    bus = Scripted([[record(0, pack_clip(clip("door", 0))), record(1, b"?")]])
    bus.now = 0.5
    run(bus, MeanColour())
    assert (sample("sum") - before[0], sample("count") - before[1]) == (0.5, 1)


def test_batched_and_single_embeddings_are_the_same() -> None:
    values = [record(i, pack_clip(clip("door", i))) for i in range(7)]
    together, alone = Scripted([values]), Scripted([values])
    run(together, MeanColour())
    run(alone, MeanColour(), batch=1)
    assert together.published == alone.published


def test_half_precision_travels_when_asked_for() -> None:
    bus = Scripted([[record(0, pack_clip(clip("door", 0)))]])
    run(bus, MeanColour(), vector_type="f2")
    full = Scripted([[record(0, pack_clip(clip("door", 0)))]])
    run(full, MeanColour())
    assert len(bus.published[0].value) == len(full.published[0].value) - 2 * SPACE.dims


class Broken(MeanColour):
    """Its card fails at every batch, or memory is short."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error

    def encode(self, clips: np.ndarray) -> np.ndarray:
        self.batches.append(len(clips))
        raise self.error


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("error", [EngineError("the card fails"), CardMemoryError("no memory")])
def test_a_card_that_fails_puts_no_clip_aside(error: EngineError, count: int) -> None:
    before = dead_letters()
    encoder = Broken(error)
    bus = Scripted([[record(i, pack_clip(clip("door", i))) for i in range(count)]])
    with pytest.raises(type(error)):
        run(bus, encoder, attempts=2)
    assert encoder.batches == [count]  # not again, and not one by one
    assert bus.commits == []
    assert bus.left
    assert dead_letters() == before


def test_a_card_that_fails_while_a_batch_is_taken_apart_puts_no_clip_aside() -> None:
    """One clip was refused; by the time each is tried alone, the card has gone."""

    class Going(MeanColour):
        def encode(self, clips: np.ndarray) -> np.ndarray:
            if len(clips) == 1:
                raise EngineError("the card has gone")
            return super().encode(clips)

    bus = Scripted([[record(0, pack_clip(dull(0))), record(1, pack_clip(clip("door", 1)))]])
    with pytest.raises(EngineError):
        run(bus, Going())
    assert bus.commits == []


def dull(index: int) -> Clip:
    return Clip("door", 1, index, 0.0, 2.0, 2.0, np.zeros_like(random_clips(1)[0]), "file")


@pytest.mark.parametrize(
    ("bad", "error"),
    [
        (b"no clip", b"RecordError"),
        (None, b"RecordError"),
        (pack_clip(dull(1)), b"ClipError"),
    ],
)
def test_one_bad_record_is_dead_lettered_and_the_others_live(
    bad: bytes | None, error: bytes
) -> None:
    before = dead_letters()
    values = [pack_clip(clip("door", 0)), bad, pack_clip(clip("door", 2))]
    bus = Scripted([[record(10 + i, value) for i, value in enumerate(values)]])
    run(bus, MeanColour())
    first, dead, last = bus.published
    assert [unpack_embedding(each.value).index for each in (first, last)] == [0, 2]
    assert (dead.topic, dead.key, dead.value) == (DEAD_LETTERS.name, "door", bad)
    assert dict(dead.headers) == {
        "trace": b"1",
        "topic": CLIPS.name.encode(),
        "partition": b"3",
        "offset": b"11",
        "error": error,
        "attempt": b"2",
    }
    assert dead_letters() == before + 1


def test_a_bad_record_alone_in_its_batch_is_tried_twice() -> None:
    encoder, bus = MeanColour(), Scripted([[record(0, pack_clip(dull(0)))]])
    run(bus, encoder)
    assert encoder.batches == [1, 1]
    assert [message.topic for message in bus.published] == [DEAD_LETTERS.name]


def test_a_passing_fault_costs_nothing() -> None:
    values = [record(i, pack_clip(clip("door", i))) for i in range(3)]
    bus = Scripted([values])
    run(bus, MeanColour(failures=2))
    assert [unpack_embedding(each.value).index for each in bus.published] == [0, 1, 2]


def test_an_unexpected_fault_ends_the_worker_with_nothing_committed() -> None:
    class Broken(MeanColour):
        def encode(self, clips: np.ndarray) -> np.ndarray:
            raise MemoryError

    bus = Scripted([[record(0, pack_clip(clip("door", 0)))]])
    with pytest.raises(MemoryError):
        run(bus, Broken())
    assert bus.commits == []
    assert bus.ended == []
    assert bus.left


def test_it_ends_with_the_bus_and_on_stop() -> None:
    closing = Scripted([[record(0, pack_clip(clip("door", 0)))]], closes=True)
    run(closing, MeanColour(), batch=1)
    # What is in flight when the bus closes can no longer be committed: it is read again
    assert len(closing.published) == (not MeanColour.overlaps)
    assert closing.ended == []
    stop = Event()
    stop.set()
    idle = Scripted([])
    EncoderWorker(idle, MeanColour(), EncoderConfig()).run(stop)
    assert idle.asked == []
    assert idle.ended == [EMBEDDINGS.name]
    assert idle.left


def test_batches_and_stages_are_measured() -> None:
    def sample(name: str, **labels: str) -> float:
        return REGISTRY.get_sample_value(name, labels) or 0

    stages = ("unpack", "encode", "publish")
    before = [sample("watchword_encode_duration_seconds_count", stage=s) for s in stages]
    clips_before = sample("watchword_encode_batch_size_sum")
    values = [record(i, pack_clip(clip("door", i))) for i in range(6)]
    run(Scripted([values]), MeanColour())
    after = [sample("watchword_encode_duration_seconds_count", stage=s) for s in stages]
    assert [b - a for a, b in zip(before, after, strict=True)] == [2, 2, 2]
    assert sample("watchword_encode_batch_size_sum") == clips_before + 6


def test_on_the_memory_bus_from_clips_to_embeddings() -> None:
    bus = MemoryBus()
    reader = bus.subscribe(EMBEDDINGS.name, group="test")
    worker = EncoderWorker(bus, MeanColour(), EncoderConfig(wait_seconds=0.01))
    thread = Thread(target=worker.run, args=(Event(),))
    thread.start()
    for index in range(30):  # more than the topic holds: the publisher waits, nothing is lost
        bus.publish(Message(CLIPS.name, "door", pack_clip(clip("door", index))))
    bus.finish(CLIPS.name)
    seen: list[int] = []
    while not reader.finished:
        records = reader.poll(1.0)
        seen += [unpack_embedding(each.value).index for each in records]
        reader.commit()
    thread.join(10)
    assert not thread.is_alive()
    assert seen == list(range(30))
    bus.close()
