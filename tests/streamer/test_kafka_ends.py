"""Where a topic ends, as a reader learns it."""

import pytest

from streamer import kafka_ends
from streamer.bus import Partitions
from streamer.kafka_ends import TopicEnds


class Topic:
    """Stands for the cluster: one topic that grows, and what was asked of it."""

    def __init__(self) -> None:
        self.end = 5
        self.finished = False
        self.asked: list[Partitions] = []

    def ends(self, topic: str, partitions: Partitions) -> dict[int, int]:
        self.asked.append(partitions)
        return dict.fromkeys(partitions, self.end)

    def is_written(self, topic: str) -> bool:
        return self.finished

    def remove_member(self, group: str, member: str) -> None:
        raise AssertionError("nobody asked for it")


@pytest.fixture
def topic() -> Topic:
    return Topic()


@pytest.fixture
def ends(topic: Topic) -> TopicEnds:
    return TopicEnds(topic, "t")


def test_the_furthest_end_counts(topic: Topic, ends: TopicEnds):
    assert ends.furthest(0) == 0
    ends.gain({0: 3})
    ends.gain({1: 9})
    ends.measure_newest(frozenset({0, 1}))
    assert (ends.furthest(0), ends.furthest(1)) == (5, 9)
    assert ends.gained == {0: 3, 1: 9}


def test_the_newest_end_is_looked_at_now_and_then(
    topic: Topic, ends: TopicEnds, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(kafka_ends, "MEASURE_SECONDS", 3600.0)
    for _ in range(3):
        ends.measure_newest(frozenset({0}))
    assert len(topic.asked) == 1


def test_what_went_elsewhere_is_measured_no_more(
    topic: Topic, ends: TopicEnds, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(kafka_ends, "MEASURE_SECONDS", 0.0)
    ends.measure_newest(frozenset({0, 1}))
    ends.measure_newest(frozenset({1}))
    assert ends.newest == {1: 5}


def test_the_final_end_is_looked_at_once_a_partition(topic: Topic, ends: TopicEnds):
    assert not ends.measure_final(frozenset({0}))
    topic.finished = True
    assert ends.measure_final(frozenset({0}))
    topic.end = 8
    assert not ends.measure_final(frozenset({0}))
    assert ends.measure_final(frozenset({0, 1}))
    assert ends.final == {0: 5, 1: 8}
    assert topic.asked == [frozenset({0}), frozenset({1})]
