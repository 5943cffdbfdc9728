"""`/v1/deadletters`, on a real store and a bus in memory."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from encoder.stored_dead_letter import read_dead_letter
from grounding.config import GroundingConfig
from grounding.worker import GroundingWorker
from streamer.bus import DEAD_LETTERS, EMBEDDINGS, QUERIES, Message
from tests.deploy.http.world import World, check_problem, opened_world
from tests.deploy.store.records import dead_letter
from tests.grounding.worlds import grounder, query

LETTERS = "/v1/deadletters"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with opened_world(tmp_path) as world:
        yield world


@pytest.fixture
def client(world: World) -> Iterator[TestClient]:
    with world.client() as client:
        yield client


def kept(world: World, *offsets: int, **fields: Any) -> list[str]:
    letters = [dead_letter(offset, **fields) for offset in offsets]
    world.store.dead_letters.write(letters)
    return [letter.letter_id for letter in letters]


def test_a_broken_embedding_is_put_aside_shown_and_tried_again(
    world: World, client: TestClient
) -> None:
    read, put_aside = world.bus.subscribe(EMBEDDINGS.name), world.bus.subscribe(DEAD_LETTERS.name)

    def store_one() -> None:
        """What the api part does with a dead letter."""
        (record,) = put_aside.poll(20.0)
        world.store.dead_letters.write([read_dead_letter(record)])

    worker = GroundingWorker(world.bus, grounder([query()]), GroundingConfig(tick_seconds=0.02))
    grounding = threading.Thread(target=worker.run, args=(threading.Event(),))
    grounding.start()
    world.bus.publish(Message(EMBEDDINGS.name, "yard", b"broken", (("trace", b"abc"),)))
    store_one()
    (told,) = client.get(LETTERS).json()["items"]
    assert (told["topic"], told["key"], told["size"]) == (EMBEDDINGS.name, "yard", 6)
    assert (told["error"], told["replayed_at"]) == ("EmbeddingRecordError", None)
    whole = client.get(f"{LETTERS}/{told['id']}").json()
    assert (whole["value"], whole["decoded"]) == ("YnJva2Vu", None)

    world.clock.now = 2000.0
    replayed = client.post(f"{LETTERS}/{told['id']}:replay")
    assert replayed.status_code == 200
    assert replayed.json() == {**told, "replayed_at": "1970-01-01T00:33:20Z"}
    store_one()  # it is no better than before, and put aside again from where it lies now
    newest, oldest = client.get(LETTERS).json()["items"]
    assert (oldest["id"], newest["offset"]) == (told["id"], told["offset"] + 1)
    first, second = read.poll(1.0)
    assert (second.key, second.value) == (first.key, first.value)
    assert second.headers == (*first.headers, ("replayed", b"1"))
    world.bus.finish(EMBEDDINGS.name)
    grounding.join(20)
    assert not grounding.is_alive()


def test_pages_begin_with_the_newest(world: World, client: TestClient) -> None:
    ids = kept(world, 1, 2, 3)
    first = client.get(LETTERS, params={"limit": 2}).json()
    assert [one["id"] for one in first["items"]] == [ids[2], ids[1]]
    second = client.get(LETTERS, params={"limit": 2, "cursor": first["next"]}).json()
    assert [one["id"] for one in second["items"]] == [ids[0]]
    assert second["next"] is None
    check_problem(client.get(LETTERS, params={"cursor": "eWFyZA"}), 422, "another list")


def test_they_are_told_apart_by_topic_and_by_what_became_of_them(
    world: World, client: TestClient
) -> None:
    (embedding,) = kept(world, 1)
    (query,) = kept(world, 1, topic=QUERIES.name)
    client.post(f"{LETTERS}/{embedding}:replay")

    def found(**params: Any) -> list[str]:
        return [one["id"] for one in client.get(LETTERS, params=params).json()["items"]]

    assert found(topic=QUERIES.name) == [query]
    assert found(topic=[QUERIES.name, EMBEDDINGS.name]) == [query, embedding]
    assert found(replayed=True) == [embedding]
    assert found(replayed=False) == [query]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"topic": QUERIES.name}, "newest state"),
        ({"topic": "watchword.clips.v1"}, "in its place"),
        ({"value": b"x" * (4 * 1024 * 1024 + 1)}, "too many to keep"),
    ],
    ids=lambda one: str(one)[:40],
)
def test_what_cannot_be_replayed_is_refused(
    fields: dict[str, Any], said: str, world: World, client: TestClient
) -> None:
    (letter,) = kept(world, 1, **fields)
    check_problem(client.post(f"{LETTERS}/{letter}:replay"), 409, said)
    assert client.get(f"{LETTERS}/{letter}").json()["replayed_at"] is None
    assert world.store.audit.page(0, 9) == []


def test_one_that_is_unknown_is_not_found(client: TestClient) -> None:
    path = f"{LETTERS}/{'0' * 12}"
    check_problem(client.get(path), 404, "no dead letter")
    check_problem(client.post(f"{path}:replay"), 404, "no dead letter")
    check_problem(client.get(f"{LETTERS}/yard"), 422, "letter_id")


def test_while_the_topic_cannot_be_reached_nothing_is_noted(
    world: World, client: TestClient
) -> None:
    (letter,) = kept(world, 1)
    world.bus.close()
    check_problem(client.post(f"{LETTERS}/{letter}:replay"), 503)
    assert client.get(f"{LETTERS}/{letter}").json()["replayed_at"] is None


def test_a_replay_stands_in_the_audit(world: World, client: TestClient) -> None:
    (letter,) = kept(world, 1)
    client.post(f"{LETTERS}/{letter}:replay")
    (entry,) = world.store.audit.page(0, 9)
    assert (entry.by, entry.action, entry.kind) == ("local", "replayed", "dead letter")
    assert entry.entity_id == letter
