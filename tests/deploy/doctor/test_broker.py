"""What doctor says of the cluster; it makes and changes nothing there."""

import pytest

from deploy.doctor.broker import check_broker
from streamer import kafka_client
from streamer.bus import EMBEDDINGS, TOPICS
from streamer.errors import BusAccessError, BusError, BusUnreachableError
from streamer.kafka_options import KafkaOptions
from streamer.kafka_settings import NewTopic, TopicFacts
from streamer.kafka_topics import wanted_topics
from tests.kafka_broker import KafkaBroker

OPTIONS = KafkaOptions(bootstrap_servers=("broker:9092",), topic_prefix="north.")


class Cluster:
    """Stands for `kafka_client.Admin`: three brokers, and topics."""

    def __init__(self, options: KafkaOptions) -> None:
        self.options = options

    there: dict[str, NewTopic] = {}  # noqa: RUF012 - replaced by each test

    def brokers(self) -> int:
        return 3

    def topics(self, names: set[str]) -> dict[str, TopicFacts]:
        return {
            name: TopicFacts(topic.partitions, topic.config)
            for name, topic in self.there.items()
            if name in names
        }

    def close(self) -> None:
        pass


@pytest.fixture
def there(monkeypatch: pytest.MonkeyPatch) -> dict[str, NewTopic]:
    topics = wanted_topics(TOPICS, OPTIONS, 3)
    monkeypatch.setattr(Cluster, "there", topics)
    monkeypatch.setattr(kafka_client, "Admin", Cluster)
    return topics


def test_without_kafka_there_is_nothing_to_ask():
    (check,) = check_broker(KafkaOptions(bootstrap_servers=()))
    assert (check.status, check.found) == ("ok", "not used: all parts run in one process")


def test_all_is_as_it_should_be(there: dict[str, NewTopic]):
    (check,) = check_broker(OPTIONS)
    assert check.status == "ok"
    assert check.found.startswith(f"broker:9092: 3 brokers; {len(TOPICS)} of {len(TOPICS)} topics")


def test_topics_that_are_missing_are_made_later(there: dict[str, NewTopic]):
    there.clear()
    (check,) = check_broker(OPTIONS)
    assert (check.status, f"0 of {len(TOPICS)} topics" in check.found) == ("ok", True)


def test_a_topic_of_other_partitions(there: dict[str, NewTopic]):
    there[EMBEDDINGS.name] = there[EMBEDDINGS.name]._replace(partitions=7)
    _, check = check_broker(OPTIONS)
    assert check.status == "fail"
    assert f"north.{EMBEDDINGS.name}" in check.found
    assert check.fix.startswith("say 7 there")


def test_a_topic_that_is_kept_otherwise_is_the_operators_choice(there: dict[str, NewTopic]):
    topic = there[EMBEDDINGS.name]
    there[EMBEDDINGS.name] = topic._replace(config={**topic.config, "retention.ms": "1000"})
    _, check = check_broker(OPTIONS)
    assert (check.status, "retention.ms=1000" in check.found) == ("warn", True)


@pytest.mark.parametrize(
    ("error", "fix"),
    [
        (BusAccessError("Kafka does not let 'w' in (no): check the password."), "check the passw"),
        (BusUnreachableError("No broker at broker:9092: check it."), "check it."),
        (BusError("Kafka is too old."), "see the brokers' logs"),
    ],
)
def test_a_cluster_that_cannot_be_used(monkeypatch: pytest.MonkeyPatch, error: BusError, fix: str):
    def refuse(_options: KafkaOptions) -> Cluster:
        raise error

    monkeypatch.setattr(kafka_client, "Admin", refuse)
    (check,) = check_broker(OPTIONS)
    assert check.status == "fail"
    assert check.found
    assert check.fix.startswith(fix)


def test_a_real_broker(kafka: KafkaBroker, topic_prefix: str):
    options = KafkaOptions(bootstrap_servers=kafka.bootstrap_servers, topic_prefix=topic_prefix)
    for expected in (0, 0):  # it makes nothing
        (check,) = check_broker(options)
        assert (check.status, f"1 broker; {expected} of {len(TOPICS)}" in check.found) == (
            "ok",
            True,
        )
