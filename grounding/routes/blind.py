"""`/v1/blind`: when which camera was not being watched, and why."""

import re
from collections.abc import Iterable
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from grounding.blind import BlindReason
from grounding.record import rfc3339
from grounding.routes.alert_bodies import Time
from grounding.stored_blind import BlindFilter, QueryScope, StoredBlindPeriod
from grounding.stores import BlindPlace, BlindStore, QueryStore
from streamer.errors import EntityNotFoundError
from streamer.paging import DEFAULT_LIMIT, MOST, cut_page, foreign_cursor, unpack_cursor
from streamer.problem import problems
from streamer.shape import Line, UtcTime

REASONS = """\
`stream`: the camera gave no picture. `lag`: a clip was dropped or put aside on its way. \
`overload`: there was no time for it. `restart`: no process read the camera."""

_PLACE = re.compile(r"(0x[01]\.[0-9a-f]{1,13}p[+-]\d{1,2}) (\d{1,18})")


class BlindReply(BaseModel):
    """A time in which a camera was not being watched for some queries, or for all."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "camera": "yard",
                    "start": "2025-03-01T08:00:00.000000Z",
                    "end": "2025-03-01T08:00:42.000000Z",
                    "seconds": 42.0,
                    "reason": "stream",
                    "queries": ["*"],
                }
            ]
        }
    )

    camera: str = Field(description="The camera's id.")
    start: Time
    end: Time
    seconds: float = Field(description="How long it was.")
    reason: BlindReason = Field(description=REASONS)
    queries: list[str] = Field(
        description="Ids of queries; `*` stands for all that watch the camera."
    )


class BlindPage(BaseModel):
    """Blind periods, those that began last first."""

    items: list[BlindReply]
    next: str | None = Field(description="The cursor of the next page, null on the last.")


class BlindQuestion(BaseModel):
    """Which periods; a filter that is given several times lets any of its values pass."""

    model_config = ConfigDict(extra="forbid")

    camera: tuple[Line, ...] = Field((), description="Only of these cameras (ids).")
    query: tuple[Line, ...] = Field(
        (), description="Only where these queries (ids) would have been watched for."
    )
    reason: tuple[BlindReason, ...] = Field((), description=REASONS)
    since: UtcTime | None = Field(None, description="Only periods that ended after then.")
    until: UtcTime | None = Field(None, description="Only periods that began before then.")
    limit: int = Field(
        DEFAULT_LIMIT, ge=1, le=MOST, description="How many items a page has at most."
    )
    cursor: str | None = Field(
        None, description="The `next` of the page before; opaque. Without it, the first page."
    )

    def filter(self, queries: QueryStore) -> BlindFilter:
        """The periods it asks for, given what the queries watch."""
        return BlindFilter(
            camera_ids=self.camera,
            queries=tuple(_scopes(self.query, queries)),
            reasons=self.reason,
            since=None if self.since is None else self.since.timestamp(),
            until=None if self.until is None else self.until.timestamp(),
        )


def blind_routes(store: BlindStore, queries: QueryStore) -> APIRouter:
    """The route of a store of blind periods."""
    routes = APIRouter(prefix="/v1/blind", tags=["blind periods"])

    @routes.get(
        "",
        operation_id="list_blind_periods",
        summary="List when cameras were not being watched, newest first",
        responses=problems(422),
    )
    def list_blind_periods(asked: Annotated[BlindQuestion, Query()]) -> BlindPage:
        after = _place(unpack_cursor(asked.cursor))
        rows = store.page(asked.filter(queries), after, asked.limit + 1)
        page, following = cut_page(
            rows, asked.limit, lambda row: f"{row.period.start.hex()} {row.period_id}"
        )
        return BlindPage(items=[_reply(row) for row in page], next=following)

    return routes


def _scopes(query_ids: Iterable[str], queries: QueryStore) -> Iterable[QueryScope]:
    for query_id in query_ids:
        try:
            query = queries.get(query_id)
        except EntityNotFoundError:
            yield QueryScope(query_id=query_id)
        else:
            yield QueryScope(query_id=query_id, cameras=query.cameras, since=query.created_at)


def _place(cursor: str) -> BlindPlace | None:
    if not cursor:
        return None
    if not (found := _PLACE.fullmatch(cursor)):
        raise foreign_cursor()
    return float.fromhex(found[1]), int(found[2])


def _reply(stored: StoredBlindPeriod) -> BlindReply:
    period = stored.period
    return BlindReply(
        camera=period.camera_id,
        start=rfc3339(period.start),
        end=rfc3339(period.end),
        seconds=round(period.end - period.start, 3),
        reason=period.reason,
        queries=list(period.queries),
    )
