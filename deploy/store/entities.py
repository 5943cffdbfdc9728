"""What all registered things have in common: a row, its outbox row and its audit entry, as one."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import msgspec
import sqlalchemy as sa

from deploy.store.audit import Audit, AuditEntry
from deploy.store.database import Database
from deploy.store.outbox import Outbox
from deploy.store.schema import meta
from grounding.alert_subscription import AlertSubscription
from grounding.query_record import QueryRecord
from grounding.silence import Silence
from streamer.bus import Topic
from streamer.camera_record import CameraRecord
from streamer.errors import (
    EntityChangedError,
    EntityExistsError,
    EntityNotFoundError,
    EntityReadOnlyError,
)

REVISION = "revision"  # the row of `meta` that counts changes of entities, over all of them

T = TypeVar("T", bound=CameraRecord | QueryRecord | Silence | AlertSubscription)


@dataclass(frozen=True, slots=True)
class Kind(Generic[T]):
    """A kind of entity: how it is called, kept, published, and shown in the audit."""

    name: str
    table: sa.Table  # its first column is the id
    record: type[T]
    topic: Topic | None
    columns: Callable[[T], Mapping[str, Any]]  # beside id, revision and record
    shown: Callable[[T], Mapping[str, Any]]  # without secrets

    @property
    def id_column(self) -> sa.Column[str]:
        """The column of the id."""
        return self.table.primary_key.columns[0]

    def id_of(self, entity: T) -> str:
        """The id of an entity."""
        found: str = getattr(entity, self.id_column.name)
        return found


class Entities(Generic[T]):
    """The rows of one kind.

    The public methods are whole transactions; those that take a connection are parts of one, and
    whoever made it rings the outbox's bell.
    """

    def __init__(self, database: Database, kind: Kind[T], outbox: Outbox, audit: Audit) -> None:
        self.kind = kind
        self._database = database
        self._outbox = outbox
        self._audit = audit

    def get(self, entity_id: str) -> T:
        """The entity; raises EntityNotFoundError."""
        with self._database.read() as connection:
            return self.known(connection, entity_id)

    def page(self, after: str, limit: int) -> Sequence[T]:
        """Up to `limit` entities with ids after `after`, in the order of ids."""
        key = self.kind.id_column
        wanted = sa.select(self.kind.table).where(key > after).order_by(key).limit(limit)
        with self._database.read() as connection:
            return [self._decode(row) for row in connection.execute(wanted)]

    def add(self, entity: T, by: str, settle: Callable[[sa.Connection, T], T] | None = None) -> T:
        """Store a new one, as `settle` changes it; raises EntityExistsError."""
        with self._database.write() as connection:
            if self.find(connection, self.kind.id_of(entity)) is not None:
                raise EntityExistsError(
                    f"There is a {self.kind.name} {self.kind.id_of(entity)!r} already: "
                    "choose another id, or change that one."
                )
            settled = settle(connection, entity) if settle else entity
            stored = self.insert(connection, settled, by)
        self._outbox.bell.ring()
        return stored

    def replace(
        self, entity: T, by: str, settle: Callable[[sa.Connection, T, T], T] | None = None
    ) -> T:
        """Store a changed one, as `settle` (the connection, the former, the new) changes it.

        Raises EntityNotFoundError, EntityReadOnlyError or EntityChangedError.
        """
        with self._database.write() as connection:
            before = self.writable(connection, self.kind.id_of(entity))
            if before.revision != entity.revision:
                raise EntityChangedError(
                    f"The {self.kind.name} {self.kind.id_of(entity)!r} was changed meanwhile "
                    f"(revision {before.revision}, not {entity.revision}): read it again."
                )
            settled = settle(connection, before, entity) if settle else entity
            stored = self.update(connection, before, settled, by)
        self._outbox.bell.ring()
        return stored

    def remove(self, entity_id: str, by: str) -> None:
        """Forget one; raises EntityNotFoundError or EntityReadOnlyError."""
        with self._database.write() as connection:
            self.delete(connection, self.writable(connection, entity_id), by)
        self._outbox.bell.ring()

    def find(self, connection: sa.Connection, entity_id: str) -> T | None:
        """The entity, if there is one."""
        wanted = sa.select(self.kind.table).where(self.kind.id_column == entity_id)
        row = connection.execute(wanted).first()
        return None if row is None else self._decode(row)

    def known(self, connection: sa.Connection, entity_id: str) -> T:
        """The entity; raises EntityNotFoundError."""
        if (entity := self.find(connection, entity_id)) is None:
            raise EntityNotFoundError(f"There is no {self.kind.name} {entity_id!r}.")
        return entity

    def writable(self, connection: sa.Connection, entity_id: str) -> T:
        """The entity; raises EntityNotFoundError or EntityReadOnlyError."""
        entity = self.known(connection, entity_id)
        if getattr(entity, "declared", False):
            raise EntityReadOnlyError(
                f"The {self.kind.name} {entity_id!r} stands in the configuration file: "
                "change it there."
            )
        return entity

    def matching(self, connection: sa.Connection, *wanted: sa.ColumnElement[bool]) -> list[T]:
        """The entities whose columns fit, in the order of ids."""
        query = sa.select(self.kind.table).where(*wanted).order_by(self.kind.id_column)
        return [self._decode(row) for row in connection.execute(query)]

    def insert(self, connection: sa.Connection, entity: T, by: str) -> T:
        """Store one whose id is free."""
        now = self._database.clock()
        stored = self._stamped(connection, entity, created_at=now, updated_at=now)
        connection.execute(sa.insert(self.kind.table).values(self._row(stored)))
        self._note(connection, "added", by, None, stored)
        return stored

    def update(
        self, connection: sa.Connection, before: T, entity: T, by: str, action: str = "changed"
    ) -> T:
        """Store one in place of `before`."""
        stored = self._stamped(
            connection, entity, created_at=before.created_at, updated_at=self._database.clock()
        )
        place = self.kind.id_column == self.kind.id_of(before)
        connection.execute(sa.update(self.kind.table).where(place).values(self._row(stored)))
        self._note(connection, action, by, before, stored)
        return stored

    def delete(self, connection: sa.Connection, before: T, by: str) -> None:
        """Forget one."""
        place = self.kind.id_column == self.kind.id_of(before)
        connection.execute(sa.delete(self.kind.table).where(place))
        self._note(connection, "removed", by, before, None)

    def _stamped(self, connection: sa.Connection, entity: T, **times: float) -> T:
        known = {name: at for name, at in times.items() if name in entity.__struct_fields__}
        return msgspec.structs.replace(entity, revision=next_revision(connection), **known)

    def _row(self, entity: T) -> dict[str, Any]:
        return {
            self.kind.id_column.name: self.kind.id_of(entity),
            "revision": entity.revision,
            "record": msgspec.json.encode(entity).decode(),
            **self.kind.columns(entity),
        }

    def _decode(self, row: sa.Row[Any]) -> T:
        return msgspec.json.decode(row.record, type=self.kind.record)

    def _note(
        self, connection: sa.Connection, action: str, by: str, before: T | None, after: T | None
    ) -> None:
        entity = after or before
        assert entity is not None
        entity_id = self.kind.id_of(entity)
        if self.kind.topic is not None:
            revision = after.revision if after else next_revision(connection)
            value = msgspec.json.encode(after).decode() if after else None
            self._outbox.put(connection, self.kind.topic, entity_id, revision, value)
        entry = AuditEntry(
            by=by,
            action=action,
            kind=self.kind.name,
            entity_id=entity_id,
            before=self.kind.shown(before) if before else None,
            after=self.kind.shown(after) if after else None,
        )
        self._audit.put(connection, entry)


def next_revision(connection: sa.Connection) -> int:
    """A revision above all before it; whoever takes one holds the row until the commit."""
    place = meta.c.name == REVISION
    found = connection.execute(sa.select(meta.c.value).where(place).with_for_update()).scalar()
    if found is None:
        connection.execute(sa.insert(meta).values(name=REVISION, value="1"))
        return 1
    revision = int(found) + 1
    connection.execute(sa.update(meta).where(place).values(value=str(revision)))
    return revision
