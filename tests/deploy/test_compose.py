"""docker-compose.yml and what it starts, as far as they can be tried without Docker."""

import http.server
import json
import os
import re
import shlex
import stat
import subprocess
import sys
import threading
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

from deploy.cli.app import build_app
from deploy.settings import load_settings
from tests.conftest import ROOT

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
DOCKERFILE = (ROOT / "deploy/docker/Dockerfile").read_text()
INSTRUCTIONS = re.sub(r"\\\n\s*", "", DOCKERFILE).splitlines()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
SERVER_SETTINGS = ROOT / "deploy/docker/watchword.yml"


def instructions(name: str) -> list[str]:
    return [line.removeprefix(name + " ") for line in INSTRUCTIONS if line.startswith(name + " ")]


def bind_mounts() -> list[tuple[str, str, str]]:
    """(service, path here, path there)."""
    return [
        (service, *volume.split(":")[:2])
        for service, options in COMPOSE["services"].items()
        for volume in options.get("volumes", ())
        if volume.startswith(".")
    ]


@pytest.mark.parametrize(
    ("path", "there"), [(here, there) for _, here, there in bind_mounts() if here != "./videos"]
)
def test_what_is_mounted_is_there(path: str, there: str) -> None:
    assert (ROOT / path).exists(), there


def test_a_named_volume_is_declared() -> None:
    named = {
        volume.split(":")[0]
        for options in COMPOSE["services"].values()
        for volume in options.get("volumes", ())
        if not volume.startswith(".")
    }
    assert named == set(COMPOSE["volumes"])


def test_ports_are_published_on_loopback_only() -> None:
    ports = [port for options in COMPOSE["services"].values() for port in options.get("ports", ())]
    assert len(ports) == 4
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_foreign_images_are_pinned() -> None:
    images = {name: options["image"] for name, options in COMPOSE["services"].items()}
    for name in ("prometheus", "grafana", "kafka", "postgres"):
        assert re.fullmatch(r"[a-z/]+:v?\d+(\.\d+){1,2}", images[name])


def test_each_secret_goes_to_those_who_need_it() -> None:
    wanted = {name: set(one.get("secrets", ())) for name, one in COMPOSE["services"].items()}
    metrics = {"watchword-metrics-token"}
    assert wanted["watchword"] == {"watchword-token"} | metrics
    assert wanted["api"] == {"watchword-token", "watchword-store-url"} | metrics
    assert wanted["postgres"] == {"watchword-postgres-password"}
    assert wanted["prometheus"] == wanted["grounding"] == wanted["streamer-encoder"] == metrics
    assert wanted["grafana"] == wanted["watch"] == wanted["kafka"] == set()


# The Dockerfile


def test_what_is_copied_is_there_and_sent() -> None:
    sent = [
        line.removeprefix("!")
        for line in (ROOT / ".dockerignore").read_text().splitlines()
        if line.startswith("!")
    ]
    for line in instructions("COPY"):
        if not line.startswith("--from"):
            for source in line.split()[:-1]:
                assert (ROOT / source).exists(), source
                assert any(fnmatch(source, pattern) for pattern in sent), source


def test_all_that_the_package_is_built_from_is_copied() -> None:
    copied = {source for line in instructions("COPY") for source in line.split()[:-1]}
    packages = {"streamer", "encoder", "grounding", "deploy"}
    assert packages | {PROJECT["readme"], *PROJECT["license-files"], "pyproject.toml"} <= copied


def test_what_is_installed_exists() -> None:
    (install,) = [line for line in instructions("RUN") if "pip install" in line]
    assert '".[$EXTRAS]"' in install
    (extras,) = instructions("ARG")
    assert extras == "EXTRAS=cpu,postgres"
    assert {"cpu", "gpu", "postgres"} <= set(PROJECT["optional-dependencies"])


def test_the_python_of_the_image_is_one_the_package_wants() -> None:
    bases = [line.split()[0] for line in instructions("FROM")]
    assert set(bases) == {"python:3.11-slim"}
    assert PROJECT["requires-python"] == ">=3.11"


def test_it_does_not_run_as_root_and_keeps_what_it_must() -> None:
    assert instructions("USER") == ["10001:10001"]
    assert instructions("VOLUME") == ["/data"]
    assert instructions("EXPOSE") == ["8080"]
    assert not any(volume for volume in instructions("ADD"))


def parsed(arguments: list[str]) -> str:
    """The command these arguments call, parsed and not run."""
    command: Any = get_command(build_app())
    context = None
    while True:
        context = command.make_context(command.name, arguments, parent=context)
        if not hasattr(command, "resolve_command"):
            return str(command.name)
        _, command, arguments = command.resolve_command(
            context, [*context._protected_args, *context.args]
        )


def test_the_entry_point_is_a_console_script_and_gets_signals() -> None:
    (entry,) = instructions("ENTRYPOINT")
    assert json.loads(entry) == ["watchword"]
    assert "watchword" in PROJECT["scripts"]
    (default,) = instructions("CMD")
    assert parsed(json.loads(default)) == "serve"


def test_the_commands_of_compose_can_be_typed() -> None:
    assert parsed(COMPOSE["services"]["watchword"]["command"]) == "serve"
    watch = COMPOSE["services"]["watch"]
    assert watch["entrypoint"] == ["watchword", "watch"]
    assert watch["profiles"] == ["watch"]
    assert watch["network_mode"] == "none"
    shown = re.search(r"run --rm watch (.*)$", (ROOT / "docker-compose.yml").read_text(), re.M)
    assert shown is not None
    assert parsed(["watch", *shlex.split(shown[1])]) == "watch"


# The health check


class Answering(http.server.BaseHTTPRequestHandler):
    status = 200
    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        self.send_response(self.status)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def answering(status: int) -> Iterator[tuple[int, list[str]]]:
    asked: list[str] = []
    handler = type("Handler", (Answering,), {"status": status, "asked": asked})
    with http.server.HTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server.server_port, asked
        finally:
            server.shutdown()
            thread.join()


def health_check(port: int) -> int:
    (line,) = instructions("HEALTHCHECK")
    python, *arguments = json.loads(line.partition("CMD ")[2])
    assert python == "python"
    proxies = {"http_proxy": "http://127.0.0.1:1", "HTTP_PROXY": "http://127.0.0.1:1"}
    environment = {**os.environ, **proxies, "WATCHWORD__SERVER__PORT": str(port)}
    done = subprocess.run([sys.executable, *arguments], env=environment, capture_output=True)
    return done.returncode


@pytest.mark.parametrize(("status", "code"), [(200, 0), (503, 1)])
def test_the_health_check_asks_whether_the_server_lives(status: int, code: int) -> None:
    with answering(status) as (port, asked):
        assert health_check(port) == code
    assert asked == ["/healthz/live"]


def test_a_server_that_is_not_there_is_not_healthy() -> None:
    assert health_check(1) == 1


# Tokens


def make_secrets(folder: Path) -> subprocess.CompletedProcess[str]:
    script = ROOT / "deploy/docker/make-secrets.sh"
    return subprocess.run(
        ["sh", str(script), str(folder)], capture_output=True, text=True, check=True
    )


def test_tokens_are_made_once_and_containers_can_read_them(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    make_secrets(folder)
    made = {path.name: path.read_text() for path in folder.iterdir()}
    assert set(made) == {Path(one["file"]).name for one in COMPOSE["secrets"].values()}
    url = made.pop("watchword-store-url")
    assert all(re.fullmatch(r"[0-9a-f]{64}", token) for token in made.values())
    assert len(set(made.values())) == 3
    password = made["watchword-postgres-password"]
    assert url == f"postgresql+psycopg://watchword:{password}@postgres/watchword"
    made["watchword-store-url"] = url
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o644}
    assert "kept" in make_secrets(folder).stderr
    assert {path.name: path.read_text() for path in folder.iterdir()} == made


def test_tokens_stay_out_of_the_repository_and_the_image() -> None:
    assert "/secrets/" in (ROOT / ".gitignore").read_text().splitlines()
    assert (ROOT / ".dockerignore").read_text().splitlines()[1] == "*"


def test_the_server_takes_its_settings(tmp_path: Path) -> None:
    make_secrets(tmp_path)
    text = SERVER_SETTINGS.read_text()
    for name in COMPOSE["services"]["watchword"]["secrets"]:
        assert f"/run/secrets/{name}" in text
    file = tmp_path / "watchword.yml"
    file.write_text(text.replace("/run/secrets", str(tmp_path)))
    settings = load_settings(file, {"WATCHWORD__DATA_FOLDER": "/data"})
    scopes = {token.name: set(token.scopes) for token in settings.server.tokens}
    assert scopes == {"operator": {"read", "write"}, "prometheus": {"metrics"}}
    grace = COMPOSE["services"]["watchword"]["stop_grace_period"]
    assert settings.server.drain_seconds < int(grace.removesuffix("s"))
    mounted = {there for service, _, there in bind_mounts() if service == "watchword"}
    assert {str(folder) for folder in settings.cameras.file_roots or ()} <= mounted
