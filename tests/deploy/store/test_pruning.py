import pytest

from deploy.store import Store, pruning
from grounding.stored_alert import AlertFilter
from tests.deploy.store.records import Clock, alert, camera, opened, subscription


def kept(store: Store) -> set[str]:
    return {one.alert.alert_id for one in store.alerts.page(AlertFilter(), 0, 200)}


def close(store: Store, name: str, end: float) -> None:
    store.alerts.write([(alert(name, 9, state="closed", end=end), b"")])


def test_closed_alerts_go_with_all_that_is_theirs(store: Store, clock: Clock) -> None:
    clock.now = 300.0
    store.subscriptions.add(subscription(states=("opened", "closed")), "me")
    store.alerts.write(opened("old", "open", "new"))
    close(store, "old", 400.0)
    close(store, "new", 600.0)
    store.prune(500.0)
    assert kept(store) == {"open", "new"}
    assert store.alerts.sequence_of("old.1") is None
    (delivery,) = store.deliveries.claim(9, 60.0)
    assert delivery.event_id == "open.1"
    assert [event.alert.alert_id for event in store.alerts.events_after(0, 9)] == [
        "open",
        "new",
        "new",
    ]


def test_an_alert_of_an_old_film_is_as_old_as_the_server_knows_of_it(
    store: Store, clock: Clock
) -> None:
    clock.now = 1000.0
    store.alerts.write(opened("filmed"))
    close(store, "filmed", 400.0)
    store.prune(1000.0)
    assert kept(store) == {"filmed"}
    store.prune(1000.1)
    assert kept(store) == set()


def test_alerts_of_a_film_stay_while_it_is_a_camera(store: Store) -> None:
    film = store.cameras.add(camera(source="/videos/a.mp4", pace="fastest"), "me")
    store.alerts.write(opened("filmed"))
    close(store, "filmed", 400.0)
    assert store.alerts.get("filmed").alert.camera_id == film.camera_id
    store.prune(2000.0)
    assert kept(store) == {"filmed"}
    store.cameras.remove(film.camera_id, "me")
    store.prune(2000.0)
    assert kept(store) == set()


def test_sequences_go_on_rising(store: Store, clock: Clock) -> None:
    clock.now = 300.0
    store.alerts.write(opened("old"))
    close(store, "old", 400.0)
    store.prune(500.0)
    assert store.alerts.last_sequence() == 0
    store.alerts.write(opened("new"))
    assert store.alerts.last_sequence() == 3


def test_what_is_done_is_forgotten_in_its_time(store: Store, clock: Clock) -> None:
    store.subscriptions.add(subscription(), "me")
    store.cameras.add(camera(), "me")
    store.outbox.seeded(store.outbox.seed())
    store.alerts.write(opened("one", "two"))
    store.deliveries.sent(store.deliveries.claim(1, 60.0)[0])
    assert store.prune(clock.now) == 0
    # One delivery, one outbox row, two audit entries: not what still waits
    assert store.prune(clock.now + 1) == 4
    assert store.audit.page(0, 9) == []
    assert [one.event_id for one in store.deliveries.claim(9, 60.0)] == ["two.1"]
    store.cameras.add(camera("unpublished"), "me")
    store.prune(clock.now + 1)
    assert [row.message.key for row in store.outbox.pending(9)] == ["unpublished"]


def test_helping_after_helping(store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    clock.now = 300.0
    monkeypatch.setattr(pruning, "HELPING", 3)
    names = [f"alert-{number}" for number in range(9)]
    store.alerts.write(opened(*names))
    for name in names:
        close(store, name, 400.0)
    assert store.prune(500.0) == 9
    assert kept(store) == set()
