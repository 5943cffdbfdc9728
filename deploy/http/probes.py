"""The HTTP app of a process without the api part: does it live, does it work, and its metrics."""

from collections.abc import Callable

from fastapi import FastAPI
from prometheus_client import CollectorRegistry
from starlette.middleware import Middleware

from deploy.http.access import Access, AccessOptions
from deploy.http.health import health_routes
from deploy.http.metrics_page import metrics_routes
from deploy.http.problems import Unexpected, install_problems


def build_probes(
    ready: Callable[[], bool], registry: CollectorRegistry, access: AccessOptions
) -> FastAPI:
    """The app; who may ask is as with the whole API."""
    app = FastAPI(
        title="Watchword",
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        middleware=[Middleware(Unexpected), Middleware(Access, options=access)],
    )
    install_problems(app)
    app.include_router(metrics_routes(registry))
    app.include_router(health_routes(ready))
    return app
