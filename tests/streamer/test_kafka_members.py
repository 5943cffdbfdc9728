"""Members of a group that have a name for ever: what is theirs waits for them, but not for long."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing

import pytest

from streamer.bus import Partitions, Subscription, Topic
from streamer.errors import BusError
from streamer.kafka_bus import KafkaBus
from streamer.kafka_consumer import Consumer
from streamer.kafka_options import KafkaOptions
from tests.kafka_broker import KafkaBroker

IN = Topic("test.in")
PARTITIONS = 4
EVERYTHING = frozenset(range(PARTITIONS))
FOR_EVER = 1000  # polls


class Watching:
    """Is told of partitions, and does nothing about them."""

    def on_gained(self, gained: Partitions) -> None: ...

    def on_leaving(self, leaving: Partitions) -> None: ...

    def on_lost(self, lost: Partitions) -> None: ...


@pytest.fixture
def make_bus(kafka: KafkaBroker, topic_prefix: str) -> Iterator[Callable[[str], KafkaBus]]:
    """Buses of processes with these names, whose partitions nobody gets for a minute."""
    with ExitStack() as opened:

        def make(instance: str) -> KafkaBus:
            options = KafkaOptions(
                bootstrap_servers=kafka.bootstrap_servers,
                topic_prefix=topic_prefix,
                instance=instance,
                partitions=PARTITIONS,
                session_timeout_seconds=60.0,
            )
            return opened.enter_context(closing(KafkaBus(options, (IN,))))

        yield make


def wait_for_all(reader: Subscription) -> None:
    for _ in range(FOR_EVER):
        reader.poll(0.05)
        if reader.assigned == EVERYTHING and reader.settled:
            return
    raise AssertionError(f"it has only {sorted(reader.assigned)}")


def read_for_ever(reader: Subscription) -> None:
    for _ in range(FOR_EVER):
        reader.poll(0.05)


def poll_for_ever(consumer: Consumer) -> None:
    for _ in range(FOR_EVER):
        consumer.poll(0.05, 1)


def test_what_a_closed_member_had_is_shared_out_at_once(make_bus) -> None:
    first = make_bus("first").subscribe(IN.name, "readers")
    wait_for_all(first)
    second = make_bus("second").subscribe(IN.name, "readers")
    first.close()
    wait_for_all(second)


def test_a_process_started_again_takes_its_place_and_the_former_one_ends(make_bus) -> None:
    former = make_bus("pod-0").subscribe(IN.name, "readers")
    wait_for_all(former)
    again = make_bus("pod-0").subscribe(IN.name, "readers")
    wait_for_all(again)
    with pytest.raises(BusError, match="Another process called 'pod-0' reads from Kafka"):
        read_for_ever(former)


def test_a_heartbeat_that_is_refused_is_not_kept_quiet(make_bus, kafka, topic_prefix) -> None:
    with closing(make_bus("pod-0").subscribe(IN.name)):  # which makes the topic
        pass
    options = KafkaOptions(bootstrap_servers=kafka.bootstrap_servers, topic_prefix=topic_prefix)
    former, again = (Consumer(options, IN.name, "readers", "pod-0-0") for _ in range(2))
    for consumer in (former, again):  # meanwhile the former sends heartbeats, and does not poll
        consumer.join(Watching())
        while not consumer.is_stable:
            consumer.poll(0.1, 1)
    while former._foreign._coordinator._heartbeat_enabled:
        time.sleep(0.05)
    with pytest.raises(BusError, match="Another process"):
        poll_for_ever(former)
    for consumer in (former, again):
        consumer.close(1.0)
