"""`/v1/queries`, on a real store."""

import msgspec
import pytest
from starlette.testclient import TestClient

from grounding.query_record import QueryRecord
from grounding.query_text import LANGUAGE_WARNING
from tests.deploy.http.world import World, check_problem
from tests.deploy.store import records

QUERIES = "/v1/queries"
NIGHTS = {"hours": [{"days": ["sat", "sun"], "begin": "22:00", "end": "06:00"}]}


def add(client: TestClient, text: str = "a car parks", **fields: object) -> dict:
    answer = client.post(QUERIES, json={"text": text, **fields})
    assert answer.status_code == 201, answer.text
    return answer.json()


def change(client: TestClient, query: dict, **fields: object) -> dict:
    answer = client.patch(f"{QUERIES}/{query['id']}", json=fields)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_query_is_told_as_it_was_added(client: TestClient) -> None:
    answer = client.post(
        QUERIES,
        json={
            "text": "  a car \n parks ",
            "negatives": ["a  car drives by"],
            "cameras": ["gate-*", "yard"],
            "schedule": NIGHTS,
            "sensitivity": {"threshold": 0.75},
            "severity": "critical",
            "labels": {"team": "east"},
            "for_seconds": 4,
            "cooldown_seconds": 60.5,
        },
    )
    told = answer.json()
    assert answer.status_code == 201
    assert answer.headers["location"] == f"{QUERIES}/{told['id']}"
    assert answer.headers["etag"] == f'"{told["revision"]}"'
    assert len(told["id"]) == 12
    assert told == {
        "id": told["id"],
        "text": "a car parks",
        "negatives": ["a car drives by"],
        "cameras": ["gate-*", "yard"],
        "schedule": {**NIGHTS, "timezone": "UTC"},
        "sensitivity": {"alerts_per_day": None, "threshold": 0.75},
        "severity": "critical",
        "labels": {"team": "east"},
        "for_seconds": 4.0,
        "keep_firing_for_seconds": 0.0,
        "cooldown_seconds": 60.5,
        "state": "pending",
        "version": 1,
        "effective_at": "1970-01-01T00:16:40Z",
        "warnings": [],
        "declared": False,
        "revision": told["revision"],
        "created_at": "1970-01-01T00:16:40Z",
        "updated_at": "1970-01-01T00:16:40Z",
    }
    assert client.get(f"{QUERIES}/{told['id']}").json() == told


def test_what_is_told_can_be_sent_back(client: TestClient) -> None:
    told = add(client, schedule=NIGHTS)
    given = ("text", "negatives", "cameras", "schedule", "sensitivity", "severity", "labels")
    assert change(client, told, **{name: told[name] for name in given})["version"] == 1


def test_doubts_are_told(world: World, client: TestClient) -> None:
    told = add(client, "un hombre corre por la calle", negatives=["una mujer en la calle"])
    assert told["warnings"] == [LANGUAGE_WARNING]
    world.store.queries.arm(told["id"], 1, "lite", "The text has too many words.")
    told = client.get(f"{QUERIES}/{told['id']}").json()
    assert told["warnings"] == [LANGUAGE_WARNING, "The text has too many words."]
    assert told["state"] == "pending"


def test_the_state_follows_what_is_wanted_and_known(world: World, client: TestClient) -> None:
    query = add(client, state="draft")
    assert query["state"] == "draft"
    assert change(client, query, state="armed")["state"] == "pending"
    version = world.store.queries.get(query["id"]).version
    world.store.queries.arm(query["id"], version, "lite")
    assert client.get(f"{QUERIES}/{query['id']}").json()["state"] == "armed"
    assert change(client, query, state="paused")["state"] == "paused"


def test_only_what_it_means_makes_a_version(client: TestClient) -> None:
    query = add(client)
    assert change(client, query, severity="info", labels={"a": "b"})["version"] == 1
    assert change(client, query, text="a car leaves")["version"] == 2
    assert change(client, query, sensitivity={"alerts_per_day": 5})["version"] == 3
    assert change(client, query, cameras=["yard"])["version"] == 4


def test_one_sensitivity_takes_the_others_place(client: TestClient) -> None:
    query = add(client)
    told = change(client, query, sensitivity={"threshold": 0.5})
    assert told["sensitivity"] == {"alerts_per_day": None, "threshold": 0.5}
    told = change(client, query, sensitivity={"alerts_per_day": 3, "threshold": None})
    assert told["sensitivity"] == {"alerts_per_day": 3.0, "threshold": None}
    told = change(client, query, sensitivity=None)
    assert told["sensitivity"] == {"alerts_per_day": 1.0, "threshold": None}


def test_a_schedule_is_merged_and_taken_away(client: TestClient) -> None:
    query = add(client, schedule=NIGHTS)
    told = change(client, query, schedule={"timezone": "Europe/Berlin"})
    assert told["schedule"] == {**NIGHTS, "timezone": "Europe/Berlin"}
    assert change(client, query, schedule=None)["schedule"] is None


def test_a_query_whose_camera_went_can_still_be_changed(world: World, client: TestClient) -> None:
    query = add(client, cameras=["yard"])
    world.store.cameras.remove("yard", "test")
    assert change(client, query, severity="info")["cameras"] == ["yard"]


@pytest.mark.parametrize(
    ("fields", "field", "said"),
    [
        ({"text": "?!"}, "text", "no words"),
        ({"text": "red " * 200}, "text", "500"),
        ({"text": "red " * 5000}, "text", "at most 5000"),
        ({"text": 5}, "text", "string"),
        ({"text": None}, "text", "'text'"),
        ({"negatives": ["..."]}, "negatives.0", "no words"),
        ({"negatives": ["a"] * 17}, "negatives", "16"),
        ({"cameras": []}, "cameras", "'cameras'"),
        ({"cameras": ["yard", "yard"]}, "cameras", "twice"),
        ({"cameras": ["[a-z]*"]}, "cameras.0", "must match"),
        ({"cameras": ["yrad"]}, "", "There is no camera 'yrad': is 'yard' meant?"),
        ({"cameras": ["the-far-one"]}, "", "add it first"),
        ({"sensitivity": {"threshold": 2}}, "sensitivity", "'threshold' is 2"),
        ({"sensitivity": {"alerts_per_day": 0}}, "sensitivity", "above 0"),
        ({"sensitivity": {"alerts_per_day": 1, "threshold": 0.5}}, "sensitivity", "exactly one"),
        ({"sensitivity": {}}, "sensitivity", "exactly one"),
        ({"sensitivity": 1}, "sensitivity", "'sensitivity'"),
        ({"schedule": {"hours": []}}, "schedule.hours", "at least 1"),
        ({"schedule": {"hours": [{"begin": "25:00"}]}}, "schedule", "'25:00'"),
        ({"schedule": {"hours": [{}], "timezone": "Mars/North"}}, "schedule", "Mars/North"),
        ({"schedule": {"hours": [{}], "timezone": "../../etc"}}, "schedule", "time zone"),
        ({"schedule": {"hours": [{"days": ["noday"]}]}}, "schedule.hours.0.days.0", "'mon'"),
        ({"severity": "urgent"}, "severity", "'critical'"),
        ({"state": "pending"}, "state", "'draft'"),
        ({"for_seconds": -1}, "for_seconds", "greater than or equal to 0"),
        ({"for_seconds": "4"}, "for_seconds", "number"),
        ({"for_seconds": True}, "for_seconds", "number"),
        ({"for_seconds": 10**400}, "for_seconds", "number"),
        ({"colour": "red"}, "colour", "no field 'colour'"),
        ({"labels": {"a": "\x00"}}, "labels.a", "'labels.a'"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    fields: dict, field: str, said: str, client: TestClient
) -> None:
    problem = check_problem(client.post(QUERIES, json={"text": "a car"} | fields), 422, said)
    assert problem["errors"][0]["field"] == field
    query = add(client)
    check_problem(client.patch(f"{QUERIES}/{query['id']}", json=fields), 422)
    assert client.get(f"{QUERIES}/{query['id']}").json() == query


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e400"])
def test_numbers_that_are_none(number: str, client: TestClient) -> None:
    body = '{"text": "a car", "for_seconds": ' + number + "}"
    answer = client.post(QUERIES, content=body, headers={"Content-Type": "application/json"})
    check_problem(answer, 422, "finite number")


def test_many_errors_are_told_at_once(client: TestClient) -> None:
    body = {"text": "?", "severity": "x", "state": "x", "paused": True}
    problem = check_problem(client.post(QUERIES, json=body), 422, "And 1 more.")
    assert {one["field"] for one in problem["errors"]} == set(body)


def test_changes_that_meet_are_both_done(world: World, client: TestClient) -> None:
    query = add(client)
    store, replace = world.store.queries, world.store.queries.replace

    def come_between(changed: QueryRecord, by: str) -> QueryRecord:
        store.replace = replace
        replace(msgspec.structs.replace(store.get(query["id"]), text="a dog"), "somebody else")
        return replace(changed, by)

    store.replace = come_between
    told = change(client, query, severity="info")
    assert (told["text"], told["severity"]) == ("a dog", "info")


def test_a_change_with_if_match_is_done_once_or_not_at_all(
    world: World, client: TestClient
) -> None:
    query = add(client)
    tag = {"If-Match": f'"{query["revision"]}"'}
    path = f"{QUERIES}/{query['id']}"
    assert client.patch(path, json={"severity": "info"}, headers=tag).status_code == 200
    check_problem(client.patch(path, json={"severity": "critical"}, headers=tag), 412)
    check_problem(client.delete(path, headers=tag), 412)
    assert client.delete(path).status_code == 204
    check_problem(client.get(path), 404)


def test_pages(world: World, client: TestClient) -> None:
    world.store.queries.remove(records.query().query_id, "test")
    ids = sorted(add(client, f"car number {number}")["id"] for number in range(3))
    first = client.get(QUERIES, params={"limit": 2}).json()
    second = client.get(QUERIES, params={"limit": 2, "cursor": first["next"]}).json()
    assert [one["id"] for one in first["items"] + second["items"]] == ids
    assert second["next"] is None


def test_a_declared_query_is_read_only(world: World, client: TestClient) -> None:
    world.store.declare([], [records.query("car-parks", declared=True)])
    told = client.get(f"{QUERIES}/car-parks").json()
    assert told["declared"] is True
    check_problem(client.patch(f"{QUERIES}/car-parks", json={"state": "paused"}), 409)
    check_problem(client.delete(f"{QUERIES}/car-parks"), 409)
