"""Deliveries and changes, where several processes hand them on: once, and in order."""

import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest

from deploy.errors import StoreError
from deploy.outbox_pump import OutboxPump
from deploy.store import Store
from grounding.delivery.options import DeliveryOptions
from grounding.delivery.outcome import DeliveryOutcome
from grounding.delivery.worker import DeliveryWorker
from grounding.stores import Delivery
from streamer.bus import Message
from streamer.errors import EntityChangedError
from tests.deploy.store.records import Clock, camera, opened, reopen, subscription
from tests.deploy.store.together import all_at_once, until
from tests.postgres_server import PostgresServer

LEASE = 60.0


@pytest.fixture
def kind() -> str:
    return "postgres"


class Topics:
    """A bus that keeps what was published; slow, so that two who publish would mix."""

    def __init__(self) -> None:
        self.told: list[Message] = []
        self.before: Callable[[], None] = lambda: None
        self.then: Callable[[], None] = lambda: None

    def publish_all(self, messages: Sequence[Message]) -> None:
        self.before()
        for message in messages:
            time.sleep(0.0005)
            self.told.append(message)
        self.then()

    def revisions(self, key: str) -> list[int]:
        """The revisions of an entity, in the order in which they were published."""
        return [int(one.headers[0][1]) for one in self.told if one.key == key]


class Sender:
    """Notes what it sends; says so if two send to one subscriber at once."""

    def __init__(self) -> None:
        self.sent: defaultdict[str, list[str]] = defaultdict(list)
        self.at_once: Counter[str] = Counter()

    def send(self, delivery: Delivery) -> DeliveryOutcome:
        self.at_once[delivery.subscription_id] += 1
        assert self.at_once[delivery.subscription_id] == 1
        self.sent[delivery.subscription_id].append(delivery.event_id)
        self.at_once[delivery.subscription_id] -= 1
        return DeliveryOutcome("accepted")


def test_workers_of_two_processes_deliver_each_event_once(stores: tuple[Store, Store]) -> None:
    names = ("a", "b", "c", "d")
    for name in names:
        stores[0].subscriptions.add(subscription(name), "me")
    sender, stop = Sender(), threading.Event()
    options = DeliveryOptions(workers=3, poll_seconds=0.1)
    threads = [
        threading.Thread(
            target=DeliveryWorker(
                store.deliveries,
                sender,
                store.deliveries.wait,
                options,
                store_faults=(StoreError,),
                clock=Clock(),
            ).run,
            args=(stop,),
        )
        for store in stores
    ]
    for thread in threads:
        thread.start()
    for number in range(10):
        stores[number % 2].alerts.write(opened(f"alert-{number}"))
    until(lambda: sum(map(len, sender.sent.values())) >= 40)
    stop.set()
    for thread in threads:
        thread.join()
    assert sender.sent == {name: [f"alert-{number}.1" for number in range(10)] for name in names}


def test_a_delivery_that_was_settled_meanwhile_is_not_claimed(stores: tuple[Store, Store]) -> None:
    stores[0].subscriptions.add(subscription(), "me")
    stores[0].alerts.write(opened(*(f"alert-{number}" for number in range(40))))
    sent: list[str] = []

    def work(store: Store) -> None:
        while len(sent) < 40:
            for delivery in store.deliveries.claim(1, LEASE):
                sent.append(delivery.event_id)  # before others may claim the next
                store.deliveries.sent(delivery)

    all_at_once(*(lambda one=one: work(one) for one in (*stores, *stores)))  # type: ignore[misc]
    assert sent == [f"alert-{number}.1" for number in range(40)]


def test_a_process_that_comes_takes_nothing_from_those_at_work(
    stores: tuple[Store, Store], place: Path, clock: Clock
) -> None:
    stores[0].subscriptions.add(subscription(), "me")
    stores[0].alerts.write(opened("one"))
    (mine,) = stores[0].deliveries.claim(1, LEASE)
    stores[0].deliveries.test("desk")
    third = reopen(place, clock, shared=True)
    assert third.deliveries.claim(1, LEASE) == []
    clock.now += LEASE  # its worker must be dead
    (again,) = third.deliveries.claim(1, LEASE)
    assert (again.event_id, again.claim) == (mine.event_id, mine.claim + 1)
    third.close()


def test_two_pumps_publish_in_the_order_of_revisions(stores: tuple[Store, Store]) -> None:
    topics, stop = Topics(), threading.Event()
    bus: Any = topics
    pumps = [OutboxPump(store.outbox, bus) for store in stores]
    running = [threading.Thread(target=pump.run, args=(stop,)) for pump in pumps]
    for thread in running:
        thread.start()
    stores[0].cameras.add(camera(), "me")

    def change(store: Store) -> None:
        for _ in range(15):
            with suppress(EntityChangedError):  # the other one was quicker
                read = store.cameras.get("yard")
                store.cameras.replace(msgspec.structs.replace(read, paused=not read.paused), "me")

    all_at_once(
        *(lambda one=one: change(one) for one in stores),  # type: ignore[misc]
        pumps[0].seed,
        pumps[1].seed,
    )
    until(lambda: not stores[0].outbox.pending(9))
    stop.set()
    for thread in running:
        thread.join()
    told = topics.revisions("yard")
    assert told == sorted(told)
    assert told[-1] == stores[0].cameras.get("yard").revision


def test_a_newer_revision_waits_until_the_older_one_is_published(
    stores: tuple[Store, Store],
) -> None:
    one, other = stores
    topics, reached, go_on = Topics(), threading.Event(), threading.Event()
    bus: Any = topics
    read = one.cameras.add(camera(), "me")

    def hold() -> None:
        reached.set()
        assert go_on.wait(30)

    topics.before = hold
    first = threading.Thread(target=OutboxPump(one.outbox, bus)._publish)
    first.start()
    assert reached.wait(30)
    other.cameras.replace(msgspec.structs.replace(read, paused=True), "me")
    late = OutboxPump(other.outbox, bus)
    late._publish()
    seeding = threading.Thread(target=late.seed)
    seeding.start()
    seeding.join(0.2)
    assert topics.told == []
    go_on.set()
    first.join()
    seeding.join()
    assert topics.revisions("yard") == [1, 2, 2]


def test_while_one_publishes_the_other_does_not(stores: tuple[Store, Store]) -> None:
    one, other = stores
    with one.outbox.turn() as mine:
        with other.outbox.turn() as others:
            assert (mine, others) == (True, False)
        assert other.outbox.wait(0)  # it is to look again
    with other.outbox.turn() as mine:
        assert mine


def test_who_lost_its_turn_tells_everything_once_more(
    stores: tuple[Store, Store], postgres: PostgresServer, database: str
) -> None:
    one, _ = stores
    topics = Topics()
    bus: Any = topics
    one.cameras.add(camera(), "me")

    pump = OutboxPump(one.outbox, bus)
    topics.then = lambda: postgres.drop_connections(database)
    pump._publish()
    assert one.outbox.doubtful
    topics.then = lambda: None
    until(lambda: pump._publish() or not one.outbox.doubtful)
    assert topics.revisions("yard") == [1, 1]
    assert not one.outbox.pending(9)
