"""Whether the process lives and works: for orchestrators, open to all, and silent on the rest."""

from collections.abc import Callable
from typing import Any, Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel


class Health(BaseModel):
    """A word."""

    status: Literal["live", "ready", "not ready"]


_NOT_READY: dict[int | str, dict[str, Any]] = {
    503: {"model": Health, "description": "Some part does not work yet, or no longer."}
}


def health_routes(ready: Callable[[], bool]) -> APIRouter:
    """`/healthz/live` and `/healthz/ready`."""
    routes = APIRouter(prefix="/healthz", tags=["server"])

    @routes.get("/live", operation_id="is_live", summary="Does the process answer?")
    def live() -> Health:
        return Health(status="live")

    @routes.get(
        "/ready",
        operation_id="is_ready",
        summary="Do all parts work?",
        responses=_NOT_READY,
    )
    def is_ready(response: Response) -> Health:
        if ready():
            return Health(status="ready")
        response.status_code = 503
        return Health(status="not ready")

    return routes
