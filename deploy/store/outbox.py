"""Changes of entities, and what was thought of alerts, on their way to the topics (design 3.3)."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from deploy.errors import StoreError
from deploy.store.bell import Bell
from deploy.store.database import Database
from deploy.store.schema import cameras, outbox, queries, silences
from streamer.bus import CAMERAS, QUERIES, SILENCES, Message, Topic

REVISION_HEADER = "revision"  # a removal has no value that could say it

OUTBOX_NEWS = "outbox"  # as other processes hear of changes

_TABLES = ((cameras, CAMERAS), (queries, QUERIES), (silences, SILENCES))
_OF_ENTITIES = frozenset(topic.name for _, topic in _TABLES)


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """A change that was stored and is to be published."""

    outbox_id: int
    message: Message

    @property
    def is_state(self) -> bool:
        """Whether a later message of its key makes it needless."""
        return self.message.topic in _OF_ENTITIES


@dataclass(frozen=True, slots=True)
class Seed:
    """Everything as it was at a moment, and the newest row that this makes needless."""

    messages: Sequence[Message]
    through: int


class Outbox:
    """Rows in the order of their revisions; whoever has the turn publishes them.

    `doubtful` says that this process may have lost its turn while it published: another may have
    published newer revisions before this one's older ones, and all must be told once more.
    """

    def __init__(self, database: Database) -> None:
        self.bell = Bell()
        self._database = database
        self._behind = True  # until it was seen empty; a failed publishing is tried again
        self.doubtful = False

    def put(
        self, connection: sa.Connection, topic: Topic, key: str, revision: int, value: str | None
    ) -> None:
        """Note a change in the transaction that makes it."""
        packed = None if value is None else value.encode()
        row = {"topic": topic.name, "key": key, "revision": revision, "value": packed}
        connection.execute(sa.insert(outbox).values(row))
        self._database.announce(connection, OUTBOX_NEWS)

    @contextmanager
    def turn(self, wait: bool = False) -> Iterator[bool]:
        """Whether this process may publish while the block lasts; with `wait` once it may.

        Raises:
            StoreError: the turn may have been lost before the block ended.
        """
        mine = False
        try:
            with self._database.turn(wait) as mine:
                self._behind = True  # what another leaves behind is looked for again
                yield mine
        except StoreError:
            self.doubtful |= mine and self._database.several
            raise

    def seed(self) -> Seed:
        """Every entity as it is now, and what was not published yet of removals and feedback."""
        with self._database.read() as connection:
            messages = [
                _message(topic.name, row[0], row.revision, row.record.encode())
                for table, topic in _TABLES
                for row in connection.execute(sa.select(table).order_by(table.c.revision))
            ]
            waiting = connection.execute(
                sa.select(outbox)
                .where(outbox.c.published_at.is_(None))
                .order_by(outbox.c.outbox_id)
            ).all()
        known = {_place(message) for message in messages}
        rows = [_row(row) for row in waiting]
        gone = [row.message for row in rows if row.is_state and _place(row.message) not in known]
        removed = {_place(message): message for message in gone}
        said = [row.message for row in rows if not row.is_state]
        return Seed([*removed.values(), *messages, *said], rows[-1].outbox_id if rows else 0)

    def seeded(self, seed: Seed) -> None:
        """Note that all of it was published."""
        with self._database.write(beside=True) as connection:
            covered = outbox.c.published_at.is_(None), outbox.c.outbox_id <= seed.through
            connection.execute(_publish().where(*covered), self._now())
        self.doubtful = False

    def pending(self, limit: int) -> Sequence[OutboxRow]:
        """Up to `limit` rows that were not published, in order."""
        wanted = sa.select(outbox).where(outbox.c.published_at.is_(None))
        with self._database.read() as connection:
            rows = connection.execute(wanted.order_by(outbox.c.outbox_id).limit(limit)).all()
        self._behind = bool(rows)
        return [_row(row) for row in rows]

    def published(self, outbox_ids: Sequence[int]) -> None:
        """Note that these rows were published."""
        with self._database.write(beside=True) as connection:
            connection.execute(_publish().where(outbox.c.outbox_id.in_(outbox_ids)), self._now())

    def wait(self, timeout: float) -> bool:
        """Whether there is something to publish: at once, or within `timeout` seconds."""
        return self.bell.wait(timeout) or self._behind

    def _now(self) -> dict[str, float]:
        return {"now": self._database.clock()}


def _publish() -> sa.Update:
    return sa.update(outbox).values(published_at=sa.bindparam("now"))


def _place(message: Message) -> tuple[str, str]:
    return message.topic, message.key


def _row(row: sa.Row[Any]) -> OutboxRow:
    return OutboxRow(row.outbox_id, _message(row.topic, row.key, row.revision, row.value))


def _message(topic: str, key: str, revision: int, value: bytes | None) -> Message:
    return Message(topic, key, value, headers=((REVISION_HEADER, str(revision).encode()),))
