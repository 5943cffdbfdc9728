from pathlib import Path

from deploy.store import Store
from grounding.feedback_record import unpack_feedback
from grounding.stored_alert import Feedback
from streamer.bus import CAMERAS, FEEDBACK, QUERIES, SILENCES, Message
from streamer.camera_record import unpack_camera
from tests.deploy.store.records import (
    Clock,
    alert,
    camera,
    opened,
    query,
    reopen,
    silence,
    subscription,
)


def messages(store: Store) -> list[Message]:
    return [row.message for row in store.outbox.pending(100)]


def test_each_change_is_pending_until_it_was_published(store: Store) -> None:
    stored = store.cameras.add(camera(), "me")
    first, *none = store.outbox.pending(10)
    assert not none
    assert first.message.topic == CAMERAS.name
    assert first.message.key == "yard"
    assert unpack_camera(first.message.value or b"") == stored
    store.outbox.published([first.outbox_id])
    assert store.outbox.pending(10) == []


def test_a_removal_says_its_revision_in_a_header(store: Store) -> None:
    store.cameras.add(camera(), "me")
    store.cameras.remove("yard", "me")
    _, gone = messages(store)
    assert gone == Message(CAMERAS.name, "yard", None, headers=(("revision", b"2"),))


def test_rows_come_in_order_and_up_to_a_limit(store: Store) -> None:
    for number in range(5):
        store.queries.add(query(f"q{number}"), "me")
    assert [row.message.key for row in store.outbox.pending(3)] == ["q0", "q1", "q2"]


def test_subscriptions_are_nobodys_topic(store: Store) -> None:
    store.subscriptions.add(subscription(), "me")
    assert messages(store) == []


def test_a_bus_is_seeded_with_what_is_there_now_and_what_is_gone(store: Store) -> None:
    store.cameras.add(camera("gone"), "me")
    store.cameras.remove("gone", "me")
    store.cameras.add(camera(), "me")
    store.queries.add(query(), "me")
    store.silences.add(silence(), "me")
    seed = store.outbox.seed()
    assert [(message.topic, message.key, message.value is None) for message in seed.messages] == [
        (CAMERAS.name, "gone", True),  # on a bus that outlived us it may still be there
        (CAMERAS.name, "yard", False),
        (QUERIES.name, "aaaaaaaaaaaa", False),
        (SILENCES.name, "quiet", False),
    ]
    assert len(store.outbox.pending(10)) == 5
    store.cameras.add(camera("meanwhile"), "me")
    store.outbox.seeded(seed)
    assert [message.key for message in messages(store)] == ["meanwhile"]
    seed = store.outbox.seed()
    assert [message.key for message in seed.messages[:2]] == ["yard", "meanwhile"]
    store.outbox.seeded(seed)
    store.cameras.add(camera("later"), "me")
    assert [message.key for message in messages(store)] == ["later"]


def test_feedback_is_published_with_what_it_is_of(store: Store) -> None:
    store.alerts.write([(alert("one", camera_id="yard", query_id="q"), b"")])
    store.outbox.pending(1)
    given = Feedback(verdict="wrong", note="a bus", by="me", at=1001.0)
    store.alerts.give_feedback("one", given)
    assert store.outbox.wait(0)
    (told,) = messages(store)
    assert (told.topic, told.key) == (FEEDBACK.name, "yard")
    record = unpack_feedback(told.value or b"")
    assert (record.alert_id, record.query_id, record.camera_id) == ("one", "q", "yard")
    assert (record.verdict, record.note, record.by, record.at) == ("wrong", "a bus", "me", 1001.0)


def test_a_seed_says_all_feedback_that_was_not_published(store: Store) -> None:
    """Each for itself, though their key is the same; what was published is not said again."""
    store.alerts.write(opened("one", "two"))
    for name in ("one", "two", "one"):
        store.alerts.give_feedback(name, Feedback(verdict="right"))
    seed = store.outbox.seed()
    said = [unpack_feedback(message.value or b"").alert_id for message in seed.messages]
    assert said == ["one", "two", "one"]
    store.outbox.seeded(seed)
    assert store.outbox.seed().messages == []


def test_what_was_not_published_waits_for_the_next_process(
    store: Store, place: Path, clock: Clock
) -> None:
    store.cameras.add(camera(), "me")
    store.close()
    again = reopen(place, clock)
    try:
        assert again.outbox.wait(0)
        assert [message.key for message in messages(again)] == ["yard"]
    finally:
        again.close()


def test_a_writer_wakes_the_publisher(store: Store) -> None:
    store.outbox.pending(1)
    assert not store.outbox.wait(0)
    store.silences.add(silence(), "me")
    assert store.outbox.wait(30)


def test_rows_whose_publishing_failed_are_asked_for_again(store: Store) -> None:
    store.cameras.add(camera(), "me")
    assert store.outbox.wait(0)
    assert store.outbox.pending(10)
    assert store.outbox.wait(0)  # not published: still behind


def test_close_wakes_the_publisher(store: Store) -> None:
    store.outbox.pending(1)
    assert not store.outbox.wait(0)
    store.close()
    assert store.outbox.wait(30)
