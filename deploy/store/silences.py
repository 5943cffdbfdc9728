"""Silences."""

from collections.abc import Sequence

import msgspec
import sqlalchemy as sa

from deploy.store.audit import Audit
from deploy.store.database import Database
from deploy.store.entities import Entities, Kind
from deploy.store.outbox import Outbox
from deploy.store.schema import silences
from grounding.silence import Silence
from streamer.bus import SILENCES


class Silences:
    """A `grounding.stores.SilenceStore`."""

    def __init__(self, database: Database, outbox: Outbox, audit: Audit) -> None:
        self.rows = Entities(database, _KIND, outbox, audit)

    def add(self, silence: Silence, by: str) -> Silence:
        """See `SilenceStore.add`."""
        return self.rows.add(silence, by)

    def get(self, silence_id: str) -> Silence:
        """See `SilenceStore.get`."""
        return self.rows.get(silence_id)

    def page(self, after: str, limit: int) -> Sequence[Silence]:
        """See `SilenceStore.page`."""
        return self.rows.page(after, limit)

    def remove(self, silence_id: str, by: str) -> None:
        """See `SilenceStore.remove`."""
        self.rows.remove(silence_id, by)

    def around(self, connection: sa.Connection, first: float, last: float) -> list[Silence]:
        """The silences that hold at some time from `first` to `last`."""
        return self.rows.matching(
            connection, silences.c.ends_at > first, silences.c.starts_at <= last
        )


_KIND = Kind(
    name="silence",
    table=silences,
    record=Silence,
    topic=SILENCES,
    columns=lambda silence: {"starts_at": silence.starts_at, "ends_at": silence.ends_at},
    shown=msgspec.to_builtins,
)
