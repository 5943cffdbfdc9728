"""Secrets come from the file, a file of their own or the environment, and go nowhere."""

import traceback
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.errors import ConfigError
from deploy.settings import Settings, load_settings
from deploy.settings.server import SCOPES, ServerSettings
from tests.deploy.settings.conftest import Load, Refused

TOKEN = "c0ffee" * 5


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    path = tmp_path / "token"
    path.write_text(TOKEN + "\n")
    return path


def tokens_of(settings: Settings) -> dict[str, str]:
    return {one.name: one.token.get_secret_value() for one in settings.server.all_tokens}


def test_one_token_has_every_scope(load: Load):
    (token,) = load(SERVER__TOKEN=TOKEN).server.all_tokens
    assert (token.name, token.scopes, token.token.get_secret_value()) == ("default", SCOPES, TOKEN)


def test_a_token_in_a_file(load: Load, token_file: Path):
    assert tokens_of(load(SERVER__TOKEN_FILE=str(token_file))) == {"default": TOKEN}
    assert tokens_of(load(f"server: {{token: null, token_file: {token_file}}}")) == {
        "default": TOKEN
    }
    listed = f"server: {{tokens: [{{name: ops, scopes: [read], token_file: {token_file}}}]}}"
    assert tokens_of(load(listed)) == {"ops": TOKEN}


def test_the_environment_wins_whichever_way_either_gives_it(load: Load, token_file: Path):
    other = "d00d" * 5
    for in_file in (f"token: {other}", f"token_file: {token_file}"):
        for variable in ({"SERVER__TOKEN": "feed" * 5}, {"SERVER__TOKEN_FILE": str(token_file)}):
            wanted = variable.get("SERVER__TOKEN", TOKEN)
            assert tokens_of(load(f"server: {{{in_file}}}", **variable)) == {"default": wanted}


def test_the_stores_address_is_a_secret_too(load: Load, tmp_path: Path):
    (tmp_path / "url").write_text("postgresql://w:hunter2@db/w")
    settings = load(STORE__URL_FILE=str(tmp_path / "url"))
    assert settings.store_url == "postgresql://w:hunter2@db/w"
    assert "hunter2" not in repr(settings)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "server.token_file is empty"),
        (b"short\n", "server.token: has 5 characters"),
        (b"\xff" * 20, "server.token_file leads to no text"),
        (b"x" * 70_000, "server.token_file has 70000 bytes"),
        (b"one of blanks and words", "server.token: holds a blank"),
    ],
)
def test_files_that_hold_no_token(refused: Refused, tmp_path: Path, content: bytes, said: str):
    (tmp_path / "token").write_bytes(content)
    assert said in refused(SERVER__TOKEN_FILE=str(tmp_path / "token"))


def test_a_file_that_is_not_there(refused: Refused):
    said = refused("server:\n  token_file: /nowhere/token\n")
    assert said == "serve.yml, line 2: server.token_file cannot be read: No such file or directory"


def test_a_token_given_twice(refused: Refused, token_file: Path):
    said = refused(f"server:\n  token: {TOKEN}\n  token_file: {token_file}\n")
    assert said.startswith("serve.yml, line 3: server.token_file stands beside server.token: ")


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.7", "::", "watch.example.org", "[::]"])
def test_no_listening_elsewhere_without_a_token(refused: Refused, load: Load, host: str):
    said = refused(f"server: {{host: '{host}'}}")
    plain = host.strip("[]")
    assert f"refuses to listen on {plain} without a token: set server.token_file" in said
    assert not load(f"server: {{host: '{host}', token: {TOKEN}}}").server.on_loopback


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "[::1]", "127.0.0.2"])
def test_loopback_needs_none(load: Load, host: str):
    assert load(f"server: {{host: '{host}'}}").server.on_loopback


def test_names_of_tokens_are_distinct(refused: Refused):
    tokens = f"{{name: default, scopes: [read], token: {TOKEN}}}"
    assert "two tokens are named 'default'" in refused(
        f"server: {{token: {TOKEN}, tokens: [{tokens}]}}"
    )


def test_scopes_are_known(refused: Refused):
    token = f"{{name: a, token: {TOKEN}, scopes: "
    assert "scopes[0]: should be 'read', 'write' or 'metrics'" in refused(
        f"server: {{tokens: [{token}[raed]}}]}}"
    )
    assert refused(f"server: {{tokens: [{token}[]}}]}}").endswith("should have at least one entry")


SECRET = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=8, max_size=40)
# Every place somebody may put a secret, right or wrong
PLACES = [
    "server: {{port: x, token: {0}}}",
    "server: {{port: x, token: [{0}]}}",
    "server: {{port: x, tkoen: {0}}}",
    "server: {{port: x, tokens: {0}}}",
    "server: {{port: x, tokens: [{0}]}}",
    "server: {{port: x, tokens: [{{name: a, scopes: [read], token: {0}}}]}}",
    "server: {{port: x, tokens: [{{name: a, scopes: [read], tokn: {0}}}]}}",
    "server: {{port: x}}\nstore: {{url: {0}}}",
    "server: {{port: x}}\nstore: {{url: [{0}]}}",
    "server: {0}",
]


@given(secret=SECRET, place=st.sampled_from(PLACES))
def test_no_error_tells_a_secret(tmp_path_factory: pytest.TempPathFactory, secret: str, place: str):
    secret = f"Zq{secret}"  # no word of a sentence
    path = tmp_path_factory.getbasetemp() / "secret.yml"
    quoted = "'" + secret.replace("'", "''") + "'"
    path.write_text(place.format(quoted), encoding="utf-8")
    with pytest.raises(ConfigError) as error:
        load_settings(path, {})
    assert secret not in "".join(traceback.format_exception(error.value))


@given(secret=SECRET)
def test_nothing_shows_a_secret(secret: str):
    secret = f"Zq{secret}" + "x" * 16
    camera = {"id": "yard", "source": f"rtsp://guard:{secret}@yard/1"}
    settings = Settings(
        server=ServerSettings.model_validate({"token": secret}),
        store={"url": f"postgresql://w:{secret}@db"},  # type: ignore[arg-type]
        cameras={"list": [camera]},  # type: ignore[arg-type]
    )
    assert secret not in f"{settings!r} {settings}"
