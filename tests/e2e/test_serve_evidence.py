"""`watchword serve` keeps what cameras sent around alerts, and gives it to who asks."""

import shutil
from collections.abc import Iterator
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import av
import httpx
import numpy as np
import pytest
from PIL import Image

from tests.e2e.media import GREY, RED, write_video
from tests.e2e.serving import Serve, wait_for

BEGINS = 4  # seconds into the film, when red begins


MASKS = [[[0, 0], [0.25, 0], [0.25, 1], [0, 1]]]  # the left quarter
CAMERAS: dict[str, dict[str, Any]] = {
    "yard": {},
    "masked": {"masks": MASKS},
    "off": {"evidence": False},
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, colours: Path) -> Iterator[Serve]:
    """A server that has seen the film on three cameras, and closed the alerts of it."""
    folder = tmp_path_factory.mktemp("server")
    write_video(folder / "film.mp4", [(GREY, BEGINS), (RED, 6), (GREY, 12)])
    storage = {"evidence": {"segment_seconds": 2, "keep_free_gigabytes": 0}}
    server = Serve(folder, {"bundle": str(colours), "storage": storage})
    try:
        server.add_query("red")
        for name, fields in CAMERAS.items():
            server.add_camera(name, "film.mp4", **fields)
        wait_for(lambda: len(server.alerts(state="closed")) == 3, about="three alerts to close")
        yield server
    finally:
        server.close()


def path_of(server: Serve, camera: str) -> str:
    (alert,) = server.alerts(camera=camera)
    return f"/v1/alerts/{alert['id']}"


def wait_for_clip(server: Serve, path: str) -> httpx.Response:
    """The clip, once no more of it will come."""

    def look() -> httpx.Response | None:
        answer = server.http.get(f"{path}/clip.mp4")
        whole = answer.headers.get("x-watchword-clip-complete") == "true"
        return answer if whole else None

    return wait_for(look, about="the whole clip")


def is_red(pixels: np.ndarray) -> bool:
    red, green, blue = pixels.reshape(-1, 3).mean(axis=0)
    return bool(red > 1.8 * max(green, blue))


def seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def check_clip(server: Serve, path: str) -> None:
    alert = server.http.get(path).json()
    answer = wait_for_clip(server, path)
    assert answer.headers["content-type"] == "video/mp4"
    offset = float(answer.headers["x-watchword-offset-seconds"])
    begin = seconds(answer.headers["x-watchword-clip-start"])
    assert offset == pytest.approx(seconds(alert["start"]) - begin, abs=0.002)
    with av.open(BytesIO(answer.content)) as clip:
        shown = [
            (float(one.time or 0.0), is_red(one.to_ndarray(format="rgb24")))
            for one in clip.decode(video=0)
        ]
    red = [at for at, is_so in shown if is_so]
    # The film is red from its 4th to its 10th second, and the clip is that film
    assert red[-1] - red[0] == pytest.approx(5.9, abs=0.11)
    assert all(is_so == (red[0] <= at <= red[-1]) for at, is_so in shown)
    # An alert begins with a clip of 2 s, which may begin before the event does
    assert offset - 0.2 <= red[0] <= offset + 2.2
    assert begin <= seconds(alert["start"]) - 3.9  # 5 s before, where the film has as many
    assert begin + shown[-1][0] >= seconds(alert["end"]) + 4.8


def test_an_alerts_clip_shows_it_at_the_right_second(server: Serve) -> None:
    path = path_of(server, "yard")
    check_clip(server, path)
    whole = wait_for_clip(server, path)
    part = server.http.get(f"{path}/clip.mp4", headers={"Range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, whole.content[10:20])
    assert part.headers["content-range"] == f"bytes 10-19/{len(whole.content)}"
    beyond = server.http.get(f"{path}/clip.mp4", headers={"Range": "bytes=99999999-"})
    assert beyond.status_code == 416
    assert beyond.headers["content-type"] == "application/problem+json"


def test_its_thumbnail_and_preview_show_it(server: Serve) -> None:
    path = path_of(server, "yard")
    wait_for_clip(server, path)
    thumbnail = server.http.get(f"{path}/thumbnail.jpg")
    assert thumbnail.headers["content-type"] == "image/jpeg"
    picture = Image.open(BytesIO(thumbnail.content))
    assert picture.size == (128, 64)
    assert is_red(np.asarray(picture.convert("RGB")))
    preview = Image.open(BytesIO(server.http.get(f"{path}/preview.webp").content))
    assert preview.format == "WEBP"
    assert 2 <= preview.n_frames <= 10


def test_a_snapshot_shows_what_the_camera_saw(server: Serve) -> None:
    snapshot = server.http.get("/v1/cameras/yard/snapshot.jpg")
    assert snapshot.status_code == 200
    assert seconds(snapshot.headers["x-watchword-at"]) > 0
    assert Image.open(BytesIO(snapshot.content)).size == (128, 64)


def test_what_is_kept_is_counted(server: Serve) -> None:
    assert server.metric("watchword_evidence_segments_total", camera="yard") >= 8
    assert server.metric("watchword_evidence_packets_dropped_total", camera="yard") == 0
    assert server.metric("watchword_evidence_faults_total", camera="yard") == 0


def test_a_masked_camera_is_recorded_masked(server: Serve) -> None:
    files = list((server.folder / "data" / "evidence" / "masked").rglob("*.mkv"))
    assert len(files) >= 8
    for path in files:
        with av.open(str(path)) as segment:
            for frame in segment.decode(video=0):
                pixels = frame.to_ndarray(format="rgb24")
                assert pixels[:, :32].max() < 30
                assert pixels[:, 40:].max() > 60
    snapshot = server.http.get("/v1/cameras/masked/snapshot.jpg").content
    assert np.asarray(Image.open(BytesIO(snapshot)))[:, :28].max() < 40


def test_a_camera_without_evidence_has_none(server: Serve) -> None:
    assert not (server.folder / "data" / "evidence" / "off").exists()
    answer = server.http.get(f"{path_of(server, 'off')}/clip.mp4")
    assert answer.status_code in (404, 409)  # 409 while it might still be written
    assert answer.headers["content-type"] == "application/problem+json"
    assert server.http.get("/v1/cameras/off/snapshot.jpg").status_code == 404
    assert server.http.get(f"/v1/alerts/{'0' * 64}/clip.mp4").status_code == 404


def test_clips_are_kept_after_a_crash_and_outlive_what_they_were_cut_from(server: Serve) -> None:
    path, kept = path_of(server, "yard"), server.folder / "data" / "evidence" / "_alerts"
    wait_for(lambda: len(list(kept.rglob("about.json"))) == 2, about="the clips to be kept")
    server.kill()
    shutil.rmtree(kept)
    server.start()
    wait_for(lambda: len(list(kept.rglob("about.json"))) == 2, about="the clips to be kept again")
    thumbnail = server.http.get(f"{path}/thumbnail.jpg").content
    server.http.patch("/v1/cameras/yard", json={"paused": True})
    shutil.rmtree(server.folder / "data" / "evidence" / "yard")
    check_clip(server, path)
    assert server.http.get(f"{path}/thumbnail.jpg").content == thumbnail
    told = server.http.get(f"{path}/clip.mp4").headers
    shows = server.http.get(path).json()["evidence"]
    assert shows["offset_seconds"] == float(told["x-watchword-offset-seconds"])
    assert shows["start"] == told["x-watchword-clip-start"]
    assert shows["end"] == told["x-watchword-clip-end"]
