from collections.abc import Iterator

import pytest
from fastapi import FastAPI
from prometheus_client import CollectorRegistry, Counter
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_text
from starlette.testclient import TestClient

from deploy.http.metrics_page import metrics_routes


@pytest.fixture
def http() -> Iterator[TestClient]:
    registry = CollectorRegistry()
    alerts = Counter("watchword_told_total", "Alerts told", ["camera"], registry=registry)
    alerts.labels('a "quoted"\nyard').inc(3)
    app = FastAPI()
    app.include_router(metrics_routes(registry))
    with TestClient(app) as client:
        yield client


def value(families) -> float:
    return next(
        sample.value
        for family in families
        for sample in family.samples
        if sample.name == "watchword_told_total" and sample.labels["camera"] == 'a "quoted"\nyard'
    )


@pytest.mark.parametrize("accept", ["", "text/plain", "*/*", "application/json"])
def test_it_is_prometheus_text(accept: str, http: TestClient) -> None:
    answer = http.get("/metrics", headers={"Accept": accept})
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=")
    assert value(read_text(answer.text)) == 3


def test_it_is_openmetrics_for_those_who_accept_it(http: TestClient) -> None:
    wanted = "application/openmetrics-text;version=1.0.0,text/plain;q=0.5"
    answer = http.get("/metrics", headers={"Accept": wanted})
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    assert answer.text.endswith("# EOF\n")
    assert value(read_openmetrics(answer.text)) == 3
