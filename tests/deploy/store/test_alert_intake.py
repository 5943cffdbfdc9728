import json
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deploy.metrics import ALERTS_SUPPRESSED
from deploy.store import Store
from grounding.stored_alert import AlertFilter, StoredAlert
from tests.deploy.store.records import Clock, alert, opened, query, reopen, silence, subscription


def told(store: Store) -> list[str]:
    """The events that were to be delivered to the desk, all sent."""
    sent = []
    while claimed := store.deliveries.claim(1, 60.0):
        store.deliveries.sent(claimed[0])
        sent.append(claimed[0].event_id)
    return sent


def test_the_first_event_opens_an_alert(store: Store, clock: Clock) -> None:
    assert store.alerts.write(opened("one")) == 1
    assert store.alerts.get("one") == StoredAlert(alert=alert(), sequence=1, opened_at=clock.now)
    assert store.alerts.open_states() == [b"tracked one"]


def test_later_events_take_it_on(store: Store, clock: Clock) -> None:
    store.alerts.write(opened("one"))
    clock.now += 9
    later = alert(revision=2, end=1004.0, score=0.9)
    assert store.alerts.write([(later, b"newer")]) == 1
    stored = store.alerts.get("one")
    assert (stored.alert, stored.sequence, stored.opened_at) == (later, 2, 1000.0)
    assert store.alerts.opening("one") == 1
    assert store.alerts.open_states() == [b"newer"]


def test_a_closed_alert_is_not_tracked_any_more(store: Store) -> None:
    store.alerts.write(opened("one", "two"))
    store.alerts.write([(alert(revision=2, state="closed"), b"closed")])
    assert store.alerts.open_states() == [b"tracked two"]


def test_an_event_that_comes_again_changes_nothing(store: Store) -> None:
    store.subscriptions.add(subscription(), "me")
    assert store.alerts.write(opened("one", "one")) == 1
    before = store.alerts.get("one")
    assert told(store) == ["one.1"]
    assert store.alerts.write([(alert(score=0.1), b"other")]) == 0
    assert store.alerts.get("one") == before
    assert store.alerts.open_states() == [b"tracked one"]
    assert told(store) == []


def test_a_late_event_is_history_and_rolls_nothing_back(store: Store) -> None:
    closed = alert(revision=3, state="closed")
    store.alerts.write([*opened("one"), (closed, b"")])
    assert store.alerts.write([(alert(revision=2), b"older")]) == 1
    stored = store.alerts.get("one")
    assert (stored.alert, stored.sequence) == (closed, 2)
    assert [event.alert.revision for event in store.alerts.history("one")] == [1, 2, 3]
    assert store.alerts.open_states() == []


EVENTS = [(name, revision) for name in ("one", "two") for revision in (1, 2, 3)]


@settings(max_examples=15)
@given(st.permutations(EVENTS), st.data())
def test_any_order_repetition_and_grouping_leads_to_the_same(
    events: list[tuple[str, int]], data: st.DataObject
) -> None:
    again = data.draw(st.lists(st.sampled_from(events)))
    with TemporaryDirectory() as folder:
        store = reopen(Path(folder), Clock())
        queue, taken = [*events, *again], 0
        while queue:
            size = data.draw(st.integers(1, 4))
            group, queue = queue[:size], queue[size:]
            taken += store.alerts.write([(alert(*event), str(event).encode()) for event in group])
        assert taken == len(events)
        for name in ("one", "two"):
            assert store.alerts.get(name).alert == alert(name, 3)
            assert [event.alert for event in store.alerts.history(name)] == [
                alert(name, revision) for revision in (1, 2, 3)
            ]
        assert sorted(store.alerts.open_states()) == [b"('one', 3)", b"('two', 3)"]
        store.close()


def test_none_or_all(store: Store) -> None:
    unwritable = alert("two", query_id=None)  # breaks a rule of the table
    with pytest.raises(Exception, match=r"(?i)not.null"):
        store.alerts.write([*opened("one"), (unwritable, b"")])
    assert store.alerts.last_sequence() == 0
    assert store.alerts.page(AlertFilter(), 0, 9) == []
    assert store.alerts.write([]) == 0


def test_whoever_listens_is_told_once_a_transaction(store: Store) -> None:
    heard: list[int] = []
    store.alerts.listen(lambda: heard.append(store.alerts.last_sequence()))
    store.alerts.write(opened("one", "two"))
    store.alerts.write(opened("one", "two"))  # nothing new
    store.alerts.write([(alert(revision=2), b"")])
    assert heard == [2, 3]


def test_a_silence_keeps_an_alert_from_being_told_for_all_its_life(
    store: Store, clock: Clock
) -> None:
    store.subscriptions.add(subscription(states=("opened", "closed")), "me")
    store.silences.add(silence(cameras=("ya*",)), "me")
    counted = ALERTS_SUPPRESSED.labels("silence")._value.get()
    store.alerts.write(opened("one"))
    clock.now = 2000.0  # the silence is over
    store.alerts.write([(alert(revision=2, state="closed", at=2000.0), b"")])
    stored = store.alerts.get("one")
    assert (stored.suppressed, stored.suppressed_by) == ("silence", "quiet")
    assert [event.suppressed for event in store.alerts.history("one")] == ["silence"] * 2
    assert told(store) == []
    assert ALERTS_SUPPRESSED.labels("silence")._value.get() == counted + 1


@pytest.mark.parametrize(
    ("fields", "suppressed"),
    [
        ({}, "silence"),
        ({"queries": ("aaaa*",)}, "silence"),
        ({"queries": ("bbbb*",)}, None),
        ({"cameras": ("gate",)}, None),
        ({"ends_at": 1000.0}, None),
        ({"starts_at": 1000.0}, "silence"),
        ({"starts_at": 1001.0}, None),
    ],
)
def test_what_a_silence_covers(
    store: Store, fields: dict[str, object], suppressed: str | None
) -> None:
    store.silences.add(silence(**fields), "me")
    store.alerts.write(opened("one"))
    assert store.alerts.get("one").suppressed == suppressed


def test_an_alert_that_comes_late_is_silenced_as_it_would_have_been(
    store: Store, clock: Clock
) -> None:
    store.silences.add(silence(), "me")
    clock.now = 5000.0
    store.alerts.write(opened("one", at=1000.0))
    assert store.alerts.get("one").suppressed == "silence"


def test_a_removed_silence_covers_nothing(store: Store) -> None:
    store.silences.add(silence(), "me")
    store.silences.remove("quiet", "me")
    store.alerts.write(opened("one"))
    assert store.alerts.get("one").suppressed is None


def test_the_cooldown_counts_from_the_last_alert_that_was_told(store: Store) -> None:
    store.queries.add(query(cooldown_seconds=60.0), "me")
    for name, at in (("a", 1000.0), ("b", 1059.0), ("c", 1060.0), ("d", 1119.0), ("e", 1200.0)):
        store.alerts.write(opened(name, at=at))
    kept = {name: store.alerts.get(name) for name in "abcde"}
    assert {name: one.suppressed_by for name, one in kept.items() if one.suppressed} == {
        "b": "a",
        "d": "c",
    }
    assert kept["b"].suppressed == "cooldown"


def test_the_cooldown_is_each_cameras_and_each_querys_own(store: Store) -> None:
    store.queries.add(query(cooldown_seconds=60.0), "me")
    store.queries.add(query("bbbbbbbbbbbb"), "me")
    store.alerts.write(opened("one"))
    store.alerts.write(opened("two", camera_id="gate", at=1001.0))
    store.alerts.write(opened("three", query_id="bbbbbbbbbbbb", at=1002.0))
    store.alerts.write(opened("four", query_id="bbbbbbbbbbbb", at=1003.0))
    assert [store.alerts.get(name).suppressed for name in ("two", "three", "four")] == [None] * 3


def test_within_one_transaction_too(store: Store) -> None:
    store.queries.add(query(cooldown_seconds=60.0), "me")
    store.alerts.write(opened("one", "two"))
    assert store.alerts.get("two").suppressed_by == "one"


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, ["one.1"]),
        ({"states": ("opened", "updated", "closed")}, ["one.1", "one.2", "one.3"]),
        ({"states": ("closed",)}, ["one.3"]),
        ({"queries": ("bbbb*",)}, []),
        ({"cameras": ("gate", "ya*")}, ["one.1"]),
        ({"min_severity": "critical"}, []),
        ({"paused": True}, []),
        ({"disabled_reason": "410 Gone"}, []),
    ],
)
def test_subscriptions_get_what_they_want(
    store: Store, fields: dict[str, object], expected: list[str]
) -> None:
    store.subscriptions.add(subscription(**fields), "me")
    last = alert(revision=3, state="closed")
    store.alerts.write([*opened("one"), (alert(revision=2), b""), (last, b"")])
    assert told(store) == expected


def test_the_body_is_made_when_the_event_is_taken_in(store: Store, clock: Clock) -> None:
    store.subscriptions.add(subscription(), "me")
    store.alerts.write(opened("one"))
    clock.now += 500
    (delivery,) = store.deliveries.claim(1, 60.0)
    body = json.loads(delivery.body)
    assert (body["type"], body["timestamp"]) == ("alert.opened", "1970-01-01T00:16:40.000000Z")
    assert body["data"]["id"] == "one"
    assert msgspec.json.decode(delivery.body)["data"]["score"] == 0.75
