"""Registered cameras, and how they fare."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from deploy.store.audit import Audit
from deploy.store.database import Database
from deploy.store.entities import Entities, Kind
from deploy.store.outbox import Outbox
from deploy.store.schema import cameras
from streamer.address import redact
from streamer.bus import CAMERAS
from streamer.camera_record import CameraRecord
from streamer.health import CameraHealth


class Cameras:
    """A `streamer.camera_store.CameraStore`.

    How a camera fares is not kept: after a restart nothing is known until its streamer speaks.
    """

    def __init__(self, database: Database, outbox: Outbox, audit: Audit) -> None:
        self.rows = Entities(database, _KIND, outbox, audit)
        self._database = database
        self._health: dict[str, CameraHealth] = {}  # replaced and read whole: no lock

    def add(self, camera: CameraRecord, by: str) -> CameraRecord:
        """See `CameraStore.add`."""
        return self.rows.add(camera, by)

    def get(self, camera_id: str) -> CameraRecord:
        """See `CameraStore.get`."""
        return self.rows.get(camera_id)

    def page(self, after: str, limit: int) -> Sequence[CameraRecord]:
        """See `CameraStore.page`."""
        return self.rows.page(after, limit)

    def replace(self, camera: CameraRecord, by: str) -> CameraRecord:
        """See `CameraStore.replace`."""
        return self.rows.replace(camera, by)

    def remove(self, camera_id: str, by: str) -> None:
        """See `CameraStore.remove`."""
        self.rows.remove(camera_id, by)
        self._health.pop(camera_id, None)

    def health(self, camera_id: str) -> CameraHealth | None:
        """See `CameraStore.health`."""
        return self._health.get(camera_id)

    def note_health(self, health: CameraHealth) -> None:
        """Take in how a camera fares now; the last word of a removed one is not kept."""
        with self._database.read() as connection:
            if self.rows.find(connection, health.camera_id) is not None:
                self._health[health.camera_id] = health


def _shown(camera: CameraRecord) -> Mapping[str, Any]:
    fields: dict[str, Any] = msgspec.to_builtins(camera)
    if camera.credentials is not None:
        fields["credentials"] = "sealed" if camera.credentials.sealed else "environment"
    return fields | {"source": redact(camera.source)}


_KIND = Kind(
    name="camera",
    table=cameras,
    record=CameraRecord,
    topic=CAMERAS,
    columns=lambda camera: {"declared": camera.declared},
    shown=_shown,
)
