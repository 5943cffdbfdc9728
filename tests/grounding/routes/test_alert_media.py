"""`/v1/alerts/{id}/clip.mp4` and its like, over HTTP."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from grounding.alert_evidence import AboutClip
from streamer.errors import EvidenceMissingError, EvidencePendingError, EvidenceStorageError
from tests.deploy.http.world import check_problem
from tests.grounding.alert_shelf import alert

ABOUT = AboutClip(
    start=1700000000.0,
    end=1700000010.5,
    offset_seconds=5.25,
    codec="h264",
    width=64,
    height=48,
    parts=1,
    complete=True,
)


class Evidence:
    """Gives one file, or raises."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.fault: Exception | None = None
        self.asked: list[tuple[str, str]] = []
        self.held = 0

    @contextmanager
    def opened(self, one, piece) -> Iterator[tuple[Path, AboutClip]]:
        self.asked.append((one.alert_id, piece))
        if self.fault is not None:
            raise self.fault
        self.held += 1
        try:
            yield self.path, ABOUT
        finally:
            self.held -= 1


@pytest.fixture
def evidence(tmp_path: Path) -> Evidence:
    (tmp_path / "file").write_bytes(bytes(range(200)))
    return Evidence(tmp_path / "file")


@pytest.fixture
def http(world, evidence) -> Iterator:
    world.store.alerts.write([(alert(0), b"")])
    with world.client(evidence=evidence) as client:
        yield client


PATH = f"/v1/alerts/{alert(0).alert_id}"


@pytest.mark.parametrize(
    ("piece", "kind"),
    [("clip.mp4", "video/mp4"), ("thumbnail.jpg", "image/jpeg"), ("preview.webp", "image/webp")],
)
def test_a_file_and_what_is_told_of_it(http, evidence, piece: str, kind: str) -> None:
    answer = http.get(f"{PATH}/{piece}")
    assert (answer.status_code, answer.content) == (200, bytes(range(200)))
    assert answer.headers["content-type"] == kind
    assert answer.headers["content-length"] == "200"
    assert answer.headers["accept-ranges"] == "bytes"
    assert answer.headers["x-watchword-offset-seconds"] == "5.250"
    assert answer.headers["x-watchword-clip-start"] == "2023-11-14T22:13:20.000000Z"
    assert answer.headers["x-watchword-clip-end"] == "2023-11-14T22:13:30.500000Z"
    assert answer.headers["x-watchword-clip-parts"] == "1"
    assert answer.headers["x-watchword-clip-complete"] == "true"
    assert evidence.asked == [(alert(0).alert_id, piece)]
    assert evidence.held == 0


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [
        ("bytes=0-9", 0, 9),
        ("bytes=190-", 190, 199),
        ("bytes=-5", 195, 199),
        ("bytes=7-999", 7, 199),
    ],
)
def test_a_part_of_it(http, asked: str, first: int, last: int) -> None:
    answer = http.get(f"{PATH}/clip.mp4", headers={"Range": asked})
    assert (answer.status_code, answer.content) == (206, bytes(range(first, last + 1)))
    assert answer.headers["content-range"] == f"bytes {first}-{last}/200"
    assert answer.headers["content-length"] == str(last + 1 - first)


@pytest.mark.parametrize(
    "asked", ["", "bytes=", "bytes=-", "bytes=9-3", "bytes=0-1,5-6", "lines=1-2", "x"]
)
def test_what_is_no_range_is_ignored(http, asked: str) -> None:
    answer = http.get(f"{PATH}/clip.mp4", headers={"Range": asked})
    assert (answer.status_code, len(answer.content)) == (200, 200)


@pytest.mark.parametrize("asked", ["bytes=200-", "bytes=500-600", "bytes=-0"])
def test_a_part_that_it_does_not_have(http, evidence, asked: str) -> None:
    answer = http.get(f"{PATH}/clip.mp4", headers={"Range": asked})
    check_problem(answer, 416, "200 bytes")
    assert evidence.held == 0


def test_refusals(http, evidence) -> None:
    evidence.fault = EvidenceMissingError("It is gone.")
    check_problem(http.get(f"{PATH}/clip.mp4"), 404, "It is gone.")
    evidence.fault = EvidencePendingError("It is still being written.")
    answer = http.get(f"{PATH}/clip.mp4")
    check_problem(answer, 409, "still being written")
    assert int(answer.headers["retry-after"]) > 0
    evidence.fault = EvidenceStorageError("The disk is gone.")
    check_problem(http.get(f"{PATH}/clip.mp4"), 503, "The disk is gone.")
    check_problem(http.get(f"/v1/alerts/{'0' * 64}/clip.mp4"), 404, "no alert")
    check_problem(http.get("/v1/alerts/nothing/clip.mp4"), 422)


def test_a_server_without_evidence_says_so(world) -> None:
    world.store.alerts.write([(alert(0), b"")])
    with world.client() as client:
        for piece in ("clip.mp4", "thumbnail.jpg", "preview.webp"):
            check_problem(client.get(f"{PATH}/{piece}"), 404, "storage.evidence")
        check_problem(client.get("/v1/cameras/yard/snapshot.jpg"), 404, "storage.evidence")
