"""Logs: text or JSON lines, one format for all, and no secret in them."""

import io
import json
import logging
from collections.abc import Callable, Iterator
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy import logs
from deploy.logs import JsonFormatter, TextFormatter, configure_logs, without_secrets

Configure = Callable[..., io.StringIO]


@pytest.fixture
def configure() -> Iterator[Configure]:
    """Configures logs as the process would; afterwards all is as it was."""
    root = logging.getLogger()
    names = [name for name in logging.root.manager.loggerDict if "." not in name]
    former = (root.level, list(root.handlers))
    levels = {name: logging.getLogger(name).level for name in names}

    def configured(log_format: str = "text", level: str = "info") -> io.StringIO:
        stream = io.StringIO()
        configure_logs(log_format, level, stream)  # type: ignore[arg-type]
        return stream

    yield configured
    root.setLevel(former[0])
    root.handlers[:] = former[1]
    for name, before in levels.items():
        logging.getLogger(name).setLevel(before)


def record(message: str, *args: object, **extra: object) -> logging.LogRecord:
    made = logging.LogRecord("streamer.camera", logging.WARNING, "f", 1, message, args, None)
    made.created = 1740816005.1234
    vars(made).update(extra)
    return made


def with_exception(error: Exception) -> logging.LogRecord:
    made = record("it broke")
    try:
        raise error
    except Exception as raised:  # noqa: BLE001
        made.exc_info = (type(raised), raised, raised.__traceback__)
    return made


def test_text():
    line = TextFormatter().format(record("camera %s: no answer", "yard"))
    assert line == "2025-03-01 08:00:05.123Z WARNING streamer  camera yard: no answer"


def test_text_shows_what_was_given_as_extra():
    line = TextFormatter().format(record("ended", camera="yard", clips=3))
    assert line.endswith("ended camera=yard clips=3")


def test_text_of_an_exception_is_indented():
    lines = TextFormatter().format(with_exception(ValueError("odd\nline"))).splitlines()
    assert lines[0].endswith("it broke")
    assert all(line.startswith("    ") for line in lines[1:])
    assert lines[1].strip() == "Traceback (most recent call last):"


def test_json():
    line = JsonFormatter().format(
        record("camera %s", "yard", clips=3, level="x", ratio=float("nan"))
    )
    assert json.loads(line) == {
        "time": "2025-03-01T08:00:05.123Z",
        "level": "warning",
        "logger": "streamer.camera",
        "message": "camera yard",
        "clips": 3,
        "extra_level": "x",
        "ratio": "nan",
    }


def test_json_of_an_exception():
    told = json.loads(JsonFormatter().format(with_exception(ValueError("odd"))))
    assert told["exception"].endswith("ValueError: odd")


@pytest.mark.parametrize("formatter", [TextFormatter(), JsonFormatter()])
def test_a_message_is_one_line(formatter: logging.Formatter):
    line = formatter.format(record("text %s", "\n2025 ERROR forged\r\x1b[31m\u2028", note="a\nb"))
    assert len(line.splitlines()) == 1
    assert "\x1b" not in line


@pytest.mark.parametrize("formatter", [TextFormatter(), JsonFormatter()])
def test_values_that_do_not_fit(formatter: logging.Formatter):
    assert "%d clips (its values do not fit it)" in formatter.format(record("%d clips", "many"))


def test_levels(configure: Configure):
    stream = configure("text", "warning")
    logging.getLogger("grounding").info("quiet")
    logging.getLogger("grounding").warning("told")
    assert stream.getvalue().count("\n") == 1


def test_configuring_again_replaces(configure: Configure):
    first, second = configure("text"), configure("json")
    logging.getLogger("deploy").info("once")
    assert first.getvalue() == ""
    assert json.loads(second.getvalue())["message"] == "once"


def test_third_parties_speak_the_same_way_and_little(configure: Configure):
    stream = configure("json", "debug")
    for name in ("httpx", "uvicorn", "uvicorn.error", "sqlalchemy.engine", "alembic.runtime"):
        logging.getLogger(name).info("GET http://hooks/T0K3N")
        logging.getLogger(name).warning("from %s", name)
    logging.getLogger("uvicorn.access").error("GET /v1/cameras")
    told = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [one["logger"] for one in told] == [
        "httpx", "uvicorn", "uvicorn.error", "sqlalchemy.engine", "alembic.runtime",
    ]  # fmt: skip


def test_who_floods_is_heard_once_a_second(configure: Configure, monkeypatch: pytest.MonkeyPatch):
    clock = [100.0]
    monkeypatch.setattr(logs.time, "monotonic", lambda: clock[0])
    stream = configure("json", "debug")
    for second in range(3):
        clock[0] = 100.0 + second
        for name in ("kafka.net.manager", "kafka.cluster", "kafka"):
            logging.getLogger(name).error("no broker")
        logging.getLogger("streamer.kafka_bus").error("ours")
    told = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [one["logger"] for one in told] == ["kafka.net.manager", "streamer.kafka_bus"] * 3
    assert [one.get("more") for one in told[::2]] == [None, 2, 2]


def test_a_stream_that_is_gone_is_no_fault(
    configure: Configure, capsys: pytest.CaptureFixture[str]
):
    configure("text").close()
    logging.getLogger("deploy").error("rtsp://guard:hunter2@yard/1")
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    "text",
    [
        "Authorization: Bearer S3cret-S3cret",
        "authorization: basic S3cret-S3cret=",
        "signed by whsec_S3cret-S3cret",
        "https://hooks.example.org/x?token=S3cret-S3cret",
        "rtsp://guard:S3cret-S3cret@yard/1 and rtsps://S3cret-S3cret@gate",
    ],
)
def test_secrets_are_left_out(text: str):
    assert "S3cret" not in without_secrets(text)


def test_plain_words_are_left_in():
    for text in ("the bearer of news", "basic", "a@b.example", "http://yard/1?page=2"):
        assert without_secrets(text) == text


# In a URL, or given as people do: not encoded. A slash or blank there ends the address.
RAW = st.text(st.characters(min_codepoint=33, max_codepoint=0x2FF, categories=["L", "N", "P", "S"],
              exclude_characters="/'\"\\"), min_size=1)  # fmt: skip
ENCODED = st.text(min_size=1).map(lambda text: quote(text, safe="", errors="ignore") or "x")
PASSWORD = (RAW | ENCODED).map(lambda text: f"Zq{text}")
SCHEME = st.sampled_from(["rtsp", "rtsps", "http", "https", "srt", "rtmp", "postgresql"])


@given(password=PASSWORD, scheme=SCHEME, before=st.text(), after=st.text())
def test_a_password_in_a_url_never_gets_out(password: str, scheme: str, before: str, after: str):
    url = f"{scheme}://guard:{password}@yard.example/live"
    error = ValueError(f"{before} {url} {after}")
    error.__cause__ = RuntimeError(url)
    told = with_exception(error)
    told.msg, told.args = f"{before.replace('%', '')} %s {after.replace('%', '')}", (url,)
    vars(told).update(source=url, deep={"list": [url], url: (url,)}, error=error)
    for formatter in (TextFormatter(), JsonFormatter()):
        assert password not in formatter.format(told)


@given(st.text(st.characters(codec=None)), st.sampled_from(["text", "json"]))
def test_whatever_is_said_can_be_written(text: str, log_format: str):
    formatter = JsonFormatter() if log_format == "json" else TextFormatter()
    line = formatter.format(record("%s", text, extra=text))
    assert line.encode("utf-8")
    if log_format == "json":
        assert json.loads(line)["logger"] == "streamer.camera"
