"""`/v1/alerts`: find alerts, look at one, acknowledge it, say what it was worth."""

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from grounding.alert import AlertState
from grounding.alert_evidence import AlertEvidence
from grounding.query_record import Severity
from grounding.routes.alert_bodies import (
    AlertHistoryReply,
    AlertPage,
    FeedbackRequest,
    StoredAlertReply,
    alert_body,
    history_body,
    page_body,
)
from grounding.stored_alert import AlertFilter, Feedback
from grounding.stores import AlertStore
from streamer.caller import Caller
from streamer.errors import EvidenceError
from streamer.paging import DEFAULT_LIMIT, MOST, cut_page, unpack_sequence
from streamer.problem import problems
from streamer.shape import Line, UtcTime

AlertPath = Annotated[str, Path(pattern="^[0-9a-f]{64}$", description="The alert's id.")]


class AlertQuestion(BaseModel):
    """Which alerts; a filter that is given several times lets any of its values pass."""

    model_config = ConfigDict(extra="forbid")

    query: tuple[Line, ...] = Field((), description="Only of these queries (ids).")
    camera: tuple[Line, ...] = Field((), description="Only of these cameras (ids).")
    state: tuple[AlertState, ...] = Field((), description="Only alerts that are in these states.")
    severity: tuple[Severity, ...] = ()
    since: UtcTime | None = Field(None, description="Only events that began then or later.")
    until: UtcTime | None = Field(None, description="Only events that began before then.")
    acknowledged: bool | None = None
    suppressed: bool | None = Field(None, description="Whether nobody was told.")
    limit: int = Field(
        DEFAULT_LIMIT, ge=1, le=MOST, description="How many items a page has at most."
    )
    cursor: str | None = Field(
        None, description="The `next` of the page before; opaque. Without it, the first page."
    )

    def filter(self) -> AlertFilter:
        """The alerts it asks for."""
        return AlertFilter(
            query_ids=self.query,
            camera_ids=self.camera,
            states=self.state,
            severities=self.severity,
            since=None if self.since is None else self.since.timestamp(),
            until=None if self.until is None else self.until.timestamp(),
            acknowledged=self.acknowledged,
            suppressed=self.suppressed,
        )


def alert_routes(
    store: AlertStore,
    evidence: AlertEvidence | None = None,
    clock: Callable[[], float] = time.time,
) -> APIRouter:
    """The routes of alerts, but for the stream; `evidence` knows their clips."""
    routes = APIRouter(prefix="/v1/alerts", tags=["alerts"])
    _add_reading(routes, store, evidence)
    _add_writing(routes, store, clock)
    return routes


def _add_reading(routes: APIRouter, store: AlertStore, evidence: AlertEvidence | None) -> None:
    @routes.get(
        "",
        operation_id="list_alerts",
        summary="List alerts, newest first",
        responses=problems(422),
    )
    def list_alerts(asked: Annotated[AlertQuestion, Query()]) -> AlertPage:
        before = unpack_sequence(asked.cursor)
        rows = store.page(asked.filter(), before, asked.limit + 1)
        alerts, cursor = cut_page(
            rows, asked.limit, lambda row: str(store.opening(row.alert.alert_id))
        )
        return page_body(alerts, cursor)

    @routes.get(
        "/{alert_id}",
        operation_id="get_alert",
        summary="An alert with its history",
        responses=problems(404, 422),
    )
    def get_alert(alert_id: AlertPath) -> AlertHistoryReply:
        stored = store.get(alert_id)
        about = None
        if evidence is not None:
            with suppress(EvidenceError):  # a storage that refuses does not cost the alert
                about = evidence.kept(stored.alert)
        return history_body(stored, store.history(alert_id), about)


def _add_writing(routes: APIRouter, store: AlertStore, clock: Callable[[], float]) -> None:
    @routes.post(
        "/{alert_id}/ack",
        operation_id="acknowledge_alert",
        summary="Note that somebody has seen to it; the first one stays noted",
        responses=problems(404, 413, 422, 507),
    )
    def acknowledge_alert(alert_id: AlertPath, by: Caller) -> StoredAlertReply:
        return alert_body(store.acknowledge(alert_id, by))

    @routes.post(
        "/{alert_id}/feedback",
        operation_id="give_feedback",
        summary="Say whether it was right, in place of what was said before",
        responses=problems(400, 404, 413, 422, 507),
    )
    def give_feedback(alert_id: AlertPath, given: FeedbackRequest, by: Caller) -> StoredAlertReply:
        feedback = Feedback(verdict=given.verdict, note=given.note, by=by, at=clock())
        return alert_body(store.give_feedback(alert_id, feedback))
