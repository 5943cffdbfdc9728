"""`/v1/silences`: when nobody is told."""

import time
from collections.abc import Callable
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path, Response
from pydantic import Field, model_validator

from grounding.routes.scope import check_cameras, check_queries
from grounding.silence import Silence
from grounding.stores import QueryStore, SilenceStore
from streamer.caller import Caller
from streamer.camera_store import CameraStore
from streamer.entity_id import ENTITY_ID, make_id
from streamer.errors import EntityInvalidError
from streamer.paging import DEFAULT_LIMIT, Cursor, Limit, cut_page, unpack_cursor
from streamer.problem import problems
from streamer.revision import CREATED, WITH_ETAG, IfMatch, etag, require_match
from streamer.shape import Note, Patterns, Shape, UtcTime, refused, utc

LONGEST_SECONDS = 10 * 366 * 86_400

SilencePath = Annotated[str, Path(pattern=ENTITY_ID, description="The silence's id.")]


class SilenceRequest(Shape):
    """A time in which nobody is told of alerts; give `ends_at` or `duration_seconds`."""

    starts_at: UtcTime | None = Field(None, description="From when on; null: now.")
    ends_at: UtcTime | None = Field(None, description="Until when.")
    duration_seconds: float | None = Field(
        None, gt=0, le=LONGEST_SECONDS, description="How long, in place of `ends_at`."
    )
    queries: Patterns = Field(
        default_factory=lambda: ["*"],
        description="Of which queries: ids, `*` standing for any run of letters.",
    )
    cameras: Patterns = Field(
        default_factory=lambda: ["*"],
        description="On which cameras: ids, `*` standing for any run of letters.",
    )
    comment: Note = Field("", examples=["the yard is painted"])

    @model_validator(mode="after")
    def _one_end(self) -> "SilenceRequest":
        if (self.ends_at is None) == (self.duration_seconds is None):
            raise refused("'ends_at' or 'duration_seconds': exactly one of the two is needed.")
        return self

    def period(self, now: float) -> tuple[float, float]:
        """From when to when, in UTC seconds; raises EntityInvalidError if it ends too early."""
        starts = now if self.starts_at is None else self.starts_at.timestamp()
        if self.duration_seconds is not None:
            ends = starts + self.duration_seconds
        else:
            assert self.ends_at is not None
            ends = self.ends_at.timestamp()
        if ends <= max(starts, now):
            raise EntityInvalidError(
                f"The silence ends at {_shown(ends)}, which is "
                f"{'over' if ends <= now else 'before it starts'}: give a later end."
            )
        return starts, ends


class SilenceReply(Shape):
    """A time in which nobody is told of alerts; they are kept and shown."""

    id: str
    starts_at: datetime
    ends_at: datetime
    queries: list[str]
    cameras: list[str]
    comment: str
    revision: int
    created_at: datetime
    created_by: str


class SilencePage(Shape):
    """Silences, by their ids; past ones too."""

    items: list[SilenceReply]
    next: str | None = Field(description="The cursor of the next page, null on the last.")


def silence_routes(
    store: SilenceStore,
    queries: QueryStore,
    cameras: CameraStore,
    clock: Callable[[], float] = time.time,
) -> APIRouter:
    """The routes of a store of silences, which name queries and cameras."""
    routes = APIRouter(prefix="/v1/silences", tags=["silences"])
    _add_reading(routes, store)
    _add_removing(routes, store)

    @routes.post(
        "",
        status_code=201,
        operation_id="add_silence",
        summary="Tell nobody for a while",
        responses={201: CREATED, **problems(400, 413, 422, 507)},
    )
    def add_silence(asked: SilenceRequest, by: Caller, response: Response) -> SilenceReply:
        starts, ends = asked.period(clock())
        check_queries(asked.queries, queries)
        check_cameras(asked.cameras, cameras)
        silence = Silence(
            silence_id=make_id(),
            starts_at=starts,
            ends_at=ends,
            queries=tuple(asked.queries),
            cameras=tuple(asked.cameras),
            comment=asked.comment,
            created_by=by,
        )
        added = store.add(silence, by)
        response.headers["Location"] = f"{routes.prefix}/{added.silence_id}"
        return _tell(added, response)

    return routes


def _add_reading(routes: APIRouter, store: SilenceStore) -> None:
    @routes.get(
        "", operation_id="list_silences", summary="List the silences", responses=problems(422)
    )
    def list_silences(limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None) -> SilencePage:
        rows = store.page(unpack_cursor(cursor), limit + 1)
        page, following = cut_page(rows, limit, lambda silence: silence.silence_id)
        return SilencePage(items=[_reply(silence) for silence in page], next=following)

    @routes.get(
        "/{silence_id}",
        operation_id="get_silence",
        summary="Show a silence",
        responses={200: WITH_ETAG, **problems(404, 422)},
    )
    def get_silence(silence_id: SilencePath, response: Response) -> SilenceReply:
        return _tell(store.get(silence_id), response)


def _add_removing(routes: APIRouter, store: SilenceStore) -> None:
    @routes.delete(
        "/{silence_id}",
        status_code=204,
        operation_id="remove_silence",
        summary="End a silence at once",
        responses=problems(404, 412, 422, 507),
    )
    def remove_silence(silence_id: SilencePath, by: Caller, if_match: IfMatch = None) -> None:
        require_match(if_match, store.get(silence_id).revision)
        store.remove(silence_id, by)


def _tell(silence: Silence, response: Response) -> SilenceReply:
    response.headers["ETag"] = etag(silence.revision)
    return _reply(silence)


def _reply(silence: Silence) -> SilenceReply:
    return SilenceReply(
        id=silence.silence_id,
        starts_at=utc(silence.starts_at),
        ends_at=utc(silence.ends_at),
        queries=list(silence.queries),
        cameras=list(silence.cameras),
        comment=silence.comment,
        revision=silence.revision,
        created_at=utc(silence.created_at),
        created_by=silence.created_by,
    )


def _shown(at: float) -> str:
    return utc(at).strftime("%Y-%m-%dT%H:%M:%SZ")
