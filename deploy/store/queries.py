"""Standing queries, every version of them, and whether they are armed."""

import threading
from collections.abc import Sequence

import msgspec
import sqlalchemy as sa

from deploy.store.audit import Audit
from deploy.store.database import Database
from deploy.store.entities import Entities, Kind
from deploy.store.outbox import Outbox
from deploy.store.schema import queries, query_versions
from grounding.query_record import QueryRecord, QueryState, is_new_version
from streamer.bus import QUERIES
from streamer.errors import EntityNotFoundError


class Queries:
    """A `grounding.stores.QueryStore`.

    What `arm` said is not kept: text features are published anew at each start.
    """

    def __init__(self, database: Database, outbox: Outbox, audit: Audit) -> None:
        self.rows = Entities(database, _KIND, outbox, audit)
        self._database = database
        self._armed: dict[str, tuple[int, dict[str, str]]] = {}  # id -> version, space -> problem
        self._lock = threading.Lock()

    def add(self, query: QueryRecord, by: str) -> QueryRecord:
        """See `QueryStore.add`."""
        return self.rows.add(query, by, self.first)

    def get(self, query_id: str) -> QueryRecord:
        """See `QueryStore.get`."""
        return self.rows.get(query_id)

    def page(self, after: str, limit: int) -> Sequence[QueryRecord]:
        """See `QueryStore.page`."""
        return self.rows.page(after, limit)

    def replace(self, query: QueryRecord, by: str) -> QueryRecord:
        """See `QueryStore.replace`."""
        return self.rows.replace(query, by, self.following)

    def remove(self, query_id: str, by: str) -> None:
        """See `QueryStore.remove`."""
        self.rows.remove(query_id, by)
        with self._lock:
            self._armed.pop(query_id, None)

    def version(self, query_id: str, version: int) -> QueryRecord:
        """The query as it was when the version began, also of one that was removed.

        Raises:
            EntityNotFoundError: there was never such a version.
        """
        wanted = sa.select(query_versions.c.record).where(
            query_versions.c.query_id == query_id, query_versions.c.version == version
        )
        with self._database.read() as connection:
            record = connection.execute(wanted).scalar()
        if record is None:
            raise EntityNotFoundError(f"There is no version {version} of a query {query_id!r}.")
        return msgspec.json.decode(record, type=QueryRecord)

    def state(self, query: QueryRecord) -> QueryState:
        """See `QueryStore.state`."""
        if query.wanted != "armed":
            return query.wanted
        return "armed" if "" in self._problems(query.query_id, query.version) else "pending"

    def problem(self, query_id: str) -> str:
        """Why the query cannot be watched for, "" if nothing is known against it.

        Raises:
            EntityNotFoundError: there is none of that id.
        """
        problems = self._problems(query_id, self.get(query_id).version)
        return "" if "" in problems else next(iter(problems), "")

    def arm(self, query_id: str, version: int, space_id: str, problem: str = "") -> None:
        """The text features of a version are known in a space; or cannot be, for a problem."""
        with self._lock:
            known, problems = self._armed.get(query_id, (0, {}))
            if version > known:
                problems = {}
            if version >= known:
                self._armed[query_id] = version, {**problems, space_id: problem}

    def first(self, connection: sa.Connection, query: QueryRecord) -> QueryRecord:
        """The query as it begins: with a version that none of its id ever had, effective now."""
        last = sa.select(sa.func.max(query_versions.c.version)).where(
            query_versions.c.query_id == query.query_id
        )
        return self._begin(connection, query, (connection.execute(last).scalar() or 0) + 1)

    def following(
        self, connection: sa.Connection, before: QueryRecord, query: QueryRecord
    ) -> QueryRecord:
        """The query as it goes on: in a new version if the change asks for one."""
        armed_again = query.wanted == "armed" and before.wanted != "armed"
        if armed_again or is_new_version(before, query):
            return self._begin(connection, query, before.version + 1)
        return msgspec.structs.replace(
            query, version=before.version, effective_at=before.effective_at
        )

    def _begin(self, connection: sa.Connection, query: QueryRecord, version: int) -> QueryRecord:
        now = self._database.clock()
        begun = msgspec.structs.replace(query, version=version, effective_at=now)
        record = msgspec.json.encode(begun).decode()
        row = {"query_id": query.query_id, "version": version, "record": record}
        connection.execute(sa.insert(query_versions).values(row))
        return begun

    def _problems(self, query_id: str, version: int) -> Sequence[str]:
        with self._lock:
            known, problems = self._armed.get(query_id, (0, {}))
            return list(problems.values()) if known == version else []


_KIND = Kind(
    name="query",
    table=queries,
    record=QueryRecord,
    topic=QUERIES,
    columns=lambda query: {"declared": query.declared},
    shown=msgspec.to_builtins,
)
