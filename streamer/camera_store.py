"""What the camera routes need of a store."""

from collections.abc import Sequence
from typing import Protocol

from streamer.camera_record import CameraRecord
from streamer.health import CameraHealth


class CameraStore(Protocol):
    """Registered cameras. `by` names who asked, for the audit; a write is durable on return."""

    def add(self, camera: CameraRecord, by: str) -> CameraRecord:
        """Store a new camera; returns it with its revision and times.

        Raises:
            EntityExistsError: the id is taken.
        """

    def get(self, camera_id: str) -> CameraRecord:
        """The camera.

        Raises:
            EntityNotFoundError: there is none of that id.
        """

    def page(self, after: str, limit: int) -> Sequence[CameraRecord]:
        """Up to `limit` cameras with ids after `after` ("" from the first), in the order of ids."""

    def replace(self, camera: CameraRecord, by: str) -> CameraRecord:
        """Store a changed camera; `camera.revision` is the one that was read.

        Raises:
            EntityNotFoundError: there is none of that id.
            EntityChangedError: somebody changed it since.
            EntityReadOnlyError: it stands in the configuration file.
        """

    def remove(self, camera_id: str, by: str) -> None:
        """Forget a camera; its alerts stay.

        Raises:
            EntityNotFoundError: there is none of that id.
            EntityReadOnlyError: it stands in the configuration file.
        """

    def health(self, camera_id: str) -> CameraHealth | None:
        """How it fares now; None while its streamer has said nothing."""
