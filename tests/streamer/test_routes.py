"""`/v1/cameras`, on a real store."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from streamer.address_policy import AddressPolicy
from streamer.camera_record import CameraRecord, Credentials
from streamer.health import CameraHealth
from streamer.problem import PROBLEM_JSON
from streamer.registration import CameraRegistration
from tests.deploy.http.world import World, check_problem, opened_world

CAMERAS = "/v1/cameras"
YARD = f"{CAMERAS}/yard"
SOURCE = "rtsp://127.0.0.1:8554/yard"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with opened_world(tmp_path) as world:
        yield world


@pytest.fixture
def client(world: World) -> Iterator[TestClient]:
    with world.client() as client:
        yield client


def add(
    client: TestClient, camera_id: str = "yard", source: str = SOURCE, **fields: object
) -> dict:
    answer = client.post(CAMERAS, json={"id": camera_id, "source": source, **fields})
    assert answer.status_code == 201, answer.text
    return answer.json()


def test_a_camera_is_told_as_it_was_added(client: TestClient) -> None:
    answer = client.post(
        CAMERAS, json={"id": "yard", "source": SOURCE, "labels": {"site": "north"}, "paused": True}
    )
    assert answer.status_code == 201
    assert answer.headers["location"] == YARD
    told = answer.json()
    assert told == {
        "id": "yard",
        "source": SOURCE,
        "labels": {"site": "north"},
        "loop": False,
        "pace": "own",
        "start": None,
        "paused": True,
        "rtsp_transport": "tcp",
        "sub_source": None,
        "decode": "auto",
        "masks": [],
        "region": None,
        "evidence": True,
        "decoder": None,
        "credentials": None,
        "health": None,
        "declared": False,
        "revision": told["revision"],
        "created_at": "1970-01-01T00:16:40Z",
        "updated_at": "1970-01-01T00:16:40Z",
    }
    again = client.get(YARD)
    assert again.json() == told
    assert again.headers["etag"] == answer.headers["etag"] == f'"{told["revision"]}"'


def test_how_its_pictures_are_read_is_told_as_it_was_asked_for(client: TestClient) -> None:
    asked = {
        "sub_source": "rtsp://guard:hunter2@127.0.0.1:8554/small?token=abc",
        "decode": "keyframes",
        "masks": [[[0, 0], [1, 0], [1, 0.5]]],
        "region": [0, 0.25, 1, 1],
        "evidence": False,
    }
    told = add(client, source="rtsp://guard:hunter2@127.0.0.1:8554/yard", **asked)
    shown = {**asked, "sub_source": "rtsp://127.0.0.1:8554/small?token=***"}
    assert {name: told[name] for name in asked} == shown
    again = client.patch(YARD, json={"sub_source": shown["sub_source"], "masks": []}).json()
    assert {name: again[name] for name in asked} == {**shown, "masks": []}
    back = client.patch(YARD, json=dict.fromkeys(asked)).json()
    assert [back[name] for name in asked] == [None, "auto", [], None, True]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"sub_source": "rtsp://else:where@127.0.0.1/small"}, "a user of its own"),
        ({"sub_source": "small.mp4"}, "is for network cameras"),
        ({"sub_source": "gopher://127.0.0.1/1"}, "is no source"),
        ({"sub_source": ""}, "at least 1 character"),
        ({"masks": [[[0, 0], [1, 1]]]}, "at least 3 items"),
        ({"region": [0.5, 0, 0.4, 1]}, "give left, top, right and bottom"),
        ({"region": [0, 0, 2, 1]}, "less than or equal to 1"),
    ],
)
def test_pictures_that_cannot_be_meant(
    client: TestClient, fields: dict[str, object], said: str
) -> None:
    answer = client.post(CAMERAS, json={"id": "yard", "source": SOURCE, **fields})
    assert answer.status_code in (400, 422), answer.text
    assert said in answer.text


def test_a_password_goes_to_the_vault_and_is_told_nowhere(world: World, client: TestClient) -> None:
    told = add(client, source="rtsp://guard:hunter2@127.0.0.1:8554/yard?token=abc")
    assert told["source"] == "rtsp://127.0.0.1:8554/yard?token=***"
    assert told["credentials"] == "sealed"
    assert "hunter2" not in client.get(CAMERAS).text
    kept = world.store.cameras.get("yard")
    assert kept.credentials == Credentials(sealed="2retnuh:draug")
    assert kept.source.endswith("token=abc")


def test_a_source_sent_back_as_it_was_told_is_the_same(world: World, client: TestClient) -> None:
    told = add(client, source="rtsp://guard:hunter2@127.0.0.1:8554/yard?token=abc")
    before = world.store.cameras.get("yard")
    client.patch(YARD, json={"source": told["source"], "loop": True})
    after = world.store.cameras.get("yard")
    assert after.loop
    assert (after.source, after.credentials) == (before.source, before.credentials)


@pytest.mark.parametrize(
    ("source", "kept"),
    [
        ("rtsp://127.0.0.1:8554/other", "sealed"),
        ("rtsp://127.0.0.2:8554/yard", None),
        ("rtsp://127.0.0.1:9554/yard", None),
        ("rtsp://other:one@127.0.0.2:8554/yard", "sealed"),
    ],
)
def test_a_password_does_not_move_to_another_host(
    source: str, kept: str | None, client: TestClient
) -> None:
    add(client, source="rtsp://guard:hunter2@127.0.0.1:8554/yard")
    assert client.patch(YARD, json={"source": source}).json()["credentials"] == kept


def test_credentials_of_the_environment(world: World, client: TestClient) -> None:
    told = add(client, credentials_environment="WATCHWORD_CAMERA_YARD")
    assert told["credentials"] == "environment"
    client.patch(YARD, json={"paused": True})
    kept = world.store.cameras.get("yard").credentials
    assert kept == Credentials(environment="WATCHWORD_CAMERA_YARD")
    source = "rtsp://guard:hunter2@127.0.0.1:8554/yard"
    check_problem(client.patch(YARD, json={"source": source}), 422, "one of both")
    told = client.patch(YARD, json={"credentials_environment": None}).json()
    assert told["credentials"] is None


def test_how_it_fares(world: World, client: TestClient) -> None:
    add(client)
    health = CameraHealth(
        camera_id="yard",
        state="offline",
        since=60.0,
        reason="auth",
        message="rtsp://guard:hunter2@127.0.0.1/ refuses",
    )
    world.store.cameras.note_health(health)
    assert client.get(YARD).json()["health"] == {
        "state": "offline",
        "since": "1970-01-01T00:01:00Z",
        "reason": "auth",
        "message": "rtsp://***@127.0.0.1/ refuses",
    }


def test_pages_in_the_order_of_ids(client: TestClient) -> None:
    for name in ("c", "a", "e", "b", "d"):
        add(client, name)
    seen, cursor, pages = [], None, 0
    while pages == 0 or cursor:
        answer = client.get(CAMERAS, params={"limit": 2} | ({"cursor": cursor} if cursor else {}))
        seen += [camera["id"] for camera in answer.json()["items"]]
        cursor, pages = answer.json()["next"], pages + 1
    assert (seen, pages) == (list("abcde"), 3)


@pytest.mark.parametrize("question", ["limit=0", "limit=201", "limit=x", "cursor=!", "cursor=%ff"])
def test_pages_that_cannot_be_meant(question: str, client: TestClient) -> None:
    check_problem(client.get(f"{CAMERAS}?{question}"), 422)


def test_a_merge_patch(client: TestClient) -> None:
    add(client, labels={"site": "north", "floor": "2"}, loop=True)
    change = {"labels": {"floor": None, "door": "left"}, "loop": None, "rtsp_transport": "udp"}
    change |= {"decoder": "cuda"}
    answer = client.patch(
        YARD, content=json.dumps(change), headers={"Content-Type": "application/merge-patch+json"}
    )
    assert answer.status_code == 200
    told = answer.json()
    assert told["labels"] == {"site": "north", "door": "left"}
    assert (told["loop"], told["rtsp_transport"], told["source"]) == (False, "udp", SOURCE)


def test_a_film_with_a_time_of_its_own(world: World, tmp_path: Path) -> None:
    register = CameraRegistration((tmp_path,), AddressPolicy(loopback=True, private=False))
    film = str(tmp_path / "a.mp4")
    with world.client(register=register) as client:
        told = add(client, source=film, pace="fastest", start="2025-03-01T09:00:00.25+01:00")
        assert (told["pace"], told["start"]) == ("fastest", "2025-03-01T08:00:00.250000Z")
        assert world.store.cameras.get("yard").start == 1740816000.25
        assert client.patch(YARD, json={"labels": {"a": "b"}}).json()["start"] == told["start"]
        check_problem(client.patch(YARD, json={"loop": True}), 422, "'loop'")
        check_problem(client.patch(YARD, json={"pace": None}), 422, "leave 'start' out")
        changed = client.patch(YARD, json={"pace": None, "start": None}).json()
        assert (changed["pace"], changed["start"]) == ("own", None)


def test_if_match(client: TestClient) -> None:
    first = f'"{add(client)["revision"]}"'
    second = client.patch(YARD, json={"paused": True}, headers={"If-Match": first})
    assert second.status_code == 200
    for ask in (client.patch, client.delete):
        body = {"json": {"paused": False}} if ask == client.patch else {}
        check_problem(ask(YARD, headers={"If-Match": first}, **body), 412, "revision")
        check_problem(ask(YARD, headers={"If-Match": "W/" + first}, **body), 412)
    tags = f"{first}, {second.headers['etag']}"
    assert client.patch(YARD, json={}, headers={"If-Match": tags}).status_code == 200
    assert client.delete(YARD, headers={"If-Match": "*"}).status_code == 204


def test_a_removed_camera_is_gone(client: TestClient) -> None:
    add(client)
    answer = client.delete(YARD)
    assert (answer.status_code, answer.content) == (204, b"")
    for answer in (client.get(YARD), client.delete(YARD), client.patch(YARD, json={})):
        check_problem(answer, 404, "'yard'")


def test_a_taken_id(client: TestClient) -> None:
    add(client)
    answer = client.post(CAMERAS, json={"id": "yard", "source": SOURCE})
    check_problem(answer, 409, "'yard'")


def test_a_declared_camera_is_read_only(world: World, client: TestClient) -> None:
    world.store.declare([CameraRecord(camera_id="yard", source=SOURCE, declared=True)], [])
    assert client.get(YARD).json()["declared"] is True
    check_problem(client.patch(YARD, json={"paused": True}), 409, "configuration file")
    check_problem(client.delete(YARD), 409, "configuration file")


@pytest.mark.parametrize(
    ("body", "field", "said"),
    [
        ({"id": "my yard", "source": SOURCE}, "id", "'my yard' cannot name a camera"),
        ({"id": "yard\n", "source": SOURCE}, "id", "cannot name a camera"),
        ({"id": "y" * 64, "source": SOURCE}, "id", "1 to 63"),
        ({"id": "yard"}, "source", "'source' is required."),
        ({"id": "yard", "source": ""}, "source", "'source'"),
        ({"id": "yard", "source": "rtsp://a\u0000b/"}, "source", "'source'"),
        ({"id": "yard", "source": SOURCE, "pased": True}, "pased", "no field 'pased'"),
        ({"id": "yard", "source": SOURCE, "paused": "yes"}, "paused", "boolean"),
        ({"id": "yard", "source": SOURCE, "loop": 1}, "loop", "boolean"),
        ({"id": "yard", "source": SOURCE, "labels": {"a b": ""}}, "labels.a b", "'labels.a b'"),
        ({"id": "yard", "source": SOURCE, "rtsp_transport": "pigeon"}, "rtsp_transport", "'tcp'"),
        ({"id": "yard", "source": SOURCE, "decoder": "abacus"}, "decoder", "'cuda'"),
        ({"id": "yard", "source": SOURCE, "pace": "brisk"}, "pace", "'fastest'"),
        ({"id": "yard", "source": SOURCE, "pace": "fastest"}, "", "only a file"),
        ({"id": "yard", "source": SOURCE, "start": "2025-03-01T08:00:00Z"}, "", "'pace'"),
        ({"id": "yard", "source": SOURCE, "start": "yesterday"}, "start", "it is no time"),
        (
            {"id": "yard", "source": SOURCE, "credentials_environment": "HOME"},
            "credentials_environment",
            "WATCHWORD_CAMERA_",
        ),
        ({"id": "yard", "source": "gopher://yard"}, "", "gopher"),
        ({"id": "yard", "source": "/etc/passwd"}, "", "file_roots"),
        ({"id": "yard", "source": "http://169.254.169.254/"}, "", "169.254.169.254"),
        ([], "", "JSON object"),
        ("yard", "", "JSON object"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    body: object, field: str, said: str, client: TestClient
) -> None:
    problem = check_problem(client.post(CAMERAS, json=body), 422, said)
    assert problem["errors"][0]["field"] == field
    assert client.get(CAMERAS).json()["items"] == []


@pytest.mark.parametrize("change", [{"source": None}, {"id": "gate"}, {"labels": {"a b": "c"}}])
def test_a_change_is_checked_as_a_whole(change: dict, client: TestClient) -> None:
    add(client)
    check_problem(client.patch(YARD, json=change), 422)


@pytest.mark.parametrize(
    "path", ["yard%00", "%ed%a0%80", "my%20yard", "y" * 10_000, "..%2fqueries", "%0a"]
)
def test_strange_ids_find_nothing(path: str, client: TestClient) -> None:
    answer = client.get(f"{CAMERAS}/{path}")
    assert answer.status_code in {404, 422}
    assert answer.headers["content-type"] == PROBLEM_JSON
