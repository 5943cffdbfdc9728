import json
import threading
from collections import Counter
from pathlib import Path

import msgspec
import pytest

from deploy.store import Store
from grounding.stores import Delivery
from streamer.errors import EntityNotFoundError
from tests.deploy.store.records import SECRET, Clock, alert, opened, reopen, subscription

LEASE = 60.0


def subscribe(store: Store, *names: str) -> None:
    for name in names:
        store.subscriptions.add(subscription(name, url=f"https://{name}/"), "me")


def claim(store: Store, limit: int = 50) -> list[Delivery]:
    return list(store.deliveries.claim(limit, LEASE))


def events(claimed: list[Delivery]) -> list[tuple[str, str]]:
    return [(one.subscription_id, one.event_id) for one in claimed]


def test_a_delivery_says_all_that_a_sender_needs(store: Store, clock: Clock) -> None:
    subscribe(store, "desk")
    store.alerts.write(opened("one"))
    clock.now += 5
    (delivery,) = claim(store)
    assert json.loads(delivery.body)["type"] == "alert.opened"
    assert msgspec.structs.replace(delivery, body=b"") == Delivery(
        delivery_id=1,
        subscription_id="desk",
        url="https://desk/",
        secret=SECRET,
        event_id="one.1",
        body=b"",
        attempts=0,
        first_at=1000.0,
        state="opened",
        seen_until=1000.0,
        start=990.0,
        claim=1,
    )


def test_one_at_a_time_for_each_subscription_the_oldest_first(store: Store) -> None:
    subscribe(store, "desk", "phone")
    store.alerts.write(opened("one", "two"))
    first = claim(store)
    assert events(first) == [("desk", "one.1"), ("phone", "one.1")]
    assert claim(store) == []
    store.deliveries.sent(first[1])
    assert events(claim(store)) == [("phone", "two.1")]
    store.deliveries.sent(first[0])
    assert events(claim(store)) == [("desk", "two.1")]


def test_no_more_than_asked_for(store: Store) -> None:
    subscribe(store, "a", "b", "c")
    store.alerts.write(opened("one"))
    assert events(claim(store, 2)) == [("a", "one.1"), ("b", "one.1")]
    assert events(claim(store, 2)) == [("c", "one.1")]


def test_a_failed_one_comes_again_in_its_time_and_the_others_wait(
    store: Store, clock: Clock
) -> None:
    subscribe(store, "desk")
    store.alerts.write(opened("one", "two"))
    (first,) = claim(store)
    store.deliveries.retry(first, 1030.0, "500")
    assert claim(store) == []
    clock.now = 1030.0
    (again,) = claim(store)
    assert (again.event_id, again.body, again.attempts) == ("one.1", first.body, 1)
    assert again.first_at == first.first_at
    store.deliveries.retry(again, 1030.0, "500")
    assert claim(store)[0].attempts == 2


def test_a_given_up_one_makes_room(store: Store) -> None:
    subscribe(store, "desk")
    store.alerts.write(opened("one", "two"))
    (first,) = claim(store)
    store.deliveries.give_up(first, "after 24 hours")
    assert events(claim(store)) == [("desk", "two.1")]


def test_a_claim_that_ran_out_is_free_and_its_worker_has_no_say(store: Store, clock: Clock) -> None:
    subscribe(store, "desk")
    store.alerts.write(opened("one", "two"))
    (late,) = claim(store)
    clock.now += LEASE
    (current,) = claim(store)
    assert (current.event_id, current.attempts) == ("one.1", 0)
    store.deliveries.retry(late, 0.0, "500")
    store.deliveries.give_up(late, "500")
    assert claim(store) == []  # still the second worker's
    store.deliveries.sent(late)  # but what was accepted was accepted
    assert events(claim(store)) == [("desk", "two.1")]
    store.deliveries.retry(current, 0.0, "500")
    store.deliveries.sent(current)
    assert claim(store) == []


def test_paused_ones_get_nothing_until_they_go_on(store: Store) -> None:
    subscribe(store, "desk")
    store.alerts.write(opened("one"))
    read = store.subscriptions.get("desk")
    paused = store.subscriptions.replace(msgspec.structs.replace(read, paused=True), "me")
    store.alerts.write(opened("two"))
    assert claim(store) == []
    store.subscriptions.replace(msgspec.structs.replace(paused, paused=False), "me")
    assert events(claim(store)) == [("desk", "one.1")]


def test_a_disabled_one_gets_nothing_any_more(store: Store) -> None:
    subscribe(store, "desk", "phone")
    store.alerts.write(opened("one", "two"))
    desk, phone = claim(store)
    store.deliveries.disable("desk", "The receiver is gone (410).")
    store.deliveries.give_up(desk, "410")
    store.deliveries.sent(phone)
    store.alerts.write(opened("three"))
    assert events(claim(store)) == [("phone", "two.1")]
    disabled = store.subscriptions.get("desk")
    assert disabled.disabled_reason == "The receiver is gone (410)."
    assert disabled.secret == SECRET
    # Enabled again, it begins anew: what was given up stays so
    store.subscriptions.replace(msgspec.structs.replace(disabled, disabled_reason=""), "me")
    store.alerts.write(opened("four"))
    assert events(claim(store)) == [("desk", "four.1")]


def test_a_changed_address_holds_at_the_next_attempt(store: Store) -> None:
    subscribe(store, "desk")
    store.alerts.write(opened("one"))
    (first,) = claim(store)
    read = store.subscriptions.get("desk")
    store.subscriptions.replace(msgspec.structs.replace(read, url="https://new/"), "me")
    store.deliveries.retry(first, 1000.0, "500")
    assert claim(store)[0].url == "https://new/"


def test_a_test_message_is_claimed_at_once_and_never_again(store: Store, clock: Clock) -> None:
    subscribe(store, "desk")
    store.alerts.write(opened("one"))
    test = store.deliveries.test("desk")
    assert (test.state, test.url, test.secret, test.attempts) == (
        "test",
        "https://desk/",
        SECRET,
        0,
    )
    assert json.loads(test.body)["type"] == "test"
    assert store.deliveries.test("desk").event_id != test.event_id
    (first,) = claim(store)  # alerts do not wait for it
    assert first.event_id == "one.1"
    store.deliveries.sent(first)
    store.deliveries.retry(test, 1000.0, "500")
    clock.now += 1e6
    assert claim(store) == []


def test_a_test_of_what_is_not_there(store: Store) -> None:
    with pytest.raises(EntityNotFoundError, match="no subscription 'desk'"):
        store.deliveries.test("desk")


def test_a_process_that_ended_holds_nothing(store: Store, place: Path, clock: Clock) -> None:
    subscribe(store, "desk", "phone")
    store.alerts.write(opened("one"))
    before = claim(store)
    store.deliveries.test("desk")
    store.close()  # without a word about its claims
    again = reopen(place, clock)
    after = claim(again)
    assert events(after) == events(before)
    assert [one.body for one in after] == [one.body for one in before]
    assert [one.claim for one in after] == [2, 2]
    again.close()


def test_workers_are_woken_by_what_they_wait_for(store: Store) -> None:
    subscribe(store, "desk")
    assert not store.deliveries.wait(0)
    store.alerts.write([*opened("one"), (alert("one", 2), b"")])
    assert store.deliveries.wait(30)
    (first,) = claim(store)
    assert not store.deliveries.wait(0)  # a claim is no news
    store.deliveries.sent(first)
    assert store.deliveries.wait(30)
    store.close()
    assert store.deliveries.wait(30)


def test_workers_share_without_sending_twice(store: Store) -> None:
    names = ("a", "b", "c")
    subscribe(store, *names)
    store.alerts.write(opened(*(f"alert-{number}" for number in range(8))))
    sent: list[tuple[str, str]] = []
    in_flight: Counter[str] = Counter()

    def work() -> None:
        while len(sent) < 24:
            for delivery in store.deliveries.claim(2, LEASE):
                in_flight[delivery.subscription_id] += 1
                assert in_flight[delivery.subscription_id] == 1
                sent.append((delivery.subscription_id, delivery.event_id))
                in_flight[delivery.subscription_id] -= 1
                store.deliveries.sent(delivery)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for name in names:
        mine = [event for subscriber, event in sent if subscriber == name]
        assert mine == [f"alert-{number}.1" for number in range(8)]
