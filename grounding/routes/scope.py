"""Which queries and cameras something is about: the names are checked against those there are."""

from collections.abc import Iterable

from grounding.stores import QueryStore
from streamer.camera_store import CameraStore
from streamer.entity_id import check_known


def check_cameras(patterns: Iterable[str], store: CameraStore) -> None:
    """Raise EntityInvalidError for a camera id that no camera has."""
    check_known(patterns, "camera", store, lambda camera: camera.camera_id)


def check_queries(patterns: Iterable[str], store: QueryStore) -> None:
    """Raise EntityInvalidError for a query id that no query has."""
    check_known(patterns, "query", store, lambda query: query.query_id)
