"""Which topics there have to be on Kafka and how each is kept; those that exist are checked."""

import logging
from collections.abc import Iterable, Mapping

from streamer.bus import Topic
from streamer.errors import BusError, TopicPolicyError
from streamer.kafka_client import Admin
from streamer.kafka_options import KafkaOptions
from streamer.kafka_settings import MAX_MESSAGE_BYTES, NewTopic, TopicFacts

OLDEST_BROKER = (2, 5)  # the first that ties a transaction to its reader's group (KIP-447)
COPIES = 3  # of each partition, where there are as many brokers

_HOUR_MS = 3_600_000
_log = logging.getLogger(__name__)

# What tells a topic of another product, or of another installation, from ours
_DECISIVE = ("cleanup.policy",)
# What an operator may want otherwise
_FREE = ("retention.ms", "min.insync.replicas", "max.message.bytes")


def prepare_topics(admin: Admin, options: KafkaOptions, topics: Iterable[Topic]) -> None:
    """Creates the topics that are missing, and checks those that are there.

    Raises:
        TopicPolicyError: a topic has another number of partitions or another cleanup policy.
    """
    wanted = wanted_topics(topics, options, admin.brokers())
    there = admin.topics(set(wanted))
    admin.create({name: topic for name, topic in wanted.items() if name not in there})
    if len(there) < len(wanted):
        there = admin.topics(set(wanted))  # another process may have made them meanwhile
    faults, warnings = differences(wanted, there, options.topic_prefix)
    for sentence in warnings:
        _log.warning("%s", sentence)
    if faults:
        raise TopicPolicyError(" ".join(faults))


def wanted_topics(
    topics: Iterable[Topic], options: KafkaOptions, brokers: int
) -> dict[str, NewTopic]:
    """By name, how each topic is to be kept on so many brokers."""
    copies = options.replication or min(COPIES, brokers)
    return {
        topic.name: NewTopic(
            options.partitions,
            copies,
            {
                "min.insync.replicas": str(max(1, copies - 1)),
                "max.message.bytes": str(MAX_MESSAGE_BYTES),
                "compression.type": "producer",
                **_kept(topic),
            },
        )
        for topic in topics
    }


def differences(
    wanted: Mapping[str, NewTopic], there: Mapping[str, TopicFacts], prefix: str
) -> tuple[list[str], list[str]]:
    """Sentences about what forbids to go on, and about what may be meant so."""
    faults: list[str] = []
    warnings: list[str] = []
    for name, topic in wanted.items():
        facts = there.get(name)
        if facts is None:
            faults.append(f"Topic '{prefix}{name}' cannot be seen: may this user describe it?")
            continue
        if facts.partitions != topic.partitions:
            faults.append(
                f"Topic '{prefix}{name}' has {facts.partitions} partitions, and "
                f"kafka.partitions says {topic.partitions}: say {facts.partitions} there, "
                "or choose another kafka.topic_prefix."
            )
        faults += _config_differences(prefix + name, topic, facts, _DECISIVE)
        warnings += _config_differences(prefix + name, topic, facts, _FREE)
    return faults, warnings


def check_broker(version: tuple[int, ...], options: KafkaOptions) -> None:
    """Raises BusError for a broker that cannot do what is asked of it."""
    if version < OLDEST_BROKER:
        servers = ", ".join(options.bootstrap_servers)
        raise BusError(
            f"Kafka at {servers} is of version {'.'.join(map(str, version))}: "
            "Watchword needs 2.5 or newer, whose transactions know the groups of their readers."
        )


def _kept(topic: Topic) -> dict[str, str]:
    """What is removed, and when: nothing of a segment that is still written to ever is."""
    if topic.compacted:
        return {
            "cleanup.policy": "compact",
            "segment.ms": str(_HOUR_MS),
            "min.cleanable.dirty.ratio": "0.1",
        }
    keep = topic.keep_seconds * 1000
    segment = min(max(keep // 10, 60_000), 24 * _HOUR_MS)
    return {"cleanup.policy": "delete", "retention.ms": str(keep), "segment.ms": str(segment)}


def _config_differences(
    name: str, topic: NewTopic, facts: TopicFacts, keys: Iterable[str]
) -> list[str]:
    pairs = [(key, topic.config.get(key), facts.config.get(key)) for key in keys]
    return [
        f"Topic '{name}' has {key}={has}, and Watchword would have {wants}: "
        f"set it with kafka-configs.sh --alter --entity-type topics --entity-name {name}."
        for key, wants, has in pairs
        if wants is not None and has != wants
    ]
