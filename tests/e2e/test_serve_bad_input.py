"""What cannot be served is refused with a sentence; what goes wrong later does not end it."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import ROOT
from tests.e2e.media import RED, write_video
from tests.e2e.serving import PATIENCE, Serve, wait_for


def refused(folder: Path, settings: dict[str, Any] | str, *words: str) -> str:
    """The sentence with which serve ends, exit code 2."""
    config = folder / "serve.yml"
    text = settings if isinstance(settings, str) else yaml.safe_dump(settings)
    config.write_text(text, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "deploy", "serve", "--config", str(config), *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, colours: Path) -> Iterator[Serve]:
    """One server for all who are refused: none of them leaves anything behind."""
    server = Serve(
        tmp_path_factory.mktemp("serve"),
        {"bundle": str(colours), "server": {"max_body_bytes": 100_000}},
    )
    yield server
    server.close()


def test_a_port_in_use(tmp_path: Path, colours: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        settings = {"bundle": str(colours), "server": {"port": port}}
        assert f"port {port} of 127.0.0.1 is in use" in refused(tmp_path, settings)


def test_a_key_with_a_typo(tmp_path: Path) -> None:
    said = refused(tmp_path, "server:\n  prot: 8080\n")
    assert "server.prot" in said
    assert "server.port" in said


def test_two_cameras_of_one_id(tmp_path: Path) -> None:
    cameras = {"list": [{"id": "yard", "source": "a.mp4"}, {"id": "yard", "source": "b.mp4"}]}
    assert "yard" in refused(tmp_path, {"cameras": cameras})


def test_listening_elsewhere_without_a_token(tmp_path: Path) -> None:
    assert "token" in refused(tmp_path, {"server": {"host": "0.0.0.0", "port": 0}})


def test_some_parts_without_kafka(tmp_path: Path) -> None:
    assert "kafka.bootstrap_servers" in refused(tmp_path, {}, "--only", "grounding,api")
    assert "streamer, encoder, grounding, api" in refused(tmp_path, {}, "--only", "brain")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_data_folder_that_cannot_be_written(tmp_path: Path) -> None:
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    assert "locked" in refused(tmp_path, {"data_folder": str(locked / "data")})


def test_a_data_folder_that_is_a_file(tmp_path: Path, colours: Path) -> None:
    (tmp_path / "data").write_text("")
    settings = {
        "bundle": str(colours),
        "data_folder": str(tmp_path / "data"),
        "server": {"port": 0},
    }
    assert str(tmp_path / "data") in refused(tmp_path, settings)


def test_two_servers_on_one_data_folder(server: Serve, tmp_path: Path, colours: Path) -> None:
    settings = {
        "bundle": str(colours),
        "data_folder": str(server.folder / "data"),
        "server": {"port": 0},
    }
    assert "watchword.db" in refused(tmp_path, settings)


@pytest.mark.parametrize(
    ("path", "body", "status", "said"),
    [
        ("cameras", {"id": "my yard", "source": "rtsp://yard/1"}, 422, "my yard"),
        ("cameras", {"id": "yard", "source": "/etc/passwd"}, 422, "file_roots"),
        ("cameras", {"id": "yard", "source": "gopher://yard"}, 422, "gopher"),
        ("cameras", {"id": "yard", "source": "http://169.254.169.254/video"}, 422, "169.254"),
        ("queries", {"text": "red", "cameras": ["nowhere"]}, 422, "nowhere"),
        ("queries", {"text": "?!"}, 422, "no words"),
        ("queries", {"text": "red", "sensitivity": {"threshold": 2}}, 422, "threshold"),
        ("queries", {"text": "red", "colour": "red"}, 422, "colour"),
        ("subscriptions", {"url": "http://169.254.169.254/latest"}, 422, "169.254.169.254"),
        ("subscriptions", {"url": "http://10.0.0.7/hook"}, 422, "10.0.0.7"),
        ("subscriptions", {"url": "ftp://example.org/"}, 422, "ftp"),
        ("queries", {"text": "red " * 100_000}, 413, "bytes"),
    ],
)
def test_the_api_refuses_with_a_sentence(
    server: Serve, path: str, body: dict[str, Any], status: int, said: str
) -> None:
    answer = server.http.post(f"/v1/{path}", json=body)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert said in answer.text
    assert server.process.poll() is None


def test_a_camera_id_is_taken_once(server: Serve) -> None:
    write_video(server.folder / "a.mp4", [(RED, 4)])
    server.add_camera("yard", "a.mp4", loop=True)
    again = server.http.post("/v1/cameras", json={"id": "yard", "source": "a.mp4"})
    assert (again.status_code, again.json()["status"]) == (409, 409)
    assert server.http.delete("/v1/cameras/yard").status_code == 204


def test_other_hosts_and_forwarded_requests_are_refused(server: Serve) -> None:
    for headers in (
        {"Host": "evil.example"},
        {"X-Forwarded-For": "10.0.0.1"},
        {"Origin": "http://evil.example"},
    ):
        answer = server.http.post("/v1/queries", json={"text": "red"}, headers=headers)
        assert answer.status_code in {400, 403, 421}, (headers, answer.text)
    assert server.get("queries")["items"] == []


def test_a_password_is_shown_nowhere(server: Serve) -> None:
    source = "rtsp://guard:hunter2secret@127.0.0.1:9/live"
    added = server.add_camera("yard", source)
    assert added["source"] == "rtsp://127.0.0.1:9/live"
    assert added["credentials"] == "sealed"
    health = wait_for(lambda: (h := server.get("cameras/yard")["health"]) and h["message"] and h)
    assert health["state"] in {"offline", "connecting"}
    pages = [server.http.get(path).text for path in ("/metrics", "/v1/cameras", "/openapi.json")]
    stored = [p.read_bytes() for p in (server.folder / "data").rglob("*") if p.is_file()]
    assert "hunter2secret" not in "".join([*pages, *server.log])
    assert all(b"hunter2secret" not in content for content in stored)
