"""Who changed what, and when; secrets never stand here."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from deploy.store.database import Database
from deploy.store.schema import audit


class AuditEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One change at `at` (UTC seconds); `before` and `after` are the fields shown to anyone."""

    audit_id: int = 0  # given by the store
    at: float = 0.0  # given by the store
    by: str
    action: str  # added, changed, removed, declared, disabled, acknowledged, judged
    kind: str  # camera, query, silence, subscription, alert
    entity_id: str
    before: Mapping[str, Any] | None = None
    after: Mapping[str, Any] | None = None


class Audit:
    """The audit: written with each change, read newest first."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, connection: sa.Connection, entry: AuditEntry) -> None:
        """Note a change in the transaction that makes it."""
        row = {
            "at": self._database.clock(),
            "by": entry.by,
            "action": entry.action,
            "kind": entry.kind,
            "entity_id": entry.entity_id,
            "before": _pack(entry.before),
            "after": _pack(entry.after),
        }
        connection.execute(sa.insert(audit).values(row))

    def page(self, before: int, limit: int) -> Sequence[AuditEntry]:
        """Up to `limit` entries older than the entry `before`, newest first; 0 means all."""
        wanted = sa.select(audit).order_by(audit.c.audit_id.desc()).limit(limit)
        if before:
            wanted = wanted.where(audit.c.audit_id < before)
        with self._database.read() as connection:
            return [_entry(row) for row in connection.execute(wanted)]


def _pack(fields: Mapping[str, Any] | None) -> str | None:
    return None if fields is None else msgspec.json.encode(fields).decode()


def _entry(row: sa.Row[Any]) -> AuditEntry:
    return AuditEntry(
        audit_id=row.audit_id,
        at=row.at,
        by=row.by,
        action=row.action,
        kind=row.kind,
        entity_id=row.entity_id,
        before=row.before and msgspec.json.decode(row.before),
        after=row.after and msgspec.json.decode(row.after),
    )
