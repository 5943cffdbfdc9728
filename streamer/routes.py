"""`/v1/cameras`; deploy mounts it."""

from typing import Annotated, Protocol

from fastapi import APIRouter, Path, Response

from streamer import camera_shape as shape
from streamer.address import redact
from streamer.caller import Caller
from streamer.camera_record import CameraRecord, Credentials
from streamer.camera_store import CameraStore
from streamer.entity_id import ENTITY_ID
from streamer.paging import DEFAULT_LIMIT, Cursor, Limit, cut_page, unpack_cursor
from streamer.problem import problems
from streamer.registration import keeps_credentials
from streamer.revision import CREATED, WITH_ETAG, IfMatch, change_entity, etag, require_match
from streamer.shape import patched

CameraPath = Annotated[str, Path(pattern=ENTITY_ID, description="The camera's id.")]


class CameraRegistration(Protocol):
    """Checks where a camera leads."""

    def prepare(
        self, source: str, credentials_environment: str | None = None
    ) -> tuple[str, Credentials | None]:
        """The source without user info, and where its secret is.

        Raises:
            SourceError: it is no source, or leads where this server may not connect.
            EntityInvalidError: the two cannot be meant together.
        """

    def prepare_sub(self, sub_source: str, source: str) -> str:
        """A second URL of a camera without user info; `source` is the first, as it was given.

        Raises as `prepare`.
        """


def camera_routes(store: CameraStore, registration: CameraRegistration) -> APIRouter:
    """The routes of a store of cameras."""
    routes = APIRouter(prefix="/v1/cameras", tags=["cameras"])
    _add_reading(routes, store)
    _add_creating(routes, store, registration)
    _add_changing(routes, store, registration)
    _add_removing(routes, store)
    return routes


def _add_reading(routes: APIRouter, store: CameraStore) -> None:
    @routes.get(
        "", operation_id="list_cameras", summary="List the cameras", responses=problems(422)
    )
    def list_cameras(limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None) -> shape.CameraPage:
        rows = store.page(unpack_cursor(cursor), limit + 1)
        page, following = cut_page(rows, limit, lambda camera: camera.camera_id)
        items = [shape.reply(camera, store.health(camera.camera_id)) for camera in page]
        return shape.CameraPage(items=items, next=following)

    @routes.get(
        "/{camera_id}",
        operation_id="get_camera",
        summary="Show a camera and how it fares",
        responses={200: WITH_ETAG, **problems(404, 422)},
    )
    def get_camera(camera_id: CameraPath, response: Response) -> shape.CameraReply:
        return _tell(store, store.get(camera_id), response)


def _add_creating(routes: APIRouter, store: CameraStore, registration: CameraRegistration) -> None:
    @routes.post(
        "",
        status_code=201,
        operation_id="add_camera",
        summary="Watch a camera",
        responses={201: CREATED, **problems(400, 409, 413, 422, 507)},
    )
    def add_camera(asked: shape.CameraRequest, by: Caller, response: Response) -> shape.CameraReply:
        source, credentials = registration.prepare(asked.source, asked.credentials_environment)
        new = CameraRecord(camera_id=asked.id, source=source)
        sub_source = _sub_source(new, asked, registration)
        added = store.add(shape.apply(new, asked, source, credentials, sub_source), by)
        response.headers["Location"] = f"{routes.prefix}/{added.camera_id}"
        return _tell(store, added, response)


def _add_changing(routes: APIRouter, store: CameraStore, registration: CameraRegistration) -> None:
    @routes.patch(
        "/{camera_id}",
        operation_id="change_camera",
        summary="Change what is named of a camera",
        responses={200: WITH_ETAG, **problems(400, 404, 409, 412, 413, 422, 507)},
    )
    def change_camera(
        camera_id: CameraPath,
        change: shape.CameraChange,
        by: Caller,
        response: Response,
        if_match: IfMatch = None,
    ) -> shape.CameraReply:
        changed = change_entity(
            lambda: store.get(camera_id),
            lambda camera: _changed(camera, change, registration),
            lambda camera: store.replace(camera, by),
            if_match,
        )
        return _tell(store, changed, response)


def _add_removing(routes: APIRouter, store: CameraStore) -> None:
    @routes.delete(
        "/{camera_id}",
        status_code=204,
        operation_id="remove_camera",
        summary="Forget a camera; its alerts stay",
        responses=problems(404, 409, 412, 422, 507),
    )
    def remove_camera(camera_id: CameraPath, by: Caller, if_match: IfMatch = None) -> None:
        require_match(if_match, store.get(camera_id).revision)
        store.remove(camera_id, by)


def _tell(store: CameraStore, camera: CameraRecord, response: Response) -> shape.CameraReply:
    response.headers["ETag"] = etag(camera.revision)
    return shape.reply(camera, store.health(camera.camera_id))


def _changed(
    camera: CameraRecord, change: shape.CameraChange, registration: CameraRegistration
) -> CameraRecord:
    former = shape.as_requested(camera)
    asked = patched(shape.CameraRequest, former, change)
    # A source sent back as it was told is the same one, though told without its secrets
    same_source = asked.source in (camera.source, redact(camera.source))
    source, credentials = camera.source, camera.credentials
    if not same_source or asked.credentials_environment != former["credentials_environment"]:
        source, credentials = registration.prepare(
            source if same_source else asked.source, asked.credentials_environment
        )
        if credentials is None and _sealed(camera) and keeps_credentials(camera.source, source):
            credentials = camera.credentials
    return shape.apply(camera, asked, source, credentials, _sub_source(camera, asked, registration))


def _sub_source(
    camera: CameraRecord, asked: shape.CameraRequest, registration: CameraRegistration
) -> str | None:
    told = camera.sub_source
    # As the source: sent back as it was told, it is the same
    if asked.sub_source is None or (told and asked.sub_source in (told, redact(told))):
        return told if asked.sub_source else None
    return registration.prepare_sub(asked.sub_source, asked.source)


def _sealed(camera: CameraRecord) -> bool:
    return camera.credentials is not None and camera.credentials.sealed is not None
