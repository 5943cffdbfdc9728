"""`/v1/silences`, on a real store."""

import pytest
from starlette.testclient import TestClient

import grounding.routes.silences
from grounding.routes.silences import SilenceRequest
from streamer.errors import EntityInvalidError
from tests.deploy.http.world import World, check_problem

SILENCES = "/v1/silences"
LATER = "2100-01-01T00:00:00Z"


def test_a_silence_is_told_as_it_was_added(client: TestClient) -> None:
    answer = client.post(
        SILENCES,
        json={
            "starts_at": "2099-12-31T22:30:00+01:00",
            "ends_at": LATER,
            "queries": ["aaaaaaaaaaaa"],
            "cameras": ["gate-*"],
            "comment": "painting\nthe gate",
        },
    )
    told = answer.json()
    assert answer.status_code == 201
    assert answer.headers["location"] == f"{SILENCES}/{told['id']}"
    assert told == {
        "id": told["id"],
        "starts_at": "2099-12-31T21:30:00Z",
        "ends_at": LATER,
        "queries": ["aaaaaaaaaaaa"],
        "cameras": ["gate-*"],
        "comment": "painting\nthe gate",
        "revision": told["revision"],
        "created_at": "1970-01-01T00:16:40Z",
        "created_by": "local",
    }
    again = client.get(answer.headers["location"])
    assert (again.json(), again.headers["etag"]) == (told, answer.headers["etag"])
    assert client.get(SILENCES).json() == {"items": [told], "next": None}


def test_a_silence_begins_now_and_lasts_as_long_as_said() -> None:
    assert SilenceRequest(duration_seconds=90).period(1000.0) == (1000.0, 1090.0)
    asked = SilenceRequest.model_validate(
        {"starts_at": "1970-01-01T01:00:00Z", "duration_seconds": 1}
    )
    assert asked.period(1000.0) == (3600.0, 3601.0)


@pytest.mark.parametrize(
    ("starts", "ends", "said"),
    [
        ("1970-01-01T01:00:00Z", "1970-01-01T01:00:00Z", "before it starts"),
        (None, "1970-01-01T00:16:40Z", "1970-01-01T00:16:40Z, which is over"),
    ],
)
def test_a_silence_ends_after_it_begins_and_after_now(
    starts: str | None, ends: str, said: str
) -> None:
    asked = SilenceRequest.model_validate({"starts_at": starts, "ends_at": ends})
    with pytest.raises(EntityInvalidError, match=said):
        asked.period(1000.0)


@pytest.mark.parametrize(
    ("body", "field", "said"),
    [
        ({}, "", "exactly one"),
        ({"ends_at": LATER, "duration_seconds": 5}, "", "exactly one"),
        ({"duration_seconds": 0}, "duration_seconds", "greater than 0"),
        ({"duration_seconds": 1e12}, "duration_seconds", "less than or equal"),
        ({"ends_at": "2100-01-01T00:00:00"}, "ends_at", "offset"),
        ({"ends_at": "2100-01-01"}, "ends_at", "2025-03-01T08:00:00Z"),
        ({"ends_at": 4102444800}, "ends_at", "2025-03-01T08:00:00Z"),
        ({"ends_at": "2100-02-30T00:00:00Z"}, "ends_at", "no time"),
        ({"ends_at": "9999-12-31T23:59:59-14:00"}, "ends_at", "no time"),
        ({"ends_at": "0001-01-01T00:00:00+14:00"}, "ends_at", "no time"),
        ({"ends_at": "2300-01-01T00:00:00Z"}, "ends_at", "1970 to 2199"),
        ({"ends_at": "2001-01-01T00:00:00Z"}, "", "over"),
        ({"duration_seconds": 5, "cameras": ["yrad"]}, "", "is 'yard' meant?"),
        ({"duration_seconds": 5, "queries": ["bbbbbbbbbbbb"]}, "", "no query"),
        ({"duration_seconds": 5, "comment": "\x00"}, "comment", "'comment'"),
        ({"duration_seconds": 5, "comment": "x" * 2001}, "comment", "2000"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    body: dict, field: str, said: str, client: TestClient
) -> None:
    problem = check_problem(client.post(SILENCES, json=body), 422, said)
    assert problem["errors"][0]["field"] == field
    assert client.get(SILENCES).json()["items"] == []


def test_a_silence_is_ended(world: World, client: TestClient) -> None:
    path = client.post(SILENCES, json={"duration_seconds": 5}).headers["location"]
    check_problem(client.delete(path, headers={"If-Match": '"0"'}), 412)
    assert client.delete(path).status_code == 204
    check_problem(client.get(path), 404)
    check_problem(client.delete(path), 404)
    check_problem(client.patch(path, json={}), 405, "use GET or DELETE")


def test_the_longest_silence_can_be_told() -> None:
    last = SilenceRequest.model_validate(
        {
            "starts_at": "2199-12-31T00:00:00Z",
            "duration_seconds": grounding.routes.silences.LONGEST_SECONDS,
        }
    )
    _, ends = last.period(0.0)
    assert grounding.routes.silences.utc(ends).year < 2220
