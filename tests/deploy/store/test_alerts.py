from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.store import Store
from grounding.alert import Alert
from grounding.stored_alert import AlertFilter, Feedback
from streamer.errors import EntityNotFoundError
from tests.deploy.store.records import Clock, alert, opened, reopen, silence


def names(store: Store, before: int = 0, limit: int = 50, **wanted: object) -> list[str]:
    page = store.alerts.page(AlertFilter(**wanted), before, limit)
    return [stored.alert.alert_id for stored in page]


def test_pages_begin_with_the_newest_opening(store: Store) -> None:
    store.alerts.write(opened(*"abcde"))
    store.alerts.write([(alert("a", 2), b"")])  # news of an old alert do not move it
    assert names(store, limit=2) == ["e", "d"]
    assert names(store, before=store.alerts.opening("d"), limit=2) == ["c", "b"]
    assert names(store, before=store.alerts.opening("b"), limit=2) == ["a"]
    assert names(store, before=store.alerts.opening("a")) == []


VARIED = [
    alert(
        f"alert-{number}",
        query_id=f"query-{number % 2}",
        camera_id=f"camera-{number % 3}",
        severity=("info", "warning", "critical")[number % 3],
        state=("opened", "updated", "closed")[number // 2 % 3],
        start=float(number),
    )
    for number in range(12)
]


@pytest.fixture(scope="module")
def varied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    store = reopen(tmp_path_factory.mktemp("varied"), Clock())
    store.silences.add(silence(cameras=("camera-1",)), "me")
    store.alerts.write([(one, b"") for one in VARIED])
    for number in range(0, 12, 4):
        store.alerts.acknowledge(f"alert-{number}", "me")
    yield store
    store.close()


def some(*values: str) -> st.SearchStrategy[tuple[str, ...]]:
    return st.lists(st.sampled_from(values), max_size=2, unique=True).map(tuple)


def fits(one: Alert, wanted: AlertFilter) -> bool:
    number = VARIED.index(one)
    return (
        one.query_id in (wanted.query_ids or (one.query_id,))
        and one.camera_id in (wanted.camera_ids or (one.camera_id,))
        and one.state in (wanted.states or (one.state,))
        and one.severity in (wanted.severities or (one.severity,))
        and (wanted.since is None or one.start >= wanted.since)
        and (wanted.until is None or one.start < wanted.until)
        and wanted.acknowledged in (None, number % 4 == 0)
        and wanted.suppressed in (None, one.camera_id == "camera-1")
    )


@given(
    st.builds(
        AlertFilter,
        query_ids=some("query-0", "query-1", "query-9"),
        camera_ids=some("camera-0", "camera-1", "camera-2"),
        states=some("opened", "updated", "closed"),
        severities=some("info", "critical"),
        since=st.none() | st.integers(0, 12).map(float),
        until=st.none() | st.integers(0, 12).map(float),
        acknowledged=st.none() | st.booleans(),
        suppressed=st.none() | st.booleans(),
    ),
    st.integers(1, 5),
)
def test_filters_are_what_they_say(varied: Store, wanted: AlertFilter, limit: int) -> None:
    found: list[Alert] = []
    before = 0
    while page := varied.alerts.page(wanted, before, limit):
        assert len(page) <= limit
        found += [stored.alert for stored in page]
        before = varied.alerts.opening(found[-1].alert_id)
    assert found == [one for one in reversed(VARIED) if fits(one, wanted)]


def test_what_is_not_there(store: Store) -> None:
    for call in (
        lambda: store.alerts.get("none"),
        lambda: store.alerts.opening("none"),
        lambda: store.alerts.history("none"),
        lambda: store.alerts.acknowledge("none", "me"),
        lambda: store.alerts.give_feedback("none", Feedback(verdict="right")),
    ):
        with pytest.raises(EntityNotFoundError, match="no alert 'none'"):
            call()


def test_the_first_acknowledgement_stays(store: Store, clock: Clock) -> None:
    store.alerts.write(opened("one"))
    first = store.alerts.acknowledge("one", "alice")
    assert (first.acknowledged_at, first.acknowledged_by) == (1000.0, "alice")
    clock.now += 5
    assert store.alerts.acknowledge("one", "bob") == first
    store.alerts.write([(alert(revision=2), b"")])
    assert store.alerts.get("one").acknowledged_by == "alice"


def test_the_last_feedback_stays(store: Store) -> None:
    store.alerts.write(opened("one"))
    store.alerts.give_feedback("one", Feedback(verdict="wrong", note="a bus", by="me", at=1001.0))
    last = Feedback(verdict="right", by="me", at=1002.0)
    assert store.alerts.give_feedback("one", last).feedback == last
    assert store.alerts.get("one").feedback == last


def test_events_in_the_order_told(store: Store) -> None:
    assert store.alerts.last_sequence() == 0
    store.alerts.write([*opened("one", "two"), (alert("one", 2), b""), *opened("three")])
    events = store.alerts.events_after(0, 50)
    assert [event.alert.event_id for event in events] == ["one.1", "two.1", "one.2", "three.1"]
    assert [event.sequence for event in events] == [1, 2, 3, 4]
    assert store.alerts.events_after(1, 2) == events[1:3]
    assert store.alerts.events_after(4, 2) == []
    assert store.alerts.last_sequence() == 4


def test_where_an_event_stands(store: Store) -> None:
    store.alerts.write(opened("one", "two"))
    assert store.alerts.sequence_of("two.1") == 2
    assert store.alerts.sequence_of("two.2") is None


def test_open_alerts_are_those_not_closed(store: Store) -> None:
    store.alerts.write(opened("one", "two", "three"))
    store.alerts.write([(alert("one", 2), b"one again")])
    store.alerts.write([(alert("two", 2, state="closed"), b"")])
    store.alerts.write([(alert("four"), b"")])  # written by somebody without a tracker
    assert store.alerts.open_states() == [b"one again", b"tracked three"]
