"""What only a server can do: refuse, go away and come back, and sort by a language."""

import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from deploy.errors import (
    StoreAccessError,
    StoreDriverError,
    StoreError,
    StoreFullError,
    StoreInUseError,
    StoreLoginError,
    StoreMissingError,
    StoreServerError,
    StoreUnreachableError,
    StoreUrlError,
)
from deploy.store import Store, open_store, postgres_link
from deploy.store.postgres import shown_name
from deploy.vault import Vault
from streamer.errors import EntityNotFoundError
from tests.deploy.store.records import Clock, camera, opened, reopen, url_of
from tests.postgres_server import GUARDED, PASSWORD, PostgresServer

WRONG = "s3cret"


@pytest.fixture
def kind() -> str:
    return "postgres"


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return Vault.open(tmp_path / "key")


@pytest.fixture
def empty(postgres: PostgresServer) -> Iterator[str]:
    """The name of a database without tables."""
    with postgres.database() as name:
        yield name


def guarded(url: str, password: str) -> str:
    """The same address, for the user who needs a password."""
    parsed = sa.make_url(url).set(username=GUARDED, password=password)
    return parsed.render_as_string(hide_password=False)


def test_a_wrong_password_is_said_and_not_shown(place: Path, vault: Vault) -> None:
    with pytest.raises(StoreLoginError, match="the user and the password") as caught:
        open_store(guarded(url_of(place), WRONG), vault)
    shown = caught.value.__cause__
    assert WRONG not in str(caught.value) + str(shown) + repr(shown)


def test_a_user_without_rights(empty: str, postgres: PostgresServer, vault: Vault) -> None:
    url = guarded(postgres.url(empty), PASSWORD)
    postgres.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC", database=empty)
    with pytest.raises(StoreAccessError, match="own the database"):
        open_store(url, vault)
    postgres.execute("GRANT CREATE ON SCHEMA public TO PUBLIC", database=empty)
    open_store(url, vault).close()


def test_a_database_that_is_not_there(postgres: PostgresServer, vault: Vault) -> None:
    with pytest.raises(StoreMissingError, match=r"absent at .*createdb"):
        open_store(postgres.url("absent"), vault)


def test_a_server_that_is_not_there(vault: Vault, tmp_path: Path) -> None:
    with pytest.raises(StoreUnreachableError, match=rf"watchword at {tmp_path} cannot be reached"):
        open_store(f"postgresql://watchword@/watchword?host={tmp_path}", vault)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgresql://w@db", "names no database"),
        ("postgresql://w:p@s@db/w", "more than one @"),
        ("postgresql://w@/w?colour=red", "after the question mark"),
    ],
)
def test_addresses_that_cannot_be_meant(vault: Vault, url: str, said: str) -> None:
    with pytest.raises(StoreUrlError, match=said) as caught:
        open_store(url, vault)
    assert "s@db" not in str(caught.value)


def test_the_driver_is_an_extra(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(StoreDriverError, match=r"pip install 'watchword\[postgres\]'"):
        open_store("postgresql://w@db/w", vault)


def test_a_server_that_is_too_old(
    place: Path, vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_link, "OLDEST", 99)
    with pytest.raises(StoreServerError, match=r"PostgreSQL \d+\.\d+: Watchword needs 99"):
        open_store(url_of(place), vault)


def test_a_database_that_cannot_hold_every_text(postgres: PostgresServer, vault: Vault) -> None:
    with (
        postgres.database(options="ENCODING 'LATIN1' LOCALE 'C'") as name,
        pytest.raises(StoreServerError, match="encoded in LATIN1"),
    ):
        open_store(postgres.url(name), vault)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://w:hunter2@db:5433/watch", "watch at db:5433"),
        ("postgresql:///watch", "watch at this machine"),
        ("postgresql://w@/watch?host=a:1&host=b:2&password=hunter2", "watch at a:1, b:2"),
    ],
)
def test_sentences_name_the_database_and_its_server(url: str, shown: str) -> None:
    assert shown_name(sa.make_url(url)) == shown


def test_who_does_not_share_is_alone(
    store: Store, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_link, "JOIN_SECONDS", 0.0)
    for shared in (False, True):
        with pytest.raises(StoreInUseError, match=r"kafka\.bootstrap_servers"):
            reopen(place, Clock(), shared=shared)
    store.close()
    first, second = reopen(place, Clock(), shared=True), reopen(place, Clock(), shared=True)
    with pytest.raises(StoreInUseError):
        reopen(place, Clock())
    first.close()
    second.close()
    reopen(place, Clock()).close()


def test_several_may_start_at_once(empty: str, postgres: PostgresServer, vault: Vault) -> None:
    stores: list[Store] = []

    def start() -> None:
        stores.append(open_store(postgres.url(empty), vault, shared=True))

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    stores[0].cameras.add(camera(), "me")
    assert [one.cameras.get("yard").revision for one in stores] == [1, 1, 1, 1]
    for one in stores:
        one.close()


def test_ids_are_paged_through_in_the_order_of_their_bytes(store: Store) -> None:
    for name in ("b", "A", "a", "C", "_"):
        store.cameras.add(camera(name), "me")
    found, after = [], ""
    while page := store.cameras.page(after, 2):
        found += [one.camera_id for one in page]
        after = found[-1]
    assert found == ["A", "C", "_", "a", "b"]


def test_a_nul_finds_nothing(store: Store) -> None:
    store.cameras.add(camera(), "me")
    with pytest.raises(EntityNotFoundError):
        store.cameras.get("yard\0")
    assert [one.camera_id for one in store.cameras.page("a\0", 9)] == ["yard"]
    assert store.alerts.sequence_of("one\0.1") is None


def test_a_server_that_went_away_and_came_back(
    store: Store, postgres: PostgresServer, database: str
) -> None:
    store.cameras.add(camera(), "me")
    postgres.cut(database)
    for use in (
        lambda: store.cameras.get("yard"),
        lambda: store.alerts.write(opened("one")),
        lambda: store.deliveries.claim(1, 60.0),
    ):
        with pytest.raises(StoreError, match="cannot be reached"):
            use()
    postgres.mend(database)
    assert store.cameras.get("yard").camera_id == "yard"
    assert store.alerts.write(opened("one")) == 1


def test_connections_that_broke_are_not_noticed(
    store: Store, postgres: PostgresServer, database: str
) -> None:
    for number in range(3):
        postgres.drop_connections(database)
        assert store.alerts.write(opened(f"alert-{number}")) == 1


def test_one_that_breaks_in_the_middle_leaves_nothing(
    store: Store, postgres: PostgresServer, database: str
) -> None:
    def write() -> None:
        with store._database.write() as connection:
            store.cameras.rows.insert(connection, camera(), "me")
            postgres.drop_connections(database)
            store.cameras.rows.insert(connection, camera("gate"), "me")

    with pytest.raises(StoreUnreachableError):
        write()
    assert store.cameras.page("", 9) == []


def test_a_full_disk_takes_no_half_alerts(
    store: Store, postgres: PostgresServer, database: str
) -> None:
    body = "LANGUAGE plpgsql AS $$BEGIN RAISE disk_full; END$$"
    postgres.execute(f"CREATE FUNCTION no_room() RETURNS trigger {body}", database=database)
    trigger = "CREATE TRIGGER no_room BEFORE INSERT ON alerts EXECUTE FUNCTION no_room()"
    postgres.execute(trigger, database=database)
    with pytest.raises(StoreFullError, match="keep alerts for fewer days"):
        store.alerts.write(opened("one"))
    assert store.alerts.last_sequence() == 0
    postgres.execute("DROP TRIGGER no_room ON alerts", database=database)
    assert store.alerts.write(opened("one")) == 1
