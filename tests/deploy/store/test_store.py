import sqlite3
from pathlib import Path

import pytest
import sqlalchemy as sa

from deploy.errors import (
    StoreAccessError,
    StoreBrokenError,
    StoreBusyError,
    StoreClosedError,
    StoreFullError,
    StoreInUseError,
    StoreNewerError,
    StoreUrlError,
)
from deploy.store import Store, open_store, sqlite
from deploy.vault import Vault
from tests.deploy.store.records import Clock, camera, opened, query, reopen, subscription

sqlite_only = pytest.mark.parametrize("kind", ["sqlite"], indirect=True)


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return Vault.open(tmp_path / "key")


def test_what_was_stored_is_there_after_a_restart(store: Store, place: Path, clock: Clock) -> None:
    kept = (
        store.cameras.add(camera(), "me"),
        store.queries.add(query(), "me"),
        store.subscriptions.add(subscription(), "me"),
    )
    store.alerts.write(opened("one"))
    alert = store.alerts.acknowledge("one", "me")
    store.close()
    again = reopen(place, clock)
    assert kept == (
        again.cameras.get("yard"),
        again.queries.get("aaaaaaaaaaaa"),
        again.subscriptions.get("desk"),
    )
    assert again.alerts.get("one") == alert
    assert again.alerts.open_states() == [b"tracked one"]
    again.close()


@pytest.mark.parametrize(
    "url",
    [
        "",
        "watchword.db",
        "sqlite://",
        "sqlite:///:memory:",
        "mysql://watchword:hunter2@db/watchword",
        "postgresql+psycopg2://watchword:hunter2@db/watchword",
        "postgresql://watchword:hunter2@db:port/watchword",
        "nonsense://x",
    ],
)
def test_addresses_that_cannot_be_meant(vault: Vault, url: str) -> None:
    with pytest.raises(StoreUrlError, match=r"store\.url is .*sqlite:///folder") as caught:
        open_store(url, vault)
    assert "hunter2" not in str(caught.value)


def test_a_relative_address_is_of_the_working_folder(
    vault: Vault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    open_store("sqlite:///data/watchword.db", vault).close()
    assert (tmp_path / "data" / "watchword.db").is_file()


@sqlite_only
def test_a_second_server_on_one_file_is_refused(store: Store, tmp_path: Path) -> None:
    with pytest.raises(StoreInUseError, match="in use by another Watchword"):
        reopen(tmp_path, Clock())
    store.cameras.add(camera(), "me")  # the first one goes on
    store.close()
    reopen(tmp_path, Clock()).close()


def test_a_file_that_is_no_database(vault: Vault, tmp_path: Path) -> None:
    path = tmp_path / "watchword.db"
    path.write_text("Dear diary, " * 1000)
    with pytest.raises(StoreBrokenError, match=rf"{path} is no database, or was damaged"):
        open_store(f"sqlite:///{path}", vault)
    assert path.read_text() == "Dear diary, " * 1000


@sqlite_only
def test_a_damaged_database(store: Store, vault: Vault, tmp_path: Path) -> None:
    store.cameras.add(camera(), "me")
    store.close()
    path = tmp_path / "watchword.db"
    content = path.read_bytes()
    path.write_bytes(content[:4096] + b"\xff" * (len(content) - 4096))
    with pytest.raises(StoreBrokenError, match="restore a backup"):
        open_store(f"sqlite:///{path}", vault)


def test_an_address_below_a_file(vault: Vault, tmp_path: Path) -> None:
    with pytest.raises(StoreAccessError, match=r"store\.url"):
        open_store(f"sqlite:///{tmp_path / 'key' / 'watchword.db'}", vault)


@sqlite_only
def test_a_newer_database_can_be_opened_by_the_newer_version(
    store: Store, vault: Vault, tmp_path: Path
) -> None:
    store.close()
    path = tmp_path / "watchword.db"
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    for _ in range(2):  # the first refusal left no lock behind
        with pytest.raises(StoreNewerError, match="9999"):
            open_store(f"sqlite:///{path}", vault)


@sqlite_only
def test_another_program_that_writes_at_the_start(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.close()
    monkeypatch.setattr(sqlite, "BUSY_SECONDS", 0.01)
    other = sqlite3.connect(tmp_path / "watchword.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreBusyError, match="end that program"):
        reopen(tmp_path, Clock())
    other.close()
    reopen(tmp_path, Clock()).close()


@sqlite_only
def test_a_full_disk_takes_no_half_alerts(store: Store) -> None:
    def limit(connection: sqlite3.Connection, *_: object) -> None:
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages + 4}")

    engine = store._database._backend.engine
    engine.dispose()
    sa.event.listen(engine, "connect", limit)
    many = opened(*(f"alert-{number}" for number in range(200)))
    with pytest.raises(StoreFullError, match="keep alerts for fewer days"):
        store.alerts.write(many)
    assert store.alerts.last_sequence() == 0
    sa.event.remove(engine, "connect", limit)
    engine.dispose()
    assert store.alerts.write(many) == 200  # there is room again


def test_a_closed_store_says_so(store: Store) -> None:
    store.close()
    with pytest.raises(StoreClosedError):
        store.cameras.get("yard")
    store.close()
