"""The Kafka cluster that parts in several processes meet through: asked, and left as it is."""

from collections.abc import Iterator
from contextlib import closing

from deploy.doctor.check import Check, fail, ok, warn
from streamer.bus import TOPICS
from streamer.errors import BusError
from streamer.kafka_options import KafkaOptions


def check_broker(options: KafkaOptions) -> Iterator[Check]:
    """Whether a broker answers, lets us in, and has topics as they have to be."""
    if not options.bootstrap_servers:
        yield ok("Kafka", "not used: all parts run in one process")
        return
    try:
        yield from _ask(options)
    except BusError as error:
        found, _, fix = str(error).rpartition(": ")
        yield fail("Kafka", found or fix, fix if found else "see the brokers' logs")


def _ask(options: KafkaOptions) -> Iterator[Check]:
    from streamer.kafka_client import Admin  # kafka-python: only where there are brokers
    from streamer.kafka_topics import differences, wanted_topics

    with closing(Admin(options)) as admin:
        brokers = admin.brokers()
        wanted = wanted_topics(TOPICS, options, brokers)
        there = admin.topics(set(wanted))
    known = {name: topic for name, topic in wanted.items() if name in there}
    faults, warnings = differences(known, there, options.topic_prefix)
    told = f"{len(known)} of {len(wanted)} topics are there, others are made at the first start"
    servers = ", ".join(options.bootstrap_servers)
    yield ok("Kafka", f"{servers}: {brokers} broker{'s' * (brokers > 1)}; {told}")
    for sentences, check in ((faults, fail), (warnings, warn)):
        for sentence in sentences:
            found, _, fix = sentence.rpartition(": ")
            yield check("Kafka topics", found or sentence, fix)
