"""A reader with a lasting name that leaves late must not throw out who has taken its place."""

from collections.abc import Iterator

import pytest

from streamer.bus import Partitions, Subscription, Topic
from streamer.kafka_bus import KafkaBus
from streamer.kafka_options import KafkaOptions
from streamer.kafka_reader import KafkaReader

IN = Topic("test.in")
NAME = "readers-pod-0-0"


class ScriptedAdmin:
    """Notes who was removed."""

    def __init__(self) -> None:
        self.removed: list[tuple[str, str]] = []

    def remove_member(self, group: str, member: str) -> None:
        self.removed.append((group, member))

    def ends(self, topic: str, partitions: Partitions) -> dict[int, int]:
        return dict.fromkeys(partitions, 0)

    def close(self) -> None: ...


@pytest.fixture
def admin() -> ScriptedAdmin:
    return ScriptedAdmin()


@pytest.fixture
def bus(admin: ScriptedAdmin, monkeypatch: pytest.MonkeyPatch) -> Iterator[KafkaBus]:
    """A bus that has connected, and whose readers read nothing."""
    monkeypatch.setattr(KafkaReader, "start", lambda *_: None)
    bus = KafkaBus(KafkaOptions(bootstrap_servers=("one:9092",), instance="pod-0"), [IN])
    monkeypatch.setattr(bus, "_admin", admin)
    yield bus
    bus.close()


def subscribe(bus: KafkaBus) -> Subscription:
    return bus.subscribe(IN.name, "readers")


def test_who_leaves_is_removed(bus: KafkaBus, admin: ScriptedAdmin) -> None:
    subscribe(bus).close()
    bus.remove_member("readers", NAME)
    assert admin.removed == [("readers", NAME)]


def test_who_leaves_before_it_is_forgotten_is_removed_too(
    bus: KafkaBus, admin: ScriptedAdmin
) -> None:
    """Its thread may be faster than the one that closes it."""
    subscribe(bus)._reader.stop()  # type: ignore[attr-defined]
    bus.remove_member("readers", NAME)
    assert admin.removed == [("readers", NAME)]


def test_who_leaves_late_leaves_its_successor_alone(bus: KafkaBus, admin: ScriptedAdmin) -> None:
    subscribe(bus).close()
    successor = subscribe(bus)
    bus.remove_member("readers", NAME)
    assert admin.removed == []
    successor.close()
    bus.remove_member("readers", NAME)
    assert admin.removed == [("readers", NAME)]


def test_after_the_bus_was_closed_nobody_is_asked(bus: KafkaBus, admin: ScriptedAdmin) -> None:
    bus.close()
    bus.remove_member("readers", NAME)
    assert admin.removed == []
