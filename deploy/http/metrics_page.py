"""`GET /metrics`: what Prometheus scrapes."""

from typing import Any

from fastapi import APIRouter
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from starlette.requests import Request
from starlette.responses import Response

_PAGE: dict[str, Any] = {
    "description": "Every metric, as Prometheus' text; as OpenMetrics for those who accept it.",
    "content": {
        "text/plain": {
            "schema": {"type": "string"},
            "example": 'watchword_stream_up{camera="yard"} 1.0\n',
        },
        "application/openmetrics-text": {"schema": {"type": "string"}},
    },
}


class MetricsPage(Response):
    """The page as text."""

    media_type = "text/plain"


def metrics_routes(registry: CollectorRegistry) -> APIRouter:
    """The page of a registry."""
    routes = APIRouter(tags=["server"])

    @routes.get(
        "/metrics",
        operation_id="metrics",
        summary="Metrics for Prometheus",
        status_code=200,
        response_class=MetricsPage,
        responses={200: _PAGE},
    )
    def metrics(request: Request) -> Response:
        encode, kind = choose_encoder(request.headers.get("accept", ""))
        return MetricsPage(encode(registry), headers={"Content-Type": kind})

    return routes
