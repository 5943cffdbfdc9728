"""One database, several who have it open: nothing missed, nothing twice, nothing out of order."""

import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

import msgspec
import pytest
import sqlalchemy as sa

from deploy.store import Store, postgres_link
from streamer.errors import EntityExistsError
from tests.conftest import ROOT
from tests.deploy.store.records import Clock, camera, opened, reopen, subscription
from tests.deploy.store.together import all_at_once, until
from tests.postgres_server import PostgresServer


@pytest.fixture
def kind() -> str:
    return "postgres"


def test_what_one_stores_the_other_reads(stores: tuple[Store, Store]) -> None:
    one, other = stores
    read = one.cameras.add(camera(), "me")
    assert other.cameras.get("yard") == read
    other.cameras.replace(msgspec.structs.replace(read, paused=True), "me")
    assert one.cameras.get("yard").paused
    assert [entry.action for entry in one.audit.page(0, 9)] == ["changed", "added"]


def test_each_hears_of_what_the_other_stored(stores: tuple[Store, Store]) -> None:
    one, other = stores
    told = threading.Event()
    other.alerts.listen(told.set)
    other.outbox.pending(9)
    assert not other.outbox.wait(0)
    one.cameras.add(camera(), "me")
    assert other.outbox.wait(30)
    assert not told.is_set()
    one.alerts.write(opened("one"))
    assert told.wait(30)
    assert other.deliveries.wait(30)


def test_who_hears_nothing_for_long_looks_for_itself(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_link, "PROBE_SECONDS", 0.01)
    store, told = reopen(place, Clock(), shared=True), threading.Event()
    store.alerts.listen(told.set)
    assert told.wait(30)
    store.close()


def test_a_broken_connection_is_made_anew_and_nothing_is_missed(
    stores: tuple[Store, Store], postgres: PostgresServer, database: str
) -> None:
    one, other = stores
    told = threading.Event()
    other.alerts.listen(told.set)
    postgres.cut(database)
    assert told.wait(30)  # looks for itself while nobody can tell it
    postgres.mend(database)
    other.outbox.pending(9)
    one.cameras.add(camera(), "me")
    until(lambda: other.outbox.wait(0.1) and other.outbox.pending(9))
    link = other._database._backend._link  # type: ignore[attr-defined]
    until(lambda: link._connection is not None)
    while told.is_set():
        told.clear()
        told.wait(0.6)  # polls no more
    one.alerts.write(opened("one"))
    assert told.wait(30)


def test_a_follower_misses_nothing_while_several_processes_write(place: Path) -> None:
    store = reopen(place, Clock(), shared=True)
    writers = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.deploy.store.alert_writer", str(place), name, "60"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
        )
        for name in ("a", "b", "c")
    ]
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write(b"go\n")
        writer.stdin.close()
    events: list[tuple[int, str]] = []

    def follow() -> bool:
        last = events[-1][0] if events else 0
        found = store.alerts.events_after(last, 7)
        events.extend((event.sequence, event.alert.event_id) for event in found)
        return len(events) == 180

    until(follow)
    assert [writer.wait(60) for writer in writers] == [0, 0, 0]
    for name in ("a", "b", "c"):
        mine = [event_id for _, event_id in events if event_id.startswith(name)]
        assert mine == [f"{name}-{number}.1" for number in range(60)]
    store.close()


def test_events_become_visible_in_the_order_of_their_sequences(
    stores: tuple[Store, Store],
) -> None:
    """A writer that drew its sequence first and is slow to commit holds up the next."""
    one, other = stores
    taken, go_on = threading.Event(), threading.Event()
    announce = one._database.announce

    def slowly(connection: sa.Connection, news: str) -> None:
        announce(connection, news)
        taken.set()
        go_on.wait(30)

    one._database.announce = slowly  # type: ignore[method-assign]
    first = threading.Thread(target=one.alerts.write, args=(opened("first"),))
    second = threading.Thread(target=other.alerts.write, args=(opened("second"),))
    first.start()
    assert taken.wait(30)
    second.start()
    second.join(0.3)
    assert other.alerts.events_after(0, 9) == []
    go_on.set()
    first.join()
    second.join()
    names = [event.alert.alert_id for event in other.alerts.events_after(0, 9)]
    assert names == ["first", "second"]


def test_an_event_that_both_take_in_is_one(stores: tuple[Store, Store]) -> None:
    stores[0].subscriptions.add(subscription(), "me")
    taken: list[int] = []
    items = opened(*(f"alert-{number}" for number in range(20)))

    def write(store: Store) -> None:
        taken.extend(store.alerts.write([item]) for item in items)

    all_at_once(*(lambda one=one: write(one) for one in stores))  # type: ignore[misc]
    assert sum(taken) == 20
    assert len(stores[0].alerts.events_after(0, 99)) == 20


def test_one_id_is_given_once(stores: tuple[Store, Store]) -> None:
    outcomes: Counter[str] = Counter()

    def add(store: Store) -> None:
        for number in range(20):
            try:
                store.cameras.add(camera(f"camera-{number}"), "me")
                outcomes["added"] += 1
            except EntityExistsError:
                outcomes["refused"] += 1

    all_at_once(*(lambda one=one: add(one) for one in stores))  # type: ignore[misc]
    assert outcomes == {"added": 20, "refused": 20}
    revisions = [one.revision for one in stores[0].cameras.page("", 99)]
    assert sorted(revisions) == list(range(1, 21))
