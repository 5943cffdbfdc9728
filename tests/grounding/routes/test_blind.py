"""`/v1/blind`, on a real store."""

from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.deploy.http.world import World, check_problem
from tests.deploy.store import records
from tests.deploy.store.records import blind

BLIND = "/v1/blind"


@pytest.fixture
def world(world: World) -> World:
    world.store.blind_periods.write(
        [
            blind(1100, 1142.5),
            blind(1200, 1260, camera_id="gate-east", reason="restart"),
            blind(1300, 1302, reason="overload", queries=("bbbbbbbbbbbb",)),
        ]
    )
    return world


def starts(client: TestClient, **params: Any) -> list[str]:
    items = client.get(BLIND, params=params).json()["items"]
    return [one["start"][14:19] for one in items]


def test_a_period_reads_like_an_alert(client: TestClient, world: World) -> None:
    told = client.get(BLIND, params={"reason": "stream"}).json()
    assert told == {
        "items": [
            {
                "camera": "yard",
                "start": "1970-01-01T00:18:20.000000Z",
                "end": "1970-01-01T00:19:02.500000Z",
                "seconds": 42.5,
                "reason": "stream",
                "queries": ["*"],
            }
        ],
        "next": None,
    }


def test_nothing_was_missed(client: TestClient, world: World) -> None:
    world.store.prune(1e9)
    assert client.get(BLIND).json() == {"items": [], "next": None}


@pytest.mark.parametrize(
    ("params", "found"),
    [
        ({}, ["21:40", "20:00", "18:20"]),
        ({"camera": "yard"}, ["21:40", "18:20"]),
        ({"camera": ["yard", "gate-east"], "reason": ["stream", "restart"]}, ["20:00", "18:20"]),
        ({"since": "1970-01-01T00:19:02Z", "until": "1970-01-01T00:20:01Z"}, ["20:00", "18:20"]),
        ({"since": "1970-01-01T00:21:00Z"}, ["21:40"]),
        ({"query": "aaaaaaaaaaaa"}, ["20:00", "18:20"]),
        ({"query": "bbbbbbbbbbbb"}, ["21:40"]),
        ({"query": "cccccccccccc"}, []),
    ],
    ids=str,
)
def test_periods_are_found(
    params: dict[str, Any], found: list[str], client: TestClient, world: World
) -> None:
    assert starts(client, **params) == found


def test_a_query_misses_only_what_it_would_have_watched(client: TestClient, world: World) -> None:
    world.store.queries.add(records.query("dddddddddddd", cameras=("gate-*",)), "me")
    world.clock.now = 1250.0
    world.store.queries.add(records.query("eeeeeeeeeeee"), "me")
    assert starts(client, query="dddddddddddd") == ["20:00"]
    assert starts(client, query="eeeeeeeeeeee") == ["20:00"]


def test_pages_follow_each_other(client: TestClient, world: World) -> None:
    world.store.blind_periods.write(
        [blind(1300 + at / 7, 1302 + at / 7, camera_id=f"camera-{at}") for at in range(5)]
    )
    seen, cursor = [], None
    while True:
        page = client.get(BLIND, params={"limit": 3} | ({"cursor": cursor} if cursor else {}))
        seen += page.json()["items"]
        if (cursor := page.json()["next"]) is None:
            break
    assert seen == client.get(BLIND).json()["items"]
    assert len(seen) == 8


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"cursor": "eWFyZA"}, "another list"),
        ({"cursor": "MHgxLjBwKzk5OTkgMQ"}, "another list"),  # a start that no number can hold
        ({"reason": "sleep"}, "reason"),
        ({"since": "yesterday"}, "since"),
        ({"camera": "a\nb"}, "camera"),
        ({"limit": 0}, "limit"),
        ({"mood": "good"}, "mood"),
    ],
    ids=str,
)
def test_what_cannot_be_meant_is_refused(
    params: dict[str, Any], said: str, client: TestClient
) -> None:
    check_problem(client.get(BLIND, params=params), 422, said)
