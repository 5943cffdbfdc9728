"""`/v1/cameras/{id}/snapshot.jpg`: what a camera saw last."""

from contextlib import ExitStack
from datetime import UTC, datetime

from fastapi import APIRouter
from starlette.responses import Response

from streamer.camera_store import CameraStore
from streamer.errors import EvidenceMissingError
from streamer.evidence.find import newest_snapshot
from streamer.evidence.shelf import Shelf
from streamer.file_reply import Range, file_reply
from streamer.problem import problems
from streamer.routes import CameraPath

_AT = "X-Watchword-At"
_PICTURE = {"image/jpeg": {"schema": {"type": "string", "format": "binary"}}}
_HEADERS = {_AT: {"description": "When it was seen, RFC 3339.", "schema": {"type": "string"}}}


def snapshot_routes(store: CameraStore, shelf: Shelf | None) -> APIRouter:
    """The route; without a shelf it says that there are no snapshots."""
    routes = APIRouter(prefix="/v1/cameras", tags=["cameras"])

    @routes.get(
        "/{camera_id}/snapshot.jpg",
        operation_id="get_camera_snapshot",
        summary="See what a camera saw last, with its masks",
        response_class=Response,
        responses={
            200: {
                "description": "A picture, some seconds old.",
                "content": _PICTURE,
                "headers": _HEADERS,
            },
            206: {"description": "The bytes asked for.", "content": _PICTURE, "headers": _HEADERS},
            **problems(404, 416, 422),
        },
    )
    def get_snapshot(camera_id: CameraPath, asked: Range = None) -> Response:
        camera = store.get(camera_id)
        if shelf is None:
            raise EvidenceMissingError(
                "This server keeps no snapshots: set storage.evidence in its configuration."
            )
        snapshot = newest_snapshot(shelf, camera_id, camera.masks)
        at = datetime.fromtimestamp(snapshot.at_ms / 1000, UTC).isoformat(timespec="milliseconds")
        with ExitStack() as stack:
            path = stack.enter_context(shelf.opened(snapshot.name))
            told = {_AT: at.replace("+00:00", "Z"), "Cache-Control": "no-store"}
            return file_reply(path, stack.pop_all(), "image/jpeg", asked, told)

    return routes
