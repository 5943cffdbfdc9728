"""The delivery over the store that keeps what is to be delivered."""

import base64
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from standardwebhooks import Webhook

from deploy.errors import StoreError
from deploy.store import Store, open_store
from deploy.vault import Vault
from grounding.alert import Alert, AlertState
from grounding.alert_subscription import AlertSubscription
from grounding.delivery.options import DeliveryOptions
from grounding.delivery.rehearsal import send_test
from grounding.delivery.sender import WebhookSender
from grounding.delivery.worker import DeliveryWorker
from streamer.address_policy import AddressPolicy
from tests.grounding.delivery.receiver import Receiver, listening, never, status

SECRET = "whsec_" + base64.b64encode(b"a secret of thirty-two characters").decode()
OPTIONS = DeliveryOptions(
    workers=4, total_timeout_seconds=60.0, lease_seconds=600.0, drain_seconds=60.0
)
STATES: tuple[AlertState, ...] = ("opened", "updated", "closed")


class Clock:
    """A wall clock that a test sets."""

    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def reopen(tmp_path: Path, clock: Clock) -> Iterator[Callable[[], Store]]:
    """Opens the store; one that was open is closed first."""
    opened: list[Store] = []

    def open_again() -> Store:
        for former in opened:
            former.close()
        vault = Vault.open(tmp_path / "key")
        opened.append(open_store(f"sqlite:///{tmp_path}/watchword.db", vault, clock))
        return opened[-1]

    yield open_again
    for store in opened:
        store.close()


def told(alert_id: str, revision: int, clock: Clock) -> tuple[Alert, bytes]:
    """One state of an alert: opened, updated, closed by its revision."""
    alert = Alert(
        alert_id=alert_id,
        revision=revision,
        state=STATES[revision - 1],
        query_id="9c1fa1000000",
        query="a cat on the table",
        query_version=1,
        severity="info",
        camera_id="kitchen",
        session=1,
        start=clock.now - 10.0,
        end=clock.now - 5.0,
        score=0.9,
        saliency=(),
        at=clock.now - 1.0,
    )
    return alert, b""


def subscribe(store: Store, name: str, receiver: Receiver) -> None:
    subscription = AlertSubscription(
        subscription_id=name, url=receiver.url, secret=SECRET, states=STATES
    )
    store.subscriptions.add(subscription, by="test")


def sender() -> WebhookSender:
    # Its own clock is the true one: a signature of another day would not verify
    return WebhookSender(AddressPolicy(loopback=True, private=False), OPTIONS)


@contextmanager
def delivering(store: Store, clock: Clock) -> Iterator[None]:
    """A delivery worker over the store while the block runs."""
    stop = threading.Event()
    queue = store.deliveries
    worker = DeliveryWorker(
        queue, sender(), queue.wait, OPTIONS, store_faults=(StoreError,), clock=clock
    )
    thread = threading.Thread(target=worker.run, args=(stop,))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def ids(receiver: Receiver) -> list[str]:
    return [request.headers["webhook-id"] for request in receiver.received]


def test_every_subscriber_is_told_once_and_in_order_though_one_never_answers(
    reopen: Callable[[], Store], clock: Clock
) -> None:
    store = reopen()
    events = [(alert, revision) for alert in ("a1", "a2") for revision in (1, 2, 3)]
    with listening() as good, listening() as better, listening(never) as dead:
        for name, receiver in (("good", good), ("better", better), ("dead", dead)):
            subscribe(store, name, receiver)
        with delivering(store, clock):
            for alert, revision in events:
                assert store.alerts.write([told(alert, revision, clock)]) == 1
                store.alerts.write([told(alert, revision, clock)])  # told again: nothing new
            for receiver in (good, better):
                receiver.wait_for(len(events))
            dead.wait_for(1)
            dead.ending.set()
    expected = [f"{alert}.{revision}" for alert, revision in events]
    assert ids(good) == ids(better) == expected
    assert ids(dead) == expected[:1]
    message = Webhook(SECRET).verify(good.received[0].body, good.received[0].headers)
    assert message["type"] == "alert.opened"
    assert message["data"]["id"] == "a1"


def test_what_failed_is_told_after_a_restart_and_nothing_twice(
    reopen: Callable[[], Store], clock: Clock
) -> None:
    store = reopen()
    with listening(status(200), status(500), status(200)) as receiver:
        subscribe(store, "one", receiver)
        with delivering(store, clock):
            for revision in (1, 2, 3):
                store.alerts.write([told("a1", revision, clock)])
            receiver.wait_for(2)
        assert ids(receiver) == ["a1.1", "a1.2"]
        clock.now += 10.0  # beyond the first wait
        with delivering(reopen(), clock):
            receiver.wait_for(4)
    assert ids(receiver) == ["a1.1", "a1.2", "a1.2", "a1.3"]
    repeated = receiver.received[1:3]
    assert repeated[0].body == repeated[1].body


def test_a_claim_whose_process_died_is_sent_by_the_next(
    reopen: Callable[[], Store], clock: Clock
) -> None:
    store = reopen()
    with listening() as receiver:
        subscribe(store, "one", receiver)
        store.alerts.write([told("a1", 1, clock)])
        assert len(store.deliveries.claim(1, OPTIONS.lease_seconds)) == 1  # and then killed
        clock.now += OPTIONS.lease_seconds
        with delivering(reopen(), clock):
            receiver.wait_for(1)
    assert ids(receiver) == ["a1.1"]


def test_a_receiver_that_is_gone_is_asked_no_more(
    reopen: Callable[[], Store], clock: Clock
) -> None:
    store = reopen()
    with listening(status(410)) as gone, listening() as good:
        subscribe(store, "gone", gone)
        subscribe(store, "good", good)
        with delivering(store, clock):
            store.alerts.write([told("a1", revision, clock) for revision in (1, 2, 3)])
            good.wait_for(3)
            gone.wait_for(1)
        assert "410" in store.subscriptions.get("gone").disabled_reason
        store.alerts.write([told("a2", 1, clock)])
        assert [one.subscription_id for one in store.deliveries.claim(9, 60.0)] == ["good"]
    assert ids(gone) == ["a1.1"]


def test_a_test_message_is_answered_at_once(reopen: Callable[[], Store]) -> None:
    store = reopen()
    with listening(status(200), status(500)) as receiver:
        subscribe(store, "one", receiver)
        assert send_test(store.deliveries, sender(), "one").status == 200
        assert send_test(store.deliveries, sender(), "one").status == 500
    assert json.loads(receiver.received[0].body)["type"] == "test"
    assert len(set(ids(receiver))) == 2
    assert not store.deliveries.claim(9, 60.0)
