"""Query records in, text features out, on a real bus with a fake text tower."""

import threading
from collections.abc import Iterator, Sequence

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from encoder.embedding import TextFeatures
from encoder.errors import EngineError, TextError
from encoder.space import EmbeddingSpace
from encoder.text_features_record import QueryFeatures, unpack_text_features
from encoder.text_worker import MAX_RECORDS, TextFeaturesWorker
from streamer.bus import DEAD_LETTERS, QUERIES, QUERY_FEATURES, Message
from streamer.memory_bus import MemoryBus
from tests.encoder.models import SPACE

WAIT = 60.0


class Lengths:
    """A text's pooled vector says how long it is; a text without letters is refused."""

    space: EmbeddingSpace = SPACE

    def __init__(self) -> None:
        self.calls: list[list[str]] = []

    def encode(self, texts: Sequence[str]) -> list[TextFeatures]:
        self.calls.append(list(texts))
        if wordless := [text for text in texts if not text.strip()]:
            raise TextError(f"the text {wordless[0]!r} has no words")
        pooled = [np.full(SPACE.dims, len(text), np.float32) for text in texts]
        return [
            TextFeatures(text, SPACE.id, row, row[None])
            for text, row in zip(texts, pooled, strict=True)
        ]

    @property
    def texts(self) -> list[str]:
        return [text for call in self.calls for text in call]


class Running:
    """A worker in its thread, and a reader of what it says."""

    def __init__(self, bus: MemoryBus) -> None:
        self.bus, self.encoder = bus, Lengths()
        self.worker = TextFeaturesWorker(bus, self.encoder)
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self.worker.run, args=(self.stop,))
        self.reader = bus.subscribe(QUERY_FEATURES.name)

    def start(self) -> None:
        self.thread.start()

    def say(self, query_id: str, text: str | None, version: int = 1, **fields: object) -> None:
        record = {"query_id": query_id, "text": text, "version": version} | fields
        value = None if text is None else msgspec.json.encode(record)
        self.bus.publish(Message(QUERIES.name, query_id, value))

    def hear(self, count: int = 1) -> list[tuple[str, QueryFeatures | None]]:
        """The next `count` things said, by query."""
        heard: list[tuple[str, QueryFeatures | None]] = []
        while len(heard) < count:
            records = self.reader.poll(WAIT, count - len(heard))
            assert records, f"only {heard} after {WAIT} s"
            heard += [
                (one.key, None if one.value is None else unpack_text_features(one.value))
                for one in records
            ]
        return heard

    def end(self) -> None:
        self.stop.set()
        self.bus.close()
        self.thread.join(WAIT)
        assert not self.thread.is_alive()


@pytest.fixture
def running() -> Iterator[Running]:
    made = Running(MemoryBus())
    yield made
    if made.thread.ident is not None:
        made.end()


def test_a_query_gets_features_of_its_text_and_negatives(running: Running) -> None:
    running.start()
    running.say("q1", "a car", version=4, negatives=["a bus", "tram"])
    ((key, features),) = running.hear()
    assert features is not None
    assert (key, features.query_id, features.version) == ("q1", "q1", 4)
    assert features.space_id == SPACE.id
    assert features.texts == ("a car", "a bus", "tram")
    assert [one.pooled[0] for one in features.negatives] == [5, 4]


def test_a_version_is_encoded_once_whatever_else_changes(running: Running) -> None:
    running.start()
    running.say("q1", "a car", severity="info")
    running.hear()
    running.say("q1", "a car", severity="critical", revision=2)
    running.say("q2", "a bus")
    assert [key for key, _ in running.hear()] == ["q2"]
    assert running.encoder.texts == ["a car", "a bus"]


def test_a_new_version_is_encoded_anew(running: Running) -> None:
    running.start()
    running.say("q1", "a car")
    running.hear()
    running.say("q1", "a truck", version=2)
    ((_, features),) = running.hear()
    assert features is not None
    assert (features.version, features.texts) == (2, ("a truck",))


def test_a_removed_query_takes_its_features_along(running: Running) -> None:
    running.start()
    running.say("q1", "a car")
    running.hear()
    running.say("q1", None)
    assert running.hear() == [("q1", None)]
    running.say("q1", "a car")  # declared again: version 1 begins anew
    ((_, features),) = running.hear()
    assert features is not None
    assert running.encoder.texts == ["a car", "a car"]


def test_a_text_that_cannot_be_encoded_has_a_problem_and_harms_no_other(running: Running) -> None:
    running.say("q1", "a car")
    running.say("q2", " ")
    running.say("q3", "a bus", negatives=[""])
    running.say("q4", "a tram")
    running.start()
    heard = dict(running.hear(4))
    problems = {key: one.problem for key, one in heard.items() if one is not None}
    assert problems["q1"] == problems["q4"] == ""
    assert problems["q2"] == "the text ' ' has no words"
    assert problems["q3"] == "the text '' has no words"
    running.say("q2", "a dog", version=2)
    ((_, mended),) = running.hear()
    assert mended is not None
    assert (mended.version, mended.problem) == (2, "")


@pytest.mark.parametrize("count", [1, 2])
def test_a_card_that_fails_is_no_querys_problem(running: Running, count: int) -> None:
    def fail(_texts: Sequence[str]) -> list[TextFeatures]:
        raise EngineError("the card fails")

    running.encoder.encode = fail  # type: ignore[method-assign]
    for number in range(count):
        running.say(f"q{number}", "a car")
    with pytest.raises(EngineError):
        running.worker.run(running.stop)
    assert not running.reader.poll(0.0)


def test_what_is_no_query_becomes_a_dead_letter(running: Running) -> None:
    letters = running.bus.subscribe(DEAD_LETTERS.name)
    running.bus.publish(Message(QUERIES.name, "q1", b"nonsense"))
    running.say("q2", "a bus")
    running.start()
    assert [key for key, _ in running.hear()] == ["q2"]
    (letter,) = letters.poll(WAIT)
    assert (letter.key, letter.value) == ("q1", b"nonsense")
    assert dict(letter.headers)["error"] == b"RecordError"


def test_what_lies_there_at_the_start_is_encoded_together(running: Running) -> None:
    count = 3 * MAX_RECORDS
    for number in range(count):
        running.say(f"q{number}", f"text {number}")
    assert not running.worker.ready
    running.start()
    assert {key for key, _ in running.hear(count)} == {f"q{n}" for n in range(count)}
    assert len(running.encoder.calls) == 3
    running.say("last", "the last")  # by now the rest was taken in
    running.hear()
    assert running.worker.ready


def test_without_queries_it_is_ready_at_once(running: Running) -> None:
    running.start()
    running.say("q1", "a car")
    running.hear()
    running.say("q2", "a car")
    running.hear()
    assert running.worker.ready


@pytest.mark.parametrize("end", ["stop", "finish", "close"])
def test_it_ends_on_stop_and_with_its_topic(running: Running, end: str) -> None:
    running.start()
    if end == "stop":
        running.stop.set()
    elif end == "finish":
        running.bus.finish(QUERIES.name)
    else:
        running.bus.close()
    running.thread.join(WAIT)
    assert not running.thread.is_alive()


said = st.tuples(
    st.sampled_from(["q1", "q2", "q3"]), st.sampled_from(["a", "bb", None]), st.integers(1, 3)
)


@settings(max_examples=30)
@given(st.lists(st.lists(said, max_size=6), max_size=5))
def test_in_the_end_exactly_the_queries_there_are_have_their_features(bursts) -> None:
    bus = MemoryBus()
    made = Running(bus)
    wanted: dict[str, tuple[int, str]] = {}
    subscription = bus.subscribe(QUERIES.name)
    known: dict[str, QueryFeatures | None] = {}
    for burst in bursts:
        for key, text, version in burst:
            made.say(key, text, version)
            wanted.pop(key, None)
            if text is not None:
                wanted[key] = (version, text)
        for message in made.worker._answers(subscription.poll(0.0)):
            known[message.key] = message.value and unpack_text_features(message.value)
    features = {key: one for key, one in known.items() if one is not None}
    assert {key: (one.version, one.texts[0]) for key, one in features.items()} == wanted
    bus.close()
