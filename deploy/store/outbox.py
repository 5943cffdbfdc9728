"""Changes of entities on their way to the topics (design 3.3)."""

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from deploy.store.bell import Bell
from deploy.store.database import Database
from deploy.store.schema import cameras, outbox, queries, silences
from streamer.bus import CAMERAS, QUERIES, SILENCES, Message, Topic

REVISION_HEADER = "revision"  # a removal has no value that could say it

_TABLES = ((cameras, CAMERAS), (queries, QUERIES), (silences, SILENCES))


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """A change that was stored and is to be published."""

    outbox_id: int
    message: Message


class Outbox:
    """Rows in the order of their revisions; one reader publishes them."""

    def __init__(self, database: Database) -> None:
        self.bell = Bell()
        self._database = database
        self._behind = True  # until it was seen empty; a failed publishing is tried again

    def put(
        self, connection: sa.Connection, topic: Topic, key: str, revision: int, value: str | None
    ) -> None:
        """Note a change in the transaction that makes it."""
        packed = None if value is None else value.encode()
        row = {"topic": topic.name, "key": key, "revision": revision, "value": packed}
        connection.execute(sa.insert(outbox).values(row))

    def seed(self) -> list[Message]:
        """All entities as they are now, for a bus that begins empty; nothing is pending then."""
        with self._database.write() as connection:
            connection.execute(_publish().where(outbox.c.published_at.is_(None)), self._now())
            return [
                _message(topic.name, row[0], row.revision, row.record.encode())
                for table, topic in _TABLES
                for row in connection.execute(sa.select(table).order_by(table.c.revision))
            ]

    def pending(self, limit: int) -> Sequence[OutboxRow]:
        """Up to `limit` rows that were not published, in order."""
        wanted = sa.select(outbox).where(outbox.c.published_at.is_(None))
        with self._database.read() as connection:
            rows = connection.execute(wanted.order_by(outbox.c.outbox_id).limit(limit)).all()
        self._behind = bool(rows)
        return [
            OutboxRow(row.outbox_id, _message(row.topic, row.key, row.revision, row.value))
            for row in rows
        ]

    def published(self, outbox_ids: Sequence[int]) -> None:
        """Note that these rows were published."""
        with self._database.write() as connection:
            connection.execute(_publish().where(outbox.c.outbox_id.in_(outbox_ids)), self._now())

    def wait(self, timeout: float) -> bool:
        """Whether there is something to publish: at once, or within `timeout` seconds."""
        return self.bell.wait(timeout) or self._behind

    def _now(self) -> dict[str, float]:
        return {"now": self._database.clock()}


def _publish() -> sa.Update:
    return sa.update(outbox).values(published_at=sa.bindparam("now"))


def _message(topic: str, key: str, revision: int, value: bytes | None) -> Message:
    return Message(topic, key, value, headers=((REVISION_HEADER, str(revision).encode()),))
