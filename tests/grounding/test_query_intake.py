import threading
from collections.abc import Iterator

import pytest
from prometheus_client import REGISTRY

from grounding.query_book import QueryBook
from grounding.query_intake import FORMER_SECONDS, MAX_RECORDS, QueryIntake
from grounding.query_record import Sensitivity
from streamer.bus import DEAD_LETTERS, QUERIES, QUERY_FEATURES, Message
from tests.grounding.feed import Feed
from tests.grounding.worlds import SPACE, T0, calibration

NEVER = threading.Event()


@pytest.fixture
def feed() -> Iterator[Feed]:
    made = Feed()
    yield made
    made.end()


def intake(feed: Feed) -> QueryIntake:
    return QueryIntake(feed.bus, QueryBook(calibration(), SPACE.id), lambda: feed.now)


def watched(made: QueryIntake) -> list[tuple[str, int]] | None:
    changes = made.changes()
    return None if changes is None else [(one.query_id, one.version) for one in changes]


def standing(state: str) -> float | None:
    return REGISTRY.get_sample_value("watchword_standing_queries", {"state": state})


def test_all_that_lies_there_is_read_before_the_first_window(feed: Feed) -> None:
    count = MAX_RECORDS + 20
    for number in range(count):
        feed.arm(f"q{number:04}")
    made = intake(feed)
    made.read_whole(NEVER)
    assert watched(made) == [(f"q{number:04}", 1) for number in range(count)]
    assert watched(made) is None


def test_changes_come_as_they_are_said(feed: Feed) -> None:
    made = intake(feed)
    made.read_whole(NEVER)
    assert watched(made) == []
    feed.arm("q1")
    assert watched(made) == [("q1", 1)]
    feed.arm("q1", version=2, effective_at=T0 + 5)
    assert watched(made) == [("q1", 1), ("q1", 2)]
    feed.now = T0 + 5 + FORMER_SECONDS
    assert watched(made) == [("q1", 2)]
    feed.remove("q1")
    assert watched(made) == []


def test_what_is_no_query_and_no_features_becomes_a_dead_letter(feed: Feed) -> None:
    letters = feed.bus.subscribe(DEAD_LETTERS.name)
    feed.bus.publish(Message(QUERIES.name, "q1", b"nonsense"))
    feed.bus.publish(Message(QUERY_FEATURES.name, "q2", b"nonsense"))
    feed.arm("q3")
    made = intake(feed)
    made.read_whole(NEVER)
    assert watched(made) == [("q3", 1)]
    errors = {letter.key: dict(letter.headers)["error"] for letter in letters.poll(5)}
    assert errors == {"q1": b"RecordError", "q2": b"FeaturesRecordError"}


def test_queries_are_counted_by_what_became_of_them(
    feed: Feed, caplog: pytest.LogCaptureFixture
) -> None:
    made = intake(feed)
    feed.arm("q1")
    feed.say_query("q2")
    feed.arm("q3", sensitivity=Sensitivity(threshold=3.0))
    feed.arm("q4", wanted="draft")
    assert watched(made) == [("q1", 1)]
    assert [standing(state) for state in ("watched", "waiting", "refused")] == [1, 1, 1]
    feed.say_features("q2")
    made.changes()
    assert [standing(state) for state in ("watched", "waiting", "refused")] == [2, 0, 1]
    assert caplog.text.count("q3 is not watched for") == 1


def test_a_stop_ends_the_first_reading(feed: Feed) -> None:
    feed.stop.set()
    intake(feed).read_whole(feed.stop)


def test_leaving_twice_is_leaving_once(feed: Feed) -> None:
    made = intake(feed)
    made.close()
    made.close()
