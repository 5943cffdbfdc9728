"""From a file and the environment to Settings; what is wrong is said in sentences."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.cli.errors import exit_code
from deploy.errors import ConfigError
from deploy.settings import Settings, load_settings
from deploy.settings.known import known_keys, spelled
from tests.deploy.settings.conftest import Load, Refused

TOKEN = "c0ffee" * 5


def test_nothing_said_means_the_defaults(load: Load):
    assert load_settings(None, {}) == load("") == load("# only a comment\n") == Settings()


def test_a_section_with_nothing_in_it_is_its_defaults(load: Load):
    assert load("server:\ncameras:\n") == Settings()


def test_a_file_says_what_differs(load: Load):
    settings = load("server: {port: 9000}\nlog:\n  format: json\n")
    assert (settings.server.port, settings.server.host) == (9000, "127.0.0.1")
    assert settings.log.format == "json"


def test_only_the_given_environment_counts(load: Load, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("WATCHWORD__SERVER__PORT", "1")
    monkeypatch.setenv("SERVER", "{}")
    monkeypatch.setenv("BUNDLE", "other")
    assert load() == Settings()


def test_settings_cannot_be_changed():
    for section in (Settings(), Settings().server):
        with pytest.raises(ValueError, match="frozen"):
            section.bundle = "other"  # type: ignore[union-attr]


def test_the_environment_overrides_the_file_key_by_key(load: Load):
    settings = load(
        "server: {port: 9000, drain_seconds: 3}\n",
        SERVER__PORT="9001",
        BUNDLE="internvideo2-1b",
        CAMERAS__FILE_ROOTS="/videos, /more",
        NETWORK__ALLOWED="[10.0.0.0/8]",
        NETWORK__CAMERA_PRIVATE="false",
        KAFKA__BOOTSTRAP_SERVERS="a:9092,b:9092",
        QUERIES__LIST="[{id: cat, text: a cat}]",
    )
    assert (settings.server.port, settings.server.drain_seconds) == (9001, 3.0)
    assert settings.bundle == "internvideo2-1b"
    assert settings.cameras.file_roots == (Path("/videos"), Path("/more"))
    assert [str(network) for network in settings.network.allowed] == ["10.0.0.0/8"]
    assert not settings.network.camera_private
    assert settings.kafka.bootstrap_servers == "a:9092,b:9092"
    assert settings.queries.list[0].text == "a cat"


def test_null_in_the_environment(load: Load):
    assert load("cameras: {file_roots: [/a]}", CAMERAS__FILE_ROOTS="null").cameras == (
        Settings().cameras
    )


def test_texts_are_taken_as_they_are(load: Load):
    assert load(BUNDLE="12").bundle == "12"
    assert load(SERVER__TOKEN="1" * 20).server.token is not None


def test_every_wrong_thing_is_named_with_its_place(refused: Refused):
    said = refused(
        "server:\n  prot: 8080\n  port: 99999\nlog: {level: loud}\n", DELIVERY__WORKERS="none"
    )
    assert said.splitlines() == [
        "serve.yml, line 3: server.port = 99999: should be less than or equal to 65535",
        "serve.yml, line 2: server.prot is no setting: did you mean server.port?",
        "WATCHWORD__DELIVERY__WORKERS: delivery.workers = 'none': "
        "should be a valid integer, unable to parse string as an integer",
        "serve.yml, line 4: log.level = 'loud': should be 'debug', 'info', 'warning' or 'error'",
    ]


def test_what_is_wrong_is_wrong_usage():
    with pytest.raises(ConfigError) as error:
        load_settings(Path("/nowhere/serve.yml"), {})
    assert str(error.value) == "/nowhere/serve.yml cannot be read: No such file or directory"
    assert exit_code(error.value) == 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("port: 1", "line 1: port is no setting: did you mean server.port?"),
        ("servr: {}", "line 1: servr is no setting: did you mean server?"),
        ("zebra: {}", "line 1: zebra is no setting"),
        ("_env_file: .env", "line 1: _env_file is no setting"),
        ("server: 8080", "line 1: server: should be a section, with keys of its own"),
        ("server: {port: true}", "server.port = true: should be a number"),
        ("server: {host: http://a}", "server.host = 'http://a': should be an address of this"),
        ("server: {drain_seconds: .nan}", "drain_seconds = NaN: should be a finite number"),
        ("network: {allowed: [10.0.0.1/8]}", "network.allowed[0] = '10.0.0.1/8': is no network"),
        ("network: {allowed: [10]}", "network.allowed[0] = 10: should be a network"),
        ("encoder: {batch: -1}", "encoder.batch = -1: should be greater than or equal to 0"),
        (
            "cameras: {first_retry_seconds: 40}",
            "cameras: first_retry_seconds (40) is longer than longest_retry_seconds (30)",
        ),
        (
            "delivery: {connect_timeout_seconds: 11}",
            "delivery: connect_timeout_seconds (11) is longer than total_timeout_seconds (10)",
        ),
        ("server: {tokens: [{name: a}]}", "server.tokens[0].token is missing"),
        ("cameras: {list: [{sorce: a, id: b}]}", "did you mean cameras.list[0].source?"),
    ],
)
def test_what_cannot_be_meant(refused: Refused, text: str, said: str):
    assert said in refused(text)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("SERVER__PROT", "server.prot is no setting: did you mean WATCHWORD__SERVER__PORT?"),
        ("server__port", "server.port is no setting: did you mean WATCHWORD__SERVER__PORT?"),
        ("SERVER", "server is a section: set one of its keys"),
        ("", " is no setting"),
        ("SERVER__TOKENS__0__TOKEN", "server.tokens.0.token is no setting"),
    ],
)
def test_variables_that_mean_nothing(refused: Refused, name: str, said: str):
    assert refused(**{name: "1"}).startswith(f"WATCHWORD__{name}: {said}")


def test_a_variable_that_is_no_yaml(refused: Refused):
    assert refused(NETWORK__ALLOWED="[10.0.0.0/8").startswith("WATCHWORD__NETWORK__ALLOWED, line 1")


@given(st.sampled_from(known_keys()), st.integers(0, 30), st.characters(categories=["Ll"]))
def test_a_letter_too_many_is_seen_through(
    tmp_path_factory: pytest.TempPathFactory, key: tuple[str, ...], place: int, letter: str
):
    if len(key) > 2 or len(key[-1]) < 4:
        return  # entries of lists are nested otherwise; of three letters anything may be meant
    typo = key[-1][:place] + letter + key[-1][place:]
    if (*key[:-1], typo) in known_keys():
        return
    text = f"{key[0]}: {{{typo}: 1}}" if len(key) == 2 else f"{typo}: 1"
    path = tmp_path_factory.getbasetemp() / "typo.yml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as error:
        load_settings(path, {})
    assert f"{spelled((*key[:-1], typo))} is no setting: did you mean " in str(error.value)
