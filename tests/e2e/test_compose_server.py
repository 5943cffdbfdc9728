"""What docker-compose.yml starts, started without Docker: the server, its tokens, Prometheus."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import yaml

from tests.conftest import ROOT
from tests.e2e.serving import PATIENCE, Serve, wait_for

SECRETS = "/run/secrets"

pytestmark = pytest.mark.timeout(900)  # several waits, each of which may be long


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("compose") / "secrets"
    script = ROOT / "deploy/docker/make-secrets.sh"
    subprocess.run(["sh", str(script), str(folder)], check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def serve(secrets: Path) -> Iterator[Serve]:
    text = (ROOT / "deploy/docker/watchword.yml").read_text()
    serve = Serve(secrets.parent, yaml.safe_load(text.replace(SECRETS, str(secrets))))
    try:
        # 0.0.0.0 is where it listens, not where it is asked
        serve.url = serve.url.replace("0.0.0.0", "127.0.0.1")
        serve.http.close()
        serve.http = httpx.Client(base_url=serve.url, timeout=PATIENCE, trust_env=False)
        serve.wait_until_ready()
        yield serve
        assert serve.end() == 0
    finally:
        serve.close()


def token(secrets: Path, name: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {(secrets / name).read_text()}"}


def test_the_health_check_of_the_image_passes(serve: Serve) -> None:
    dockerfile = re.sub(r"\\\n\s*", "", (ROOT / "deploy/docker/Dockerfile").read_text())
    check = re.search(r"^HEALTHCHECK .*CMD (\[.*\])$", dockerfile, re.MULTILINE)
    assert check is not None
    words = [sys.executable, *json.loads(check[1])[1:]]
    port = serve.url.rsplit(":", 1)[1]
    subprocess.run(words, env={**os.environ, "WATCHWORD__SERVER__PORT": port}, check=True)


def test_each_token_opens_its_own_door(serve: Serve, secrets: Path) -> None:
    operator, metrics = (
        token(secrets, name) for name in ("watchword-token", "watchword-metrics-token")
    )
    assert serve.http.get("/metrics").status_code == 401
    assert serve.http.get("/metrics", headers=metrics).status_code == 200
    assert serve.http.get("/v1/cameras", headers=metrics).status_code == 403
    assert serve.http.get("/metrics", headers=operator).status_code == 403
    assert serve.http.get("/v1/cameras", headers=operator).status_code == 200


def test_the_command_line_asks_it_with_the_token_file(serve: Serve, secrets: Path) -> None:
    command = [sys.executable, "-m", "deploy", "query", "add", "a red car", "--json"]
    environment = {
        **os.environ,
        "WATCHWORD_SERVER": serve.url,
        "WATCHWORD_TOKEN_FILE": str(secrets / "watchword-token"),
    }
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, check=True)
    assert json.loads(done.stdout)["text"] == "a red car"


@pytest.mark.needs("prometheus")
def test_prometheus_scrapes_it_with_its_token_and_takes_the_rules(
    serve: Serve, secrets: Path, tmp_path: Path
) -> None:
    text = (ROOT / "deploy/prometheus/prometheus.yml").read_text()
    text = text.replace(SECRETS, str(secrets)).replace(
        "watchword:8080", serve.url.removeprefix("http://")
    )
    (tmp_path / "prometheus.yml").write_text(text)
    (tmp_path / "rules.yml").write_text((ROOT / "deploy/prometheus/rules.yml").read_text())
    log = tmp_path / "log"
    with log.open("wb") as output:
        prometheus = subprocess.Popen(
            [
                "prometheus",
                f"--config.file={tmp_path / 'prometheus.yml'}",
                f"--storage.tsdb.path={tmp_path / 'data'}",
                "--web.listen-address=127.0.0.1:0",
            ],
            stderr=output,
        )
    try:
        scraped = "watchword_stream_followers"
        wait_for(
            lambda: b"Server is ready" in log.read_bytes() or prometheus.poll() is not None,
            about="Prometheus",
        )
        assert prometheus.poll() is None, log.read_text()
        address = wait_for(lambda: re.search(r"127\.0\.0\.1:[1-9]\d*", log.read_text()))[0]
        ask = httpx.Client(base_url=f"http://{address}", trust_env=False, timeout=PATIENCE)
        with ask:
            found = wait_for(
                lambda: ask.get("/api/v1/query", params={"query": scraped}).json()["data"][
                    "result"
                ],
                about=scraped,
            )
            assert found[0]["metric"]["job"] == "watchword"
            groups = ask.get("/api/v1/rules").json()["data"]["groups"]
            assert sum(len(group["rules"]) for group in groups) == 12
    finally:
        prometheus.terminate()
        prometheus.wait()
