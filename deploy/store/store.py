"""The store: the one truth for cameras, queries, silences, subscriptions, alerts (design 3.3)."""

import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError

from deploy.errors import SealError, StoreKeyError, StoreUrlError
from deploy.store.alert_intake import AlertIntake
from deploy.store.alerts import Alerts
from deploy.store.audit import Audit
from deploy.store.bell import Bell
from deploy.store.cameras import Cameras
from deploy.store.database import Database, sqlite_engine
from deploy.store.declaration import Declaration
from deploy.store.deliveries import Deliveries
from deploy.store.file_lock import FileLock
from deploy.store.migrate import migrate
from deploy.store.outbox import Outbox
from deploy.store.pruning import Pruning
from deploy.store.queries import Queries
from deploy.store.schema import meta
from deploy.store.silences import Silences
from deploy.store.subscriptions import Subscriptions, subscription_rows
from deploy.vault import Vault
from grounding.stores import (
    AlertStore,
    DeliveryQueue,
    QueryStore,
    SilenceStore,
    SubscriptionStore,
)
from streamer.address import redact
from streamer.camera_store import CameraStore

BUSY_SECONDS = 5.0  # how long another program may keep the database locked
KEY_CHECK = "key check"  # the row of `meta` that only the right key unseals


class Store:
    """All stores over one database; safe to use from any thread."""

    def __init__(self, database: Database, vault: Vault, lock: FileLock) -> None:
        self._database = database
        self._lock = lock
        self._due = Bell()  # rings when there may be something to deliver
        self.outbox = Outbox(database)
        self.audit = Audit(database)
        self.cameras = Cameras(database, self.outbox, self.audit)
        self.queries = Queries(database, self.outbox, self.audit)
        self.silences = Silences(database, self.outbox, self.audit)
        rows = subscription_rows(database, self.outbox, self.audit)
        self.subscriptions = Subscriptions(rows, vault, self._due)
        intake = AlertIntake(database, self.queries, self.silences, self.subscriptions, self._due)
        self.alerts = Alerts(database, intake, self.audit)
        self.deliveries = Deliveries(database, self.subscriptions, self._due)
        self.declare = Declaration(database, self.cameras, self.queries, self.outbox).declare
        self.prune = Pruning(database).prune

    def close(self) -> None:
        """Let another process have the database, and wake who waits; twice is allowed."""
        self._database.close()
        self._lock.release()
        self.outbox.bell.ring()
        self._due.ring()


if TYPE_CHECKING:

    def _fits(store: Store) -> tuple[CameraStore, QueryStore, SilenceStore, SubscriptionStore]:
        """What the routes ask for is what they get: mypy compares the methods."""
        return store.cameras, store.queries, store.silences, store.subscriptions

    def _fits_alerts(store: Store) -> tuple[AlertStore, DeliveryQueue]:
        return store.alerts, store.deliveries


def open_store(url: str, vault: Vault, clock: Callable[[], float] = time.time) -> Store:
    """The store in a SQLite file (`sqlite:///folder/watchword.db`), made or migrated if need be.

    Raises:
        StoreError: it cannot be opened; the sentence says why and what to do.
    """
    path = _path(url)
    with ExitStack() as undo:
        lock = FileLock(path)
        undo.callback(lock.release)
        _migrate(path, clock)
        database = Database(sqlite_engine(path, BUSY_SECONDS), str(path), clock)
        undo.callback(database.close)
        _check_key(database, vault)
        store = Store(database, vault, lock)
        store.deliveries.release_all()
        undo.pop_all()
    return store


def _path(url: str) -> Path:
    try:
        parsed = sa.make_url(url)
    except ArgumentError as error:
        raise _refused(url) from error
    if parsed.get_backend_name() != "sqlite" or parsed.database in (None, "", ":memory:"):
        raise _refused(url)
    return Path(str(parsed.database)).absolute()


def _refused(url: str) -> StoreUrlError:
    return StoreUrlError(
        f"store.url is {redact(url)!r}: this version keeps its store in a SQLite file; write "
        "sqlite:///folder/watchword.db, or sqlite:////folder/watchword.db from the root."
    )


def _migrate(path: Path, clock: Callable[[], float]) -> None:
    database = Database(sqlite_engine(path, BUSY_SECONDS, foreign_keys=False), str(path), clock)
    try:
        migrate(database)
    finally:
        database.close()


def _check_key(database: Database, vault: Vault) -> None:
    place = meta.c.name == KEY_CHECK
    with database.write() as connection:
        sealed = connection.execute(sa.select(meta.c.value).where(place)).scalar()
        if sealed is None:
            row = {"name": KEY_CHECK, "value": vault.seal(KEY_CHECK)}
            connection.execute(sa.insert(meta).values(row))
            return
    try:
        vault.unseal(sealed)
    except SealError as error:
        raise StoreKeyError(
            f"The secrets in {database.name} were sealed with another key than the one in "
            f"{vault.key_file}: let secrets.key_file name the file they were sealed with."
        ) from error
