"""The entities of the configuration file: the store follows the file, whatever it held before."""

from collections.abc import Sequence

import msgspec
import sqlalchemy as sa

from deploy.store.cameras import Cameras
from deploy.store.database import Database
from deploy.store.outbox import Outbox
from deploy.store.queries import Queries
from deploy.store.schema import cameras as camera_table
from deploy.store.schema import queries as query_table
from grounding.query_record import QueryRecord
from streamer.camera_record import CameraRecord

BY = "configuration"  # as the audit names it


class Declaration:
    """Makes what stands in the configuration file so, as one change."""

    def __init__(
        self, database: Database, cameras: Cameras, queries: Queries, outbox: Outbox
    ) -> None:
        self._database = database
        self._cameras = cameras
        self._queries = queries
        self._outbox = outbox

    def declare(self, cameras: Sequence[CameraRecord], queries: Sequence[QueryRecord]) -> None:
        """Add, change and remove declared entities; what did not change is left alone.

        One that was registered otherwise under a declared id becomes the declared one.
        """
        with self._database.write() as connection:
            self._declare_cameras(connection, cameras)
            self._declare_queries(connection, queries)
        self._outbox.bell.ring()

    def _declare_cameras(self, connection: sa.Connection, cameras: Sequence[CameraRecord]) -> None:
        rows = self._cameras.rows
        listed = {camera.camera_id for camera in cameras}
        for former in rows.matching(connection, camera_table.c.declared):
            if former.camera_id not in listed:
                rows.delete(connection, former, BY)
        for camera in cameras:
            wanted = msgspec.structs.replace(camera, declared=True)
            before = rows.find(connection, camera.camera_id)
            if before is None:
                rows.insert(connection, wanted, BY)
            elif _given(before) != _given(wanted):
                rows.update(connection, before, wanted, BY, "declared")

    def _declare_queries(self, connection: sa.Connection, queries: Sequence[QueryRecord]) -> None:
        rows = self._queries.rows
        listed = {query.query_id for query in queries}
        for former in rows.matching(connection, query_table.c.declared):
            if former.query_id not in listed:
                rows.delete(connection, former, BY)
        for query in queries:
            wanted = msgspec.structs.replace(query, declared=True)
            before = rows.find(connection, query.query_id)
            if before is None:
                rows.insert(connection, self._queries.first(connection, wanted), BY)
            elif _given(before) != _given(wanted):
                following = self._queries.following(connection, before, wanted)
                rows.update(connection, before, following, BY, "declared")


def _given(record: CameraRecord | QueryRecord) -> CameraRecord | QueryRecord:
    """The record without what the store gives it."""
    plain = msgspec.structs.replace(record, revision=0, created_at=0.0, updated_at=0.0)
    if isinstance(plain, QueryRecord):
        return msgspec.structs.replace(plain, version=1, effective_at=0.0)
    return plain
