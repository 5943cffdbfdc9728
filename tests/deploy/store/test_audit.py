import msgspec

from deploy.store import Store
from grounding.stored_alert import Feedback
from streamer.camera_record import Credentials
from tests.deploy.store.records import SECRET, camera, opened, query, silence, subscription


def test_every_change_says_who_and_what(store: Store) -> None:
    added = store.cameras.add(camera(), "alice")
    store.cameras.replace(msgspec.structs.replace(added, paused=True), "bob")
    store.cameras.remove("yard", "carol")
    removed, changed, first = store.audit.page(0, 10)
    assert [(one.by, one.action, one.kind, one.entity_id, one.at) for one in (first, changed)] == [
        ("alice", "added", "camera", "yard", 1000.0),
        ("bob", "changed", "camera", "yard", 1000.0),
    ]
    assert first.before is None
    assert changed.before == first.after
    assert changed.after is not None
    assert changed.after["paused"]
    assert (removed.by, removed.action, removed.after) == ("carol", "removed", None)
    assert removed.before == changed.after


def test_all_kinds_are_audited(store: Store) -> None:
    store.queries.add(query(), "me")
    store.silences.add(silence(), "me")
    store.subscriptions.add(subscription(), "me")
    store.alerts.write(opened("one"))
    store.alerts.acknowledge("one", "me")
    store.alerts.acknowledge("one", "me")  # nothing happens
    store.alerts.give_feedback("one", Feedback(verdict="wrong", by="me"))
    store.deliveries.disable("desk", "410 Gone")
    assert [(one.kind, one.action) for one in reversed(store.audit.page(0, 10))] == [
        ("query", "added"),
        ("silence", "added"),
        ("subscription", "added"),
        ("alert", "acknowledged"),
        ("alert", "judged"),
        ("subscription", "disabled"),
    ]


def test_secrets_never_stand_in_it(store: Store) -> None:
    secret = camera(
        source="rtsp://admin:hunter2@yard/1?token=hunter2",
        credentials=Credentials(sealed="hunter2"),
    )
    stored = store.subscriptions.add(subscription(url="https://u:hunter2@desk/"), "me")
    store.subscriptions.replace(stored, "me")
    store.cameras.add(secret, "me")
    said = str(store.audit.page(0, 10))
    assert "hunter2" not in said
    assert SECRET not in said
    assert "'credentials': 'sealed'" in said


def test_pages_go_backwards(store: Store) -> None:
    for number in range(5):
        store.silences.add(silence(f"s{number}"), "me")
    newest = store.audit.page(0, 2)
    assert [one.entity_id for one in newest] == ["s4", "s3"]
    assert [one.entity_id for one in store.audit.page(newest[-1].audit_id, 2)] == ["s2", "s1"]
