"""The store: the one truth for cameras, queries, silences, subscriptions, alerts (design 3.3)."""

import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError

from deploy.errors import SealError, StoreKeyError, StoreUrlError
from deploy.store.alert_intake import ALERT_NEWS, AlertIntake
from deploy.store.alerts import Alerts
from deploy.store.audit import Audit
from deploy.store.bell import Bell
from deploy.store.blind_periods import BlindPeriods
from deploy.store.cameras import Cameras
from deploy.store.database import Database
from deploy.store.dead_letters import DeadLetters
from deploy.store.declaration import Declaration
from deploy.store.deliveries import Deliveries
from deploy.store.outbox import OUTBOX_NEWS, Outbox
from deploy.store.postgres import ask_postgres, open_postgres
from deploy.store.pruning import Pruning
from deploy.store.queries import Queries
from deploy.store.schema import meta
from deploy.store.silences import Silences
from deploy.store.sqlite import open_sqlite
from deploy.store.subscriptions import Subscriptions, subscription_rows
from deploy.vault import Vault
from encoder.dead_letter_store import DeadLetterStore
from grounding.stores import (
    AlertStore,
    BlindStore,
    DeliveryQueue,
    QueryStore,
    SilenceStore,
    SubscriptionStore,
)
from streamer.address import redact
from streamer.camera_store import CameraStore

POSTGRES = ("postgresql", "postgresql+psycopg")
KEY_CHECK = "key check"  # the row of `meta` that only the right key unseals


class Store:
    """All stores over one database; safe to use from any thread."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database = database
        self._due = Bell()  # rings when there may be something to deliver
        self.outbox = Outbox(database)
        self.audit = Audit(database)
        self.cameras = Cameras(database, self.outbox, self.audit)
        self.queries = Queries(database, self.outbox, self.audit)
        self.silences = Silences(database, self.outbox, self.audit)
        rows = subscription_rows(database, self.outbox, self.audit)
        self.subscriptions = Subscriptions(rows, vault, self._due)
        intake = AlertIntake(database, self.queries, self.silences, self.subscriptions, self._due)
        self.alerts = Alerts(database, intake, self.outbox, self.audit)
        self.deliveries = Deliveries(database, self.subscriptions, self._due)
        self.dead_letters = DeadLetters(database, self.audit)
        self.blind_periods = BlindPeriods(database)
        self.declare = Declaration(database, self.cameras, self.queries, self.outbox).declare
        self.prune = Pruning(database).prune

    def tell(self, news: str) -> None:
        """Wake who waits for what another process announced."""
        if news == OUTBOX_NEWS:
            self.outbox.bell.ring()
        elif news == ALERT_NEWS:
            self._due.ring()
            self.alerts.tell()

    def close(self) -> None:
        """Let another process have the database, and wake who waits; twice is allowed."""
        self._database.close()
        self.outbox.bell.ring()
        self._due.ring()


if TYPE_CHECKING:

    def _fits(store: Store) -> tuple[CameraStore, QueryStore, SilenceStore, SubscriptionStore]:
        """What the routes ask for is what they get: mypy compares the methods."""
        return store.cameras, store.queries, store.silences, store.subscriptions

    def _fits_alerts(store: Store) -> tuple[AlertStore, DeliveryQueue]:
        return store.alerts, store.deliveries

    def _fits_others(store: Store) -> tuple[DeadLetterStore, BlindStore]:
        return store.dead_letters, store.blind_periods


def open_store(
    url: str, vault: Vault, clock: Callable[[], float] = time.time, *, shared: bool = False
) -> Store:
    """The store in a SQLite file or on a PostgreSQL server, made or migrated if need be.

    On a server several processes may have it open, if all say that they share it: what one of
    them stores the others tell too, so they need one bus as well. A file is always one process's.

    Raises:
        StoreError: it cannot be opened; the sentence says why and what to do.
    """
    with ExitStack() as undo:
        database = _open(url, clock, shared)
        undo.callback(database.close)
        _check_key(database, vault)
        store = Store(database, vault)
        store.deliveries.release_all()
        database.hear(store.tell)
        undo.pop_all()
    return store


def ask_store(url: str) -> str:
    """What keeps the store, in a few words; nothing is made or changed there.

    Raises:
        StoreError: it cannot be used; the sentence says why and what to do.
    """
    parsed = _parsed(url)
    if parsed.drivername in POSTGRES:
        return ask_postgres(parsed)
    return f"SQLite, {Path(str(parsed.database)).absolute()}: for one process"


def _open(url: str, clock: Callable[[], float], shared: bool) -> Database:
    parsed = _parsed(url)
    if parsed.drivername in POSTGRES:
        return open_postgres(parsed, clock, shared)
    return open_sqlite(Path(str(parsed.database)).absolute(), clock)


def _parsed(url: str) -> sa.URL:
    try:
        parsed = sa.make_url(url)
    except (ArgumentError, ValueError) as error:
        raise _refused(url) from error
    is_file = parsed.get_backend_name() == "sqlite" and parsed.database not in (
        None,
        "",
        ":memory:",
    )
    if parsed.drivername not in POSTGRES and not is_file:
        raise _refused(url)
    return parsed


def _refused(url: str) -> StoreUrlError:
    return StoreUrlError(
        f"store.url is {redact(url)!r}: write sqlite:///folder/watchword.db, or "
        "sqlite:////folder/watchword.db from the root, for a file; or "
        "postgresql://user:password@host/database for a PostgreSQL server."
    )


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
