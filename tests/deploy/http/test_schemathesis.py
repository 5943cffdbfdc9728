"""The interface against its own description: the real app on a real store, asked at random.

Schemathesis asks every operation what its description allows and what it forbids, and compares
each answer with what the description says it may be. The endless stream alone is asked by hand
(tests/grounding/routes/test_alert_stream.py).
"""

import socket
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, NoReturn

import pytest
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, settings
from prometheus_client import REGISTRY
from schemathesis.generation import GenerationMode
from schemathesis.python.asgi import ASGIClient
from schemathesis.specs.openapi.checks import (
    allow_header_conformance,
    negative_data_rejection,
    positive_data_acceptance,
    unsupported_method,
)

from deploy.http.app import build_app
from deploy.http.openapi import CHECKED_IN
from deploy.http.parts import HttpParts
from deploy.store import Store, open_store
from deploy.vault import Vault
from grounding.alert_stream import AlertStream
from grounding.delivery.outcome import DeliveryOutcome
from grounding.delivery.webhook import check_webhook
from streamer.address_policy import AddressPolicy
from streamer.errors import EntityExistsError
from streamer.registration import CameraRegistration
from tests.deploy.store import records
from tests.grounding.alert_shelf import alert

HERE = "http://localhost"
POLICY = AddressPolicy(loopback=True, private=True)
STRANGE = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.filter_too_much]
LETTER = records.dead_letter()
KNOWN = {
    "camera_id": "yard",
    "query_id": "aaaaaaaaaaaa",
    "subscription_id": "desk",
    "silence_id": "quiet",
    "alert_id": alert(0).alert_id,
    "letter_id": LETTER.letter_id,
}

described = schemathesis.openapi.from_path(CHECKED_IN).exclude(operation_id="follow_alerts")


@described.hook
def map_path_parameters(context: Any, path_parameters: dict[str, Any] | None) -> Any:
    """Every other id is one that is known: what happens behind a 404 is asked too."""
    return {
        name: KNOWN[name] if len(str(value)) % 2 and name in KNOWN else value
        for name, value in (path_parameters or {}).items()
    }


@described.hook
def map_case(context: Any, case: Any) -> Any:
    """What no schema can say is said often enough for a case to come through."""
    body = case.body
    if case.meta.generation.mode is GenerationMode.POSITIVE and isinstance(body, dict):
        if isinstance(body.get("source"), str) and len(body["source"]) % 2 == 0:
            body["source"] = "rtsp://gate/1"
        if isinstance(body.get("url"), str) and len(body["url"]) % 2 == 0:
            body["url"] = "https://desk/hook"
        if case.operation.label == "POST /v1/silences":
            body.pop("ends_at", None)
            body["duration_seconds"] = 60
    return case


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    folder = tmp_path_factory.mktemp("described")
    store = open_store(f"sqlite:///{folder / 'watchword.db'}", Vault.open(folder / "key"))
    yield store
    store.close()


@pytest.fixture(scope="module")
def app(store: Store) -> FastAPI:
    def test_delivery(subscription_id: str) -> DeliveryOutcome:
        store.subscriptions.get(subscription_id)
        return DeliveryOutcome("accepted", 204)

    return build_app(
        HttpParts(
            cameras=store.cameras,
            queries=store.queries,
            subscriptions=store.subscriptions,
            silences=store.silences,
            alerts=store.alerts,
            blind_periods=store.blind_periods,
            dead_letters=store.dead_letters,
            stream=AlertStream(store.alerts),
            register=CameraRegistration((), POLICY, lambda text: text[::-1]),
            check_webhook=lambda url: check_webhook(url, POLICY),
            test_delivery=test_delivery,
            publish=lambda message: None,
            ready=lambda: True,
            registry=REGISTRY,
        )
    )


@pytest.fixture
def client(app: FastAPI, store: Store, monkeypatch: pytest.MonkeyPatch) -> Iterator[ASGIClient]:
    """Asks the app, which knows one of each kind and no name of the net."""

    def unknown(*_: object, **__: object) -> NoReturn:
        raise socket.gaierror(socket.EAI_NONAME, "no such host")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    for entities, entity in (
        (store.cameras, records.camera()),
        (store.queries, records.query()),
        (store.subscriptions, records.subscription()),
        (store.silences, records.silence()),
    ):
        with suppress(EntityExistsError):
            entities.add(entity, "test")  # type: ignore[attr-defined]
    store.alerts.write([(alert(number), b"") for number in range(3)])
    store.dead_letters.write([LETTER])
    store.blind_periods.write([records.blind()])
    with ASGIClient(app) as client:
        yield client


def unsaid(case: Any) -> list[Any]:
    """The checks that know less than the server does."""
    # Not all that is meant can be said in a schema: texts without words, foreign cursors, a
    # source that is none. Those are refused with 422, which is looked at as any other answer.
    checks: list[Any] = [positive_data_acceptance]
    # On the wire a query holds texts alone: `false` and `null` are some
    values = [value for given in (case.query or {}).values() for value in _flat(given)]
    if any(str(value).lower() in ("none", "null", "true", "false") for value in values):
        checks.append(negative_data_rejection)
    if case.path.endswith((":test", ":replay")):  # to other methods the verb is the end of an id
        checks += [unsupported_method, allow_header_conformance]
    return checks


def _flat(given: Any) -> list[Any]:
    return given if isinstance(given, list) else [given]


def ask(case: Any, client: ASGIClient) -> None:
    case.call_and_validate(session=client, base_url=HERE, excluded_checks=unsaid(case))


@described.parametrize()
@settings(max_examples=10, deadline=None, derandomize=True, suppress_health_check=STRANGE)
def test_answers_are_what_the_description_says(case: Any, client: ASGIClient) -> None:
    ask(case, client)


@pytest.mark.slow
@described.parametrize()
@settings(max_examples=400, deadline=None, suppress_health_check=STRANGE)
def test_answers_are_what_the_description_says_whatever_is_asked(
    case: Any, client: ASGIClient
) -> None:
    ask(case, client)
