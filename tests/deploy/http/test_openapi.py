import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest

from deploy import __version__
from deploy.http.openapi import CHECKED_IN, describe
from tests.conftest import ROOT

DESCRIBED: dict[str, Any] = json.loads(CHECKED_IN.read_text(encoding="utf-8"))
OPERATIONS = {
    operation["operationId"]: operation
    for path in DESCRIBED["paths"].values()
    for operation in path.values()
}


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def test_the_description_that_is_checked_in_is_the_apps() -> None:
    again = "python -m deploy.http.openapi > deploy/openapi.json"
    assert CHECKED_IN.read_text(encoding="utf-8") == describe(), f"describe it again: {again}"


def test_the_command_prints_it() -> None:
    command = [sys.executable, "-W", "error", "-m", "deploy.http.openapi"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
    assert done.stdout == CHECKED_IN.read_bytes()
    assert done.stderr == b""


def test_it_is_openapi_3_1_of_this_version() -> None:
    assert DESCRIBED["openapi"].startswith("3.1")
    info = DESCRIBED["info"]
    assert (info["title"], info["version"]) == ("Watchword", __version__)
    assert "contact" not in info


@pytest.mark.parametrize("name", sorted(DESCRIBED["components"]["schemas"]))
def test_every_schema_is_one(name: str) -> None:
    jsonschema_rs.meta.validate(DESCRIBED["components"]["schemas"][name])


def test_references_lead_somewhere() -> None:
    known = {f"#/components/schemas/{name}" for name in DESCRIBED["components"]["schemas"]}
    used = set(references(DESCRIBED))
    assert used <= known
    assert known - used == set()


def test_operations_are_named_once_and_stand_under_a_tag() -> None:
    count = sum(len(path) for path in DESCRIBED["paths"].values())
    assert len(OPERATIONS) == count
    tags = {tag["name"] for tag in DESCRIBED["tags"]}
    for operation in OPERATIONS.values():
        assert operation["summary"]
        assert set(operation["tags"]) <= tags


@pytest.mark.parametrize("name", sorted(OPERATIONS))
def test_every_refusal_is_a_problem(name: str) -> None:
    problem = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    operation = OPERATIONS[name]
    refusals = {int(code): told for code, told in operation["responses"].items() if code >= "4"}
    for refusal in refusals.values():
        assert refusal["description"]
        assert refusal["content"] == problem or name == "is_ready"
    assert ("requestBody" in operation) <= {400, 413, 422}.issubset(refusals)


def test_the_stream_is_described_as_events() -> None:
    told = OPERATIONS["follow_alerts"]["responses"]["200"]["content"]
    assert list(told) == ["text/event-stream"]
    names = {parameter["name"] for parameter in OPERATIONS["follow_alerts"]["parameters"]}
    assert names == {"query", "camera", "state", "last_event_id", "Last-Event-ID"}


def test_the_example_of_the_stream_shows_an_alert() -> None:
    told = OPERATIONS["follow_alerts"]["responses"]["200"]["content"]["text/event-stream"]
    data = [line for line in told["example"].splitlines() if line.startswith("data: ")]
    record = json.loads(data[0].removeprefix("data: "))
    jsonschema_rs.validate(DESCRIBED["components"]["schemas"]["AlertReply"], record)


def test_metrics_are_text() -> None:
    told = OPERATIONS["metrics"]["responses"]["200"]["content"]
    assert set(told) == {"text/plain", "application/openmetrics-text"}
