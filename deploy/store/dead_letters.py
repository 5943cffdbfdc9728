"""Dead letters: each once, the newest of them."""

from collections.abc import Sequence
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from deploy.metrics import STORE_OVER_BOUND
from deploy.store.audit import Audit, AuditEntry
from deploy.store.database import Database
from deploy.store.schema import dead_letters
from encoder.stored_dead_letter import (
    DeadLetter,
    DeadLetterFilter,
    Headers,
    WholeDeadLetter,
    weight_of,
)
from streamer.errors import EntityNotFoundError

MOST_LETTERS = 1_000
MOST_BYTES = 256 * 1024 * 1024  # of records, all letters together

_FACTS = [one for one in dead_letters.c if one.name not in ("headers", "value", "kept_bytes")]


class DeadLetters:
    """An `encoder.dead_letter_store.DeadLetterStore`, and what writes it."""

    def __init__(self, database: Database, audit: Audit) -> None:
        self._database = database
        self._audit = audit

    def write(self, letters: Sequence[WholeDeadLetter]) -> int:
        """Keep those that are new; returns how many. The oldest make room, and are counted."""
        with self._database.write() as connection:
            taken = sum(self._take(connection, letter) for letter in letters)
            removed = _make_room(connection) if taken else 0
        if removed:
            STORE_OVER_BOUND.labels("dead letter").inc(removed)
        return taken

    def page(self, wanted: DeadLetterFilter, before: int, limit: int) -> Sequence[DeadLetter]:
        """See `DeadLetterStore.page`."""
        found = sa.select(*_FACTS)
        if wanted.topics:
            found = found.where(dead_letters.c.topic.in_(wanted.topics))
        if wanted.replayed is not None:
            at = dead_letters.c.replayed_at
            found = found.where(at.is_not(None) if wanted.replayed else at.is_(None))
        if before:
            found = found.where(dead_letters.c.sequence < before)
        with self._database.read() as connection:
            rows = connection.execute(found.order_by(dead_letters.c.sequence.desc()).limit(limit))
            return [_letter(row) for row in rows]

    def get(self, letter_id: str) -> WholeDeadLetter:
        """See `DeadLetterStore.get`."""
        wanted = sa.select(dead_letters).where(dead_letters.c.letter_id == letter_id)
        with self._database.read() as connection:
            row = connection.execute(wanted).first()
        if row is None:
            raise _unknown(letter_id)
        fields = row._asdict()
        del fields["kept_bytes"]
        headers = msgspec.msgpack.decode(fields.pop("headers"), type=Headers)
        return WholeDeadLetter(**fields, headers=headers)

    def note_replay(self, letter_id: str, by: str) -> DeadLetter:
        """See `DeadLetterStore.note_replay`."""
        place = dead_letters.c.letter_id == letter_id
        entry = AuditEntry(by=by, action="replayed", kind="dead letter", entity_id=letter_id)
        with self._database.write() as connection:
            noted = {"replayed_at": self._database.clock()}
            connection.execute(sa.update(dead_letters).where(place).values(noted))
            row = connection.execute(sa.select(*_FACTS).where(place)).first()
            if row is None:
                raise _unknown(letter_id)
            self._audit.put(connection, entry)
            return _letter(row)

    def _take(self, connection: sa.Connection, letter: WholeDeadLetter) -> bool:
        row = msgspec.structs.asdict(letter) | {
            "headers": msgspec.msgpack.encode(letter.headers),
            "kept_bytes": weight_of(letter) if letter.kept else 0,
            "arrived_at": self._database.clock(),
        }
        del row["sequence"]
        insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
        known_or_new = insert(dead_letters).values(row).on_conflict_do_nothing()
        added = connection.execute(known_or_new.returning(dead_letters.c.sequence))
        return added.first() is not None


def _make_room(connection: sa.Connection) -> int:
    """Remove the oldest beyond what is kept; returns how many."""
    newest_first = dead_letters.c.sequence.desc()
    counted = sa.select(
        dead_letters.c.sequence,
        sa.func.row_number().over(order_by=newest_first).label("number"),
        sa.func.sum(dead_letters.c.kept_bytes).over(order_by=newest_first).label("bytes"),
    ).subquery()
    over = sa.or_(counted.c.number > MOST_LETTERS, counted.c.bytes > MOST_BYTES)
    last = connection.execute(sa.select(sa.func.max(counted.c.sequence)).where(over)).scalar()
    if last is None:
        return 0
    gone = connection.execute(sa.delete(dead_letters).where(dead_letters.c.sequence <= last))
    return gone.rowcount


def _letter(row: sa.Row[Any]) -> DeadLetter:
    return DeadLetter(**row._asdict())


def _unknown(letter_id: str) -> EntityNotFoundError:
    return EntityNotFoundError(f"There is no dead letter {letter_id!r}.")
