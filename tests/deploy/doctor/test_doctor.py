"""All checks together, and the command that shows them."""

import json
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from deploy.cli.app import build_app
from deploy.cli.doctor import checks_table, summary
from deploy.doctor import packages
from deploy.doctor.check import fail, ok, warn
from deploy.doctor.examine import examine

CONFIG = "server: {port: 0}\n"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "serve.yml"
    path.write_text(f"{CONFIG}data_folder: {tmp_path}/data\n")
    return path


def run(*words: str) -> tuple[int, str]:
    done = CliRunner().invoke(build_app(), ["doctor", *words], env={"COLUMNS": "80"})
    return done.exit_code, done.stdout


def test_json_lines(config: Path):
    code, told = run("--config", str(config), "--json")
    checks = [json.loads(line) for line in told.splitlines()]
    assert all(list(check) == ["name", "status", "found", "fix"] for check in checks)
    assert {check["status"] for check in checks} <= {"ok", "warn"}
    assert code == 0
    found = {check["name"]: check["found"] for check in checks}
    assert found["configuration"] == str(config)
    assert found["data folder"].startswith(str(config.parent / "data"))
    assert found["bundle"].startswith("watchword-lite ")
    assert {"Python", "ONNX Runtime", "video codecs", "GPU", "port", "disk", "clock"} <= set(found)
    assert {"model", "TensorRT"} <= set(found)
    assert not (config.parent / "data").exists()  # it only looks


def test_a_configuration_that_is_wrong_fails_and_the_rest_is_looked_at(config: Path):
    config.write_text("server: {prot: 1}\nlog: {level: loud}\n")
    code, told = run("--config", str(config), "--json")
    checks = [json.loads(line) for line in told.splitlines()]
    failed = [check["found"] for check in checks if check["status"] == "fail"]
    assert code == 1
    assert len(failed) == 2
    assert "did you mean server.port?" in failed[0]
    assert "data folder" in {check["name"] for check in checks}


def test_the_table_is_of_80_columns(config: Path):
    code, told = run("--config", str(config))
    assert code == 0
    assert max(map(len, told.splitlines())) <= 80
    assert told.rstrip().endswith("`watchword serve` can start.")


def test_a_password_of_the_store_is_not_shown(config: Path):
    config.write_text(f"{config.read_text()}store: {{url: 'postgresql://w:hunter2@localhost:1/w'}}")
    code, told = run("--config", str(config))
    assert code == 1
    assert "localhost:1" in told
    assert "hunter2" not in told


def test_a_missing_package_ends_the_examination(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(packages, "missing", lambda _wanted: ["fastapi"])
    names = [check.name for check in examine(None, {})]
    assert names[0] == "Python"
    assert names[-1] == "ONNX Runtime"


def test_what_to_do_stands_below_what_was_found():
    console = Console(width=80, record=True)
    console.print(checks_table([ok("one", "fine"), fail("two", "x" * 100, "do [this]")]))
    lines = [line.rstrip() for line in console.export_text().splitlines() if line.strip()]
    assert lines[-1].endswith("→ do [this]")
    assert max(map(len, lines)) <= 80


@pytest.mark.parametrize(
    ("checks", "told"),
    [
        ([ok("a", "b")], "1 checks, all well: `watchword serve` can start."),
        ([warn("a", "b", "c")] * 2, "2 checks, 2 warnings: `watchword serve` can start."),
        (
            [warn("a", "b", "c"), fail("a", "b", "c")],
            "2 checks, 1 failed and 1 warning: mend what failed first.",
        ),
    ],
)
def test_the_last_line(checks: list, told: str):
    assert summary(checks) == told
