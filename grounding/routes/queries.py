"""`/v1/queries`: standing queries."""

from typing import Annotated

from fastapi import APIRouter, Path, Response

from grounding.query_record import QueryRecord
from grounding.routes import query_bodies as bodies
from grounding.routes.scope import check_cameras
from grounding.stores import QueryStore
from streamer.caller import Caller
from streamer.camera_store import CameraStore
from streamer.entity_id import ENTITY_ID, make_id
from streamer.paging import DEFAULT_LIMIT, Cursor, Limit, cut_page, unpack_cursor
from streamer.problem import problems
from streamer.revision import CREATED, WITH_ETAG, IfMatch, change_entity, etag, require_match
from streamer.shape import patched

QueryPath = Annotated[str, Path(pattern=ENTITY_ID, description="The query's id.")]


def query_routes(store: QueryStore, cameras: CameraStore) -> APIRouter:
    """The routes of a store of queries, which name cameras."""
    routes = APIRouter(prefix="/v1/queries", tags=["queries"])
    _add_reading(routes, store)
    _add_creating(routes, store, cameras)
    _add_changing(routes, store, cameras)
    _add_removing(routes, store)
    return routes


def _add_reading(routes: APIRouter, store: QueryStore) -> None:
    @routes.get(
        "", operation_id="list_queries", summary="List the queries", responses=problems(422)
    )
    def list_queries(limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None) -> bodies.QueryPage:
        rows = store.page(unpack_cursor(cursor), limit + 1)
        page, following = cut_page(rows, limit, lambda query: query.query_id)
        items = [bodies.reply(query, store) for query in page]
        return bodies.QueryPage(items=items, next=following)

    @routes.get(
        "/{query_id}",
        operation_id="get_query",
        summary="Show a query",
        responses={200: WITH_ETAG, **problems(404, 422)},
    )
    def get_query(query_id: QueryPath, response: Response) -> bodies.QueryReply:
        return _tell(store, store.get(query_id), response)


def _add_creating(routes: APIRouter, store: QueryStore, cameras: CameraStore) -> None:
    @routes.post(
        "",
        status_code=201,
        operation_id="add_query",
        summary="Watch for something",
        responses={201: CREATED, **problems(400, 413, 422, 507)},
    )
    def add_query(asked: bodies.QueryRequest, by: Caller, response: Response) -> bodies.QueryReply:
        check_cameras(asked.cameras, cameras)
        new = QueryRecord(query_id=make_id(), text=asked.text)
        added = store.add(bodies.apply(new, asked), by)
        response.headers["Location"] = f"{routes.prefix}/{added.query_id}"
        return _tell(store, added, response)


def _add_changing(routes: APIRouter, store: QueryStore, cameras: CameraStore) -> None:
    @routes.patch(
        "/{query_id}",
        operation_id="change_query",
        summary="Change what is named of a query",
        responses={200: WITH_ETAG, **problems(400, 404, 409, 412, 413, 422, 507)},
    )
    def change_query(
        query_id: QueryPath,
        change: bodies.QueryChange,
        by: Caller,
        response: Response,
        if_match: IfMatch = None,
    ) -> bodies.QueryReply:
        # What is not changed is not checked again: its camera may have gone since
        check_cameras(change.cameras or (), cameras)
        changed = change_entity(
            lambda: store.get(query_id),
            lambda query: _changed(query, change),
            lambda query: store.replace(query, by),
            if_match,
        )
        return _tell(store, changed, response)


def _add_removing(routes: APIRouter, store: QueryStore) -> None:
    @routes.delete(
        "/{query_id}",
        status_code=204,
        operation_id="remove_query",
        summary="Forget a query; its alerts stay",
        responses=problems(404, 409, 412, 422, 507),
    )
    def remove_query(query_id: QueryPath, by: Caller, if_match: IfMatch = None) -> None:
        require_match(if_match, store.get(query_id).revision)
        store.remove(query_id, by)


def _changed(query: QueryRecord, change: bodies.QueryChange) -> QueryRecord:
    current = bodies.as_requested(query)
    if change.sensitivity is not None:
        current.pop("sensitivity")  # it is one of two: the new one, whichever the old one was
    return bodies.apply(query, patched(bodies.QueryRequest, current, change))


def _tell(store: QueryStore, query: QueryRecord, response: Response) -> bodies.QueryReply:
    response.headers["ETag"] = etag(query.revision)
    return bodies.reply(query, store)
