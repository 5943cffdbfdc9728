from pathlib import Path

import pytest

from deploy.cli.server import TOKEN_BYTES, read_token
from deploy.errors import UsageError
from tests.deploy.cli.running import Terminal
from tests.deploy.client.api_server import Script


def test_a_server_that_is_not_running_is_a_sentence(terminal: Terminal) -> None:
    ran = terminal.run("query", "list", "--server", "http://127.0.0.1:1")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith("watchword: no server answers at http://127.0.0.1:1: start one")


def test_the_environment_names_the_server(
    script: Script, terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCHWORD_SERVER", script.url)
    assert terminal.run("query", "list").code == 0


def test_a_token_is_given_in_three_ways(
    script: Script, terminal: Terminal, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    script.token = "s3cret"
    file = tmp_path / "token"
    file.write_text("s3cret\n")
    assert terminal.ask("camera", "list", code=1).err.count("--token-file") == 1
    terminal.ask("camera", "list", "--token", "s3cret")
    terminal.ask("camera", "list", "--token-file", str(file))
    monkeypatch.setenv("WATCHWORD_TOKEN_FILE", str(file))
    terminal.ask("camera", "list")
    monkeypatch.setenv("WATCHWORD_TOKEN", "s3cret")
    monkeypatch.setenv("WATCHWORD_TOKEN_FILE", "/nowhere")
    terminal.ask("camera", "list")


def test_a_token_is_never_shown(
    script: Script, terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    script.token = "right"
    monkeypatch.setenv("WATCHWORD_TOKEN", "wr0ng")
    for ran in (terminal.ask("camera", "list", code=1), terminal.run("camera", "list", "--help")):
        assert "wr0ng" not in ran.out + ran.err


@pytest.mark.parametrize("text", [b"", b" \n", b"\xff\xfe", b"a" * (TOKEN_BYTES + 1)])
def test_a_file_without_a_token(text: bytes, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_bytes(text)
    with pytest.raises(UsageError, match="--token-file"):
        read_token(None, file)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        read_token(None, tmp_path)


@pytest.mark.parametrize(
    ("status", "code"), [(404, 2), (409, 2), (412, 2), (422, 2), (403, 1), (500, 1), (503, 1)]
)
def test_what_was_typed_is_wrong_usage_and_the_rest_a_fault(
    script: Script, terminal: Terminal, status: int, code: int
) -> None:
    script.answers["GET /v1/cameras/gate"] = (status, {"detail": "Why it is so."})
    ran = terminal.ask("camera", "show", "gate", code=code)
    assert ran.err.startswith("watchword: Why it is so")
