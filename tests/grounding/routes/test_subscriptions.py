"""`/v1/subscriptions`, on a real store."""

import base64

import pytest
from starlette.testclient import TestClient

from grounding.delivery.outcome import DeliveryOutcome
from streamer.errors import AddressRefusedError, EntityInvalidError
from tests.deploy.http.world import World, check_problem

SUBSCRIPTIONS = "/v1/subscriptions"
URL = "https://desk.example/hook"


def add(client: TestClient, **fields: object) -> dict:
    answer = client.post(SUBSCRIPTIONS, json={"url": URL, **fields})
    assert answer.status_code == 201, answer.text
    return answer.json()


def test_the_secret_is_told_once(world: World, client: TestClient) -> None:
    answer = client.post(SUBSCRIPTIONS, json={"url": URL, "states": ["opened", "closed"]})
    told = answer.json()
    assert answer.status_code == 201
    assert answer.headers["cache-control"] == "no-store"
    path = answer.headers["location"]
    secret = told.pop("secret")
    assert secret.startswith("whsec_")
    assert len(base64.b64decode(secret.removeprefix("whsec_"), validate=True)) == 32
    assert world.store.subscriptions.get(told["id"]).secret == secret
    assert told == {
        "id": told["id"],
        "url": URL,
        "states": ["opened", "closed"],
        "queries": ["*"],
        "cameras": ["*"],
        "min_severity": "info",
        "paused": False,
        "disabled_reason": None,
        "revision": told["revision"],
        "created_at": "1970-01-01T00:16:40Z",
        "updated_at": "1970-01-01T00:16:40Z",
    }
    assert client.get(path).json() == told
    shown = [client.get(path), client.get(SUBSCRIPTIONS), client.patch(path, json={})]
    assert all(secret not in one.text and "whsec" not in one.text for one in shown)


def test_two_secrets_differ(client: TestClient) -> None:
    assert add(client)["secret"] != add(client)["secret"]


def test_a_change_keeps_the_secret(world: World, client: TestClient) -> None:
    told = add(client)
    path = f"{SUBSCRIPTIONS}/{told['id']}"
    changed = client.patch(path, json={"min_severity": "critical", "cameras": ["gate-*"]}).json()
    assert (changed["min_severity"], changed["cameras"]) == ("critical", ["gate-*"])
    assert world.store.subscriptions.get(told["id"]).secret == told["secret"]
    check_problem(client.patch(path, json={"secret": "whsec_mine"}), 422, "no field 'secret'")
    old = {"If-Match": f'"{told["revision"]}"'}
    check_problem(client.patch(path, json={"paused": True}, headers=old), 412)


def test_secret_parameters_of_a_url_are_not_told(client: TestClient) -> None:
    assert add(client, url=f"{URL}?token=abc")["url"] == f"{URL}?token=***"


@pytest.mark.parametrize("change", [{"url": "https://other.example/"}, {"paused": False}])
def test_a_disabled_one_is_enabled_by_who_sees_to_it(
    change: dict, world: World, client: TestClient
) -> None:
    told = add(client)
    path = f"{SUBSCRIPTIONS}/{told['id']}"
    world.store.deliveries.disable(told["id"], "It answered 410 Gone.")
    assert client.get(path).json()["disabled_reason"] == "It answered 410 Gone."
    still = client.patch(path, json={"min_severity": "warning"}).json()
    assert still["disabled_reason"] == "It answered 410 Gone."
    assert client.patch(path, json=change).json()["disabled_reason"] is None


def test_the_url_is_checked_where_it_is_named(world: World, client: TestClient) -> None:
    told = add(client)
    path = f"{SUBSCRIPTIONS}/{told['id']}"
    client.patch(path, json={"paused": True})
    assert world.webhooks == [URL]
    world.refused_webhook = AddressRefusedError("10.0.0.7 is a private address.")
    check_problem(client.patch(path, json={"url": "http://10.0.0.7/"}), 422, "10.0.0.7")
    check_problem(client.post(SUBSCRIPTIONS, json={"url": "http://10.0.0.7/"}), 422, "private")
    world.refused_webhook = EntityInvalidError("The url cannot be called.")
    check_problem(client.post(SUBSCRIPTIONS, json={"url": URL}), 422, "cannot be called")
    assert client.get(path).json()["url"] == URL


@pytest.mark.parametrize(
    ("outcome", "told"),
    [
        (
            DeliveryOutcome("accepted", 204, seconds=0.25),
            {"outcome": "sent", "status": 204, "message": "", "seconds": 0.25},
        ),
        (
            DeliveryOutcome("retry", 500, "desk.example answered 500.", seconds=0.1),
            {
                "outcome": "failed",
                "status": 500,
                "message": "desk.example answered 500.",
                "seconds": 0.1,
            },
        ),
    ],
)
def test_a_test_message(
    outcome: DeliveryOutcome, told: dict, world: World, client: TestClient
) -> None:
    subscription = add(client)
    world.outcome = outcome
    answer = client.post(f"{SUBSCRIPTIONS}/{subscription['id']}:test")
    assert (answer.status_code, answer.json()) == (200, told)
    check_problem(client.post(f"{SUBSCRIPTIONS}/000000000000:test"), 404)


@pytest.mark.parametrize(
    ("fields", "field", "said"),
    [
        ({"url": "ftp://desk.example/"}, "url", "'ftp://'"),
        ({"url": "desk.example"}, "url", "https://HOST/PATH"),
        ({"url": "http://"}, "url", "https://HOST/PATH"),
        ({"url": "http://guard:hunter2@desk.example/"}, "url", "user"),
        ({"url": "http://desk example/"}, "url", "'url'"),
        ({"url": "http://desk.example:99999/"}, "url", "'url'"),
        ({"url": f"http://desk.example/{'x' * 2048}"}, "url", "2048"),
        ({"url": None}, "url", "'url'"),
        ({"states": []}, "states", "'states'"),
        ({"states": ["lost"]}, "states.0", "'opened'"),
        ({"queries": ["aaaaaaaaaaab"]}, "", "is 'aaaaaaaaaaaa' meant?"),
        ({"cameras": ["gate-eats"]}, "", "is 'gate-east' meant?"),
        ({"min_severity": "high"}, "min_severity", "'critical'"),
        ({"paused": None}, "paused", "boolean"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    fields: dict, field: str, said: str, client: TestClient
) -> None:
    problem = check_problem(client.post(SUBSCRIPTIONS, json={"url": URL} | fields), 422, said)
    assert problem["errors"][0]["field"] == field
    assert "hunter2" not in str(problem)
    assert client.get(SUBSCRIPTIONS).json()["items"] == []


def test_pages_and_removal(client: TestClient) -> None:
    ids = sorted(add(client)["id"] for _ in range(3))
    first = client.get(SUBSCRIPTIONS, params={"limit": 1}).json()
    assert [one["id"] for one in first["items"]] == ids[:1]
    rest = client.get(SUBSCRIPTIONS, params={"cursor": first["next"]}).json()
    assert [one["id"] for one in rest["items"]] == ids[1:]
    assert client.delete(f"{SUBSCRIPTIONS}/{ids[0]}").status_code == 204
    check_problem(client.delete(f"{SUBSCRIPTIONS}/{ids[0]}"), 404)
