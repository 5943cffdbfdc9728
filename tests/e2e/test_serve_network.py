"""Real cameras over RTSP and HTTP, and a real Prometheus that scrapes the running process."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import yaml

from tests.e2e.media import BLUE, GREY, RED, write_video
from tests.e2e.serving import Serve, wait_for
from tests.ports import free_ports
from tests.requirements import skip_or_fail
from tests.streamer.test_rtsp import IMPORTS, PYTHON, Server

pytestmark = pytest.mark.timeout(900)  # several waits, each of which may be long


@pytest.fixture
def serve(tmp_path: Path, colours: Path) -> Iterator[Serve]:
    server = Serve(tmp_path, {"bundle": str(colours)})
    yield server
    server.close()


@pytest.fixture
def rtsp() -> None:
    try:
        subprocess.run([PYTHON, "-c", IMPORTS], check=True, capture_output=True, timeout=60)
    except (OSError, subprocess.SubprocessError):
        skip_or_fail("rtsp", f"{PYTHON} cannot import gi.repository.GstRtspServer")


@pytest.mark.usefixtures("rtsp")
def test_an_rtsp_camera_with_a_password_comes_and_goes(serve: Serve, tmp_path: Path) -> None:
    film = write_video(tmp_path / "film.mp4", [(RED, 20), (GREY, 40)])
    camera = Server(film, "guard", "hunter2secret")
    try:
        serve.add_query("red")
        source = f"rtsp://guard:hunter2secret@127.0.0.1:{camera.port}/live"
        serve.add_camera("gate", source)
        (alert,) = wait_for(serve.alerts, about="the alert of an RTSP camera")
        assert alert["camera_id"] == "gate"
        assert serve.get("cameras/gate")["health"]["state"] == "live"
    finally:
        camera.off()
    wait_for(lambda: serve.get("cameras/gate")["health"]["state"] == "offline")
    wait_for(lambda: serve.alerts(state="closed"), about="the alert to close on silence")
    assert serve.metric("watchword_stream_up", camera="gate") == 0.0
    assert "hunter2secret" not in "".join(serve.log)


@pytest.mark.needs("prometheus")
def test_prometheus_scrapes_it(serve: Serve, tmp_path: Path) -> None:
    write_video(tmp_path / "film.mp4", [(BLUE, 60)])
    serve.add_query("blue")
    serve.add_camera("yard", "film.mp4", loop=True)
    (port,) = free_ports(1)
    target = serve.url.removeprefix("http://")
    scrape = {"job_name": "watchword", "static_configs": [{"targets": [target]}]}
    config = tmp_path / "prometheus.yml"
    config.write_text(
        yaml.safe_dump({"global": {"scrape_interval": "1s"}, "scrape_configs": [scrape]})
    )
    prometheus = subprocess.Popen(
        [
            "prometheus",
            f"--config.file={config}",
            f"--storage.tsdb.path={tmp_path / 'tsdb'}",
            f"--web.listen-address=127.0.0.1:{port}",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )

    def asked(query: str) -> str:
        try:
            answer = httpx.get(f"http://127.0.0.1:{port}/api/v1/query", params={"query": query})
        except httpx.HTTPError:
            return ""
        result = answer.json()["data"]["result"] if answer.status_code == 200 else []
        return str(result[0]["value"][1]) if result else ""

    try:
        wait_for(lambda: asked('up{job="watchword"}') == "1", about="a scrape")
        wait_for(lambda: asked('watchword_stream_up{camera="yard"}') == "1")
        wait_for(lambda: asked("sum(watchword_alerts_total)") not in {"", "0"})
        assert asked("count(watchword_bundle_info)") == "1"
    finally:
        prometheus.kill()
        prometheus.wait()
