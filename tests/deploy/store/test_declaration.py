import msgspec

from deploy.store import Store
from tests.deploy.store.records import camera, query


def test_the_store_follows_the_file(store: Store) -> None:
    store.declare([camera("a"), camera("b")], [query("q1"), query("q2")])
    store.declare([camera("b"), camera("c")], [query("q2"), query("q3")])
    assert [(one.camera_id, one.declared) for one in store.cameras.page("", 9)] == [
        ("b", True),
        ("c", True),
    ]
    assert [(one.query_id, one.declared) for one in store.queries.page("", 9)] == [
        ("q2", True),
        ("q3", True),
    ]


def test_what_did_not_change_is_left_alone(store: Store) -> None:
    store.declare([camera()], [query()])
    before = store.cameras.get("yard"), store.queries.get("aaaaaaaaaaaa")
    store.outbox.seeded(store.outbox.seed())
    store.declare([camera()], [query()])
    assert (store.cameras.get("yard"), store.queries.get("aaaaaaaaaaaa")) == before
    assert store.outbox.pending(9) == []


def test_what_changed_is_published(store: Store) -> None:
    store.declare([camera()], [query()])
    store.outbox.seeded(store.outbox.seed())
    store.declare([camera(paused=True)], [query(text="a bus")])
    assert [row.message.key for row in store.outbox.pending(9)] == ["yard", "aaaaaaaaaaaa"]
    assert store.cameras.get("yard").paused
    assert store.queries.get("aaaaaaaaaaaa").version == 2


def test_registered_ones_stay(store: Store) -> None:
    store.cameras.add(camera("mine"), "me")
    store.queries.add(query("mine"), "me")
    store.declare([camera("theirs")], [])
    store.declare([], [])
    assert [one.camera_id for one in store.cameras.page("", 9)] == ["mine"]
    assert [one.query_id for one in store.queries.page("", 9)] == ["mine"]


def test_the_file_has_the_last_word_on_its_ids(store: Store) -> None:
    mine = store.cameras.add(camera(source="rtsp://mine/1"), "me")
    store.declare([camera()], [])
    theirs = store.cameras.get("yard")
    assert theirs == msgspec.structs.replace(
        mine, source="rtsp://yard/1", declared=True, revision=theirs.revision
    )
    assert store.audit.page(0, 1)[0].action == "declared"
