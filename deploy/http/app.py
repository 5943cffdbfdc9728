"""The HTTP app: the routes of all packages behind one entrance."""

from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.openapi.utils import get_openapi
from starlette.middleware import Middleware

from deploy import __version__
from deploy.http.access import Access
from deploy.http.health import health_routes
from deploy.http.limits import BodyLimit
from deploy.http.metrics_page import metrics_routes
from deploy.http.parts import HttpParts
from deploy.http.problems import Unexpected, install_problems
from encoder.routes import dead_letter_routes
from grounding.routes.alert_media import alert_media_routes
from grounding.routes.alert_stream import stream_routes
from grounding.routes.alerts import alert_routes
from grounding.routes.blind import blind_routes
from grounding.routes.queries import query_routes
from grounding.routes.silences import silence_routes
from grounding.routes.subscriptions import SubscriptionRouteParts, subscription_routes
from streamer.problem import Problem, problems
from streamer.routes import camera_routes
from streamer.snapshot_routes import snapshot_routes

DESCRIPTION = """\
Standing text queries over live cameras: one alert per event.

Every refusal is a problem (RFC 9457, `application/problem+json`). Lists come in pages: pass `next`
as `cursor`. Changes are merge patches (RFC 7396); with `If-Match` they are done only if nobody else
came first. Where the server wants a token, it is sent as `Authorization: Bearer TOKEN`.
"""
TAGS = [
    {"name": "cameras", "description": "Where pictures come from."},
    {"name": "queries", "description": "What is watched for."},
    {"name": "alerts", "description": "What was seen."},
    {"name": "subscriptions", "description": "Who is told, by webhook."},
    {"name": "silences", "description": "When nobody is told."},
    {"name": "blind periods", "description": "When which camera was not watched, and why."},
    {"name": "dead letters", "description": "Records that could not be used, put aside."},
    {"name": "server", "description": "How the server itself fares."},
]


def build_app(parts: HttpParts) -> FastAPI:
    """The app; it starts nothing."""
    app = FastAPI(
        title="Watchword",
        version=__version__,
        description=DESCRIPTION,
        openapi_tags=TAGS,
        openapi_url="/openapi.json",
        # Their pages would fetch scripts from elsewhere
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        # The first sees a request first
        middleware=[
            Middleware(Unexpected),
            Middleware(Access, options=parts.access),
            Middleware(BodyLimit, limits=parts.limits),
        ],
    )
    install_problems(app)
    for routes in _guarded_routes(parts):
        app.include_router(routes, responses=problems(401, 403, 503))
    app.include_router(health_routes(parts.ready))
    app.openapi = lambda: _describe(app)  # type: ignore[method-assign]
    return app


def _guarded_routes(parts: HttpParts) -> list[APIRouter]:
    subscribing = SubscriptionRouteParts(
        store=parts.subscriptions,
        queries=parts.queries,
        cameras=parts.cameras,
        check_webhook=parts.check_webhook,
        test_delivery=parts.test_delivery,
    )
    return [
        camera_routes(parts.cameras, parts.register),
        snapshot_routes(parts.cameras, parts.snapshots),
        query_routes(parts.queries, parts.cameras),
        stream_routes(parts.stream),  # before alerts: `stream` is no alert's id
        alert_routes(parts.alerts, parts.evidence),
        alert_media_routes(parts.alerts, parts.evidence),
        subscription_routes(subscribing),
        silence_routes(parts.silences, parts.queries, parts.cameras),
        blind_routes(parts.blind_periods, parts.queries),
        dead_letter_routes(parts.dead_letters, parts.publish),
        metrics_routes(parts.registry),
    ]


def _describe(app: FastAPI) -> dict[str, Any]:
    """OpenAPI 3.1, with the schema that all refusals share and the tokens."""
    if app.openapi_schema is None:
        described = get_openapi(
            title=app.title,
            version=app.version,
            description=app.description,
            tags=app.openapi_tags,
            routes=app.routes,
        )
        _add_components(described.setdefault("components", {}))
        _fit_operations(described["paths"])
        # On loopback without tokens nobody needs one
        described["security"] = [{}, {"token": []}]
        app.openapi_schema = described
    return app.openapi_schema


def _add_components(components: dict[str, Any]) -> None:
    schemas = components.setdefault("schemas", {})
    for replaced in ("HTTPValidationError", "ValidationError"):
        schemas.pop(replaced, None)
    problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas.update(problem.pop("$defs"))
    schemas[Problem.__name__] = problem
    components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}


def _fit_operations(paths: dict[str, dict[str, Any]]) -> None:
    """FastAPI adds its own kind of 422 to what has parameters; and some paths are open to all."""
    invalid = problems(422)[422]
    for path, operations in paths.items():
        for operation in operations.values():
            if "HTTPValidationError" in str(operation["responses"].get("422")):
                operation["responses"]["422"] = invalid
            if path.startswith("/healthz/"):
                operation["security"] = []
