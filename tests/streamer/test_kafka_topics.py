"""Topics on Kafka: made as the design says, checked where they exist, and never changed."""

import logging
from collections.abc import Iterator

import pytest

from streamer.bus import ALERT_STATE, CLIPS, EMBEDDINGS, FEEDBACK, TOPICS, Topic
from streamer.errors import BusError, TopicPolicyError
from streamer.kafka_bus import KafkaBus
from streamer.kafka_client import Admin
from streamer.kafka_options import KafkaOptions
from streamer.kafka_settings import NewTopic, TopicFacts
from streamer.kafka_topics import check_broker, differences, prepare_topics, wanted_topics
from tests.kafka_broker import KafkaBroker

DAY_MS = 86_400_000
OPTIONS = KafkaOptions(bootstrap_servers=("broker:9092",), topic_prefix="north.", partitions=3)
MINUTES = Topic("test.minutes", keep_seconds=300)
NEWEST = Topic("test.newest", compacted=True)


def as_made(topics: dict[str, NewTopic]) -> dict[str, TopicFacts]:
    return {name: TopicFacts(topic.partitions, topic.config) for name, topic in topics.items()}


@pytest.fixture
def options(kafka: KafkaBroker, topic_prefix: str) -> KafkaOptions:
    return KafkaOptions(
        bootstrap_servers=kafka.bootstrap_servers, topic_prefix=topic_prefix, partitions=3
    )


@pytest.fixture
def admin(options: KafkaOptions) -> Iterator[Admin]:
    admin = Admin(options)
    yield admin
    admin.close()


# -- what is wanted -----------------------------------------------------------------------------


def test_a_topic_deletes_or_keeps_the_newest_of_each_key():
    wanted = wanted_topics(TOPICS, OPTIONS, 1)
    for topic in TOPICS:
        policy = wanted[topic.name].config["cleanup.policy"]
        assert policy == ("compact" if topic.compacted else "delete")
        assert ("retention.ms" in wanted[topic.name].config) == (not topic.compacted)


@pytest.mark.parametrize(
    ("topic", "milliseconds"),
    [(CLIPS, 300_000), (EMBEDDINGS, 3 * DAY_MS), (FEEDBACK, 365 * DAY_MS)],
    ids=lambda value: getattr(value, "name", ""),
)
def test_records_are_kept_as_long_as_the_topic_says(topic: Topic, milliseconds: int):
    config = wanted_topics([topic], OPTIONS, 1)[topic.name].config
    assert config["retention.ms"] == str(milliseconds)
    # What lies in a segment that is written to is never deleted
    assert int(config["segment.ms"]) <= max(60_000, milliseconds // 10)


@pytest.mark.parametrize(
    ("brokers", "asked", "copies", "in_sync"),
    [(1, 0, 1, 1), (2, 0, 2, 1), (3, 0, 3, 2), (9, 0, 3, 2), (9, 5, 5, 4), (1, 2, 2, 1)],
)
def test_there_are_as_many_copies_as_brokers_and_three_at_most(
    brokers: int, asked: int, copies: int, in_sync: int
):
    options = KafkaOptions(bootstrap_servers=("broker:9092",), replication=asked)
    topic = wanted_topics([MINUTES], options, brokers)[MINUTES.name]
    assert topic.replication == copies
    assert topic.config["min.insync.replicas"] == str(in_sync)


# -- what differs -------------------------------------------------------------------------------


def test_topics_as_they_are_made_differ_in_nothing():
    wanted = wanted_topics(TOPICS, OPTIONS, 3)
    assert differences(wanted, as_made(wanted), "north.") == ([], [])


def test_another_number_of_partitions_is_a_fault_with_its_fix():
    wanted = wanted_topics([MINUTES], OPTIONS, 1)
    there = {MINUTES.name: as_made(wanted)[MINUTES.name]._replace(partitions=7)}
    assert differences(wanted, there, "north.") == (
        [
            "Topic 'north.test.minutes' has 7 partitions, and kafka.partitions says 3: "
            "say 7 there, or choose another kafka.topic_prefix."
        ],
        [],
    )


def test_another_cleanup_policy_is_a_fault_with_its_fix():
    wanted = wanted_topics([NEWEST], OPTIONS, 1)
    there = {NEWEST.name: TopicFacts(3, {**wanted[NEWEST.name].config, "cleanup.policy": "delete"})}
    (fault,), warnings = differences(wanted, there, "north.")
    assert fault == (
        "Topic 'north.test.newest' has cleanup.policy=delete, and Watchword would have compact: set"
        " it with kafka-configs.sh --alter --entity-type topics --entity-name north.test.newest."
    )
    assert not warnings


@pytest.mark.parametrize("key", ["retention.ms", "min.insync.replicas", "max.message.bytes"])
def test_what_an_operator_may_want_otherwise_is_a_warning(key: str):
    wanted = wanted_topics([MINUTES], OPTIONS, 1)
    there = {MINUTES.name: TopicFacts(3, {**wanted[MINUTES.name].config, key: "77"})}
    faults, (warning,) = differences(wanted, there, "north.")
    assert not faults
    assert warning.startswith(f"Topic 'north.test.minutes' has {key}=77, and Watchword would have")


def test_what_is_set_beyond_that_is_nobodys_concern():
    wanted = wanted_topics([MINUTES], OPTIONS, 1)
    config = {**wanted[MINUTES.name].config, "segment.ms": "1", "compression.type": "zstd"}
    assert differences(wanted, {MINUTES.name: TopicFacts(3, config)}, "") == ([], [])


def test_a_topic_that_cannot_be_seen_is_a_fault():
    (fault,), _ = differences(wanted_topics([MINUTES], OPTIONS, 1), {}, "north.")
    assert fault == "Topic 'north.test.minutes' cannot be seen: may this user describe it?"


@pytest.mark.parametrize(
    ("version", "is_enough"), [((2, 4), False), ((2, 5), True), ((4, 3), True)]
)
def test_a_broker_has_to_know_the_groups_of_transactions(version: tuple[int, ...], is_enough: bool):
    if is_enough:
        check_broker(version, OPTIONS)
        return
    with pytest.raises(BusError, match=r"broker:9092 is of version 2\.4: .* 2\.5 or newer"):
        check_broker(version, OPTIONS)


# -- on a real broker ---------------------------------------------------------------------------


def test_topics_are_made_with_all_that_is_wanted(options: KafkaOptions, admin: Admin):
    prepare_topics(admin, options, TOPICS)
    wanted = wanted_topics(TOPICS, options, 1)
    there = admin.topics(set(wanted))
    assert there.keys() == wanted.keys()
    for name, facts in there.items():
        assert facts.partitions == 3
        assert {key: facts.config[key] for key in wanted[name].config} == wanted[name].config


def test_topics_that_are_there_stay_as_they_are(
    options: KafkaOptions, admin: Admin, caplog: pytest.LogCaptureFixture
):
    config = {"cleanup.policy": "delete", "retention.ms": "60000"}
    admin.create({MINUTES.name: NewTopic(3, 1, config)})
    with caplog.at_level(logging.WARNING):
        prepare_topics(admin, options, [MINUTES, NEWEST])
    facts = admin.topics({MINUTES.name, NEWEST.name})
    assert facts[MINUTES.name].config["retention.ms"] == "60000"
    assert facts[NEWEST.name].config["cleanup.policy"] == "compact"
    said = [r.getMessage() for r in caplog.records if r.name == "streamer.kafka_topics"]
    assert any("retention.ms=60000, and Watchword would have 300000" in one for one in said)


def test_a_topic_that_is_made_meanwhile_is_no_fault(options: KafkaOptions, admin: Admin):
    topics = wanted_topics([MINUTES], options, 1)
    admin.create(topics)
    admin.create(topics)
    assert admin.topics({MINUTES.name}).keys() == {MINUTES.name}


def test_a_bus_refuses_a_topic_of_another_installation(options: KafkaOptions, admin: Admin):
    prefix = options.topic_prefix
    admin.create({NEWEST.name: NewTopic(3, 1, {"cleanup.policy": "delete"})})
    admin.create({MINUTES.name: NewTopic(5, 1, {})})
    bus = KafkaBus(options, [MINUTES, NEWEST])
    with pytest.raises(TopicPolicyError) as refused:
        bus.connect()
    bus.close()
    assert f"'{prefix}{MINUTES.name}' has 5 partitions" in str(refused.value)
    assert f"'{prefix}{NEWEST.name}' has cleanup.policy=delete" in str(refused.value)


def test_two_installations_share_a_cluster(kafka: KafkaBroker, topic_prefix: str):
    """The same topic with other partitions, told apart by its prefix."""
    buses = [
        KafkaBus(
            KafkaOptions(
                bootstrap_servers=kafka.bootstrap_servers,
                topic_prefix=f"{topic_prefix}{name}.",
                partitions=partitions,
            ),
            [ALERT_STATE],
        )
        for name, partitions in (("north", 2), ("south", 5))
    ]
    for bus in buses:
        bus.connect()
        bus.close()


def test_more_copies_than_brokers_are_refused_by_name(options: KafkaOptions, admin: Admin):
    with pytest.raises(BusError, match=rf"could not create topics .*{MINUTES.name}"):
        admin.create({MINUTES.name: NewTopic(1, 3, {})})
