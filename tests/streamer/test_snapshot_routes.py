"""`/v1/cameras/{id}/snapshot.jpg`."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from streamer.evidence.names import Snapshot, mark_of
from streamer.evidence.shelf import Shelf, open_shelf
from streamer.picture_area import Polygon
from tests.deploy.http.world import check_problem, opened_world
from tests.deploy.store import records


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return open_shelf(str(tmp_path / "evidence"))


@pytest.fixture
def http(shelf: Shelf, tmp_path: Path) -> Iterator[TestClient]:
    with opened_world(tmp_path) as world:
        world.store.cameras.add(records.camera("yard"), "test")
        with world.client(snapshots=shelf) as client:
            yield client


def put(shelf: Shelf, at_ms: int, data: bytes, masks: tuple[Polygon, ...] = ()) -> None:
    shelf.put_bytes(data, Snapshot(at_ms, 1, "yard", mark_of(masks)).name)


def test_the_newest_picture_that_is_whole(shelf: Shelf, http: TestClient) -> None:
    put(shelf, 1_700_000_000_000, b"old")
    put(shelf, 1_700_009_999_250, b"new")
    put(shelf, 1_700_010_000_000, b"")  # a power cut left it empty
    answer = http.get("/v1/cameras/yard/snapshot.jpg")
    assert (answer.status_code, answer.content) == (200, b"new")
    assert answer.headers["content-type"] == "image/jpeg"
    assert answer.headers["x-watchword-at"] == "2023-11-15T00:59:59.250Z"
    assert answer.headers["cache-control"] == "no-store"


def test_a_picture_without_the_cameras_masks_is_not_shown(shelf: Shelf, http: TestClient) -> None:
    path = "/v1/cameras/yard/snapshot.jpg"
    masks: tuple[Polygon, ...] = (((0.0, 0.0), (1.0, 0.0), (1.0, 1.0)),)
    put(shelf, 1_700_000_000_000, b"masked", masks)
    put(shelf, 1_700_000_010_000, b"open")
    assert http.get(path).content == b"open"
    # The camera may be paused or offline: no newer picture comes
    http.patch("/v1/cameras/yard", json={"masks": masks, "paused": True})
    assert http.get(path).content == b"masked"
    http.patch("/v1/cameras/yard", json={"masks": [[[0, 0], [0.5, 0], [0.5, 0.5]]]})
    check_problem(http.get(path), 404, "none with its masks")
    http.patch("/v1/cameras/yard", json={"masks": []})
    assert http.get(path).content == b"open"


def test_a_camera_of_which_none_was_taken(http: TestClient) -> None:
    check_problem(http.get("/v1/cameras/yard/snapshot.jpg"), 404, "no snapshot of camera 'yard'")


def test_a_camera_that_nobody_registered(shelf: Shelf, http: TestClient) -> None:
    shelf.put_bytes(b"old", Snapshot(1_700_000_000_000, 1, "gate").name)
    check_problem(http.get("/v1/cameras/gate/snapshot.jpg"), 404, "no camera")
