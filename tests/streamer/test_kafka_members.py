"""Members of a group that have a name for ever: what is theirs waits for them, but not for long."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing

import pytest

from streamer.bus import Subscription, Topic
from streamer.errors import BusError
from streamer.kafka_bus import KafkaBus
from streamer.kafka_options import KafkaOptions
from tests.kafka_broker import KafkaBroker

IN = Topic("test.in")
PARTITIONS = 4
EVERYTHING = frozenset(range(PARTITIONS))
FOR_EVER = 1000  # polls


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
