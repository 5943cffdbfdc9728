"""What is told on standard error: text for people or JSON lines for programs, never a secret."""

import json
import logging
import math
import re
import sys
import time
from datetime import UTC, datetime
from typing import IO, Any, Literal

from streamer.address import redact

LogFormat = Literal["text", "json"]

# Third parties say a lot, and httpx says URLs
_QUIET = (
    "alembic",
    "asyncio",
    "httpcore",
    "httpx",
    "kafka",
    "sqlalchemy",
    "sse_starlette",
    "uvicorn",
)
_SILENT = ("uvicorn.access",)
# A broker that is away makes each of its connections complain many times a second
_FLOODING = ("kafka",)
_FLOOD_SECONDS = 1.0
# Attributes of every record: what else a record has was given as `extra`
_STANDARD = frozenset(
    {*vars(logging.LogRecord("", 0, "", 0, "", None, None)), "message", "asctime", "taskName"}
)
_FIELDS = ("time", "level", "logger", "message", "exception")
_BEARER = re.compile(r"(?i)\b(bearer|basic)(\s+)[a-z0-9._~+/=-]{8,}")
_WEBHOOK_SECRET = re.compile(r"\bwhsec_[A-Za-z0-9+/=_-]+")
# A message is one line, whatever a camera or caller put into it
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def configure_logs(log_format: LogFormat, level: str, stream: IO[str] | None = None) -> None:
    """Log everything in this format to `stream`, default standard error; may be called again."""
    told = _Teller(stream if stream is not None else sys.stderr)
    told.setFormatter(JsonFormatter() if log_format == "json" else TextFormatter())
    told.addFilter(_Dam())
    root = logging.getLogger()
    for former in [one for one in root.handlers if isinstance(one, _Teller)]:
        root.removeHandler(former)
    root.addHandler(told)
    root.setLevel(level.upper())
    for name in (*_QUIET, *_SILENT):
        logger = logging.getLogger(name)
        logger.handlers.clear()  # their own formats
        logger.propagate = name not in _SILENT
        logger.setLevel(max(root.level, logging.WARNING))


def without_secrets(text: str) -> str:
    """The text without user info of URLs, tokens and secrets of webhooks."""
    found = _WEBHOOK_SECRET.sub("whsec_***", _BEARER.sub(r"\1\2***", redact(text)))
    return found.encode("utf-8", "backslashreplace").decode()  # half a character stays writable


class _Teller(logging.StreamHandler[IO[str]]):
    def handleError(self, record: logging.LogRecord) -> None:
        """Say nothing: what logging would print on the same stream holds the secrets."""


class _Dam(logging.Filter):
    """Lets one line a second of who floods pass."""

    def __init__(self) -> None:
        super().__init__()
        self._next_at = 0.0
        self._left_out = 0

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether to tell it; how many it left out is told as `more`."""
        if record.name.partition(".")[0] not in _FLOODING:
            return True
        now = time.monotonic()
        if now < self._next_at:
            self._left_out += 1
            return False
        if self._left_out:
            record.more = self._left_out
        self._next_at, self._left_out = now + _FLOOD_SECONDS, 0
        return True


class TextFormatter(logging.Formatter):
    """`2025-03-01 08:00:05.123Z WARNING streamer camera yard: no answer`; an exception below."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, and lines."""
        room = record.name.partition(".")[0]
        line = f"{_time(record, ' ')} {record.levelname:<7} {room:<9} {_message(record)}"
        extra = " ".join(f"{name}={_one_line(str(value))}" for name, value in _extra(record))
        # Indented, so that nothing in it can be taken for another message
        below = [f"    {part}" for part in _exception(record).splitlines()]
        return "\n".join([f"{line} {extra}".rstrip(), *below])


class JsonFormatter(logging.Formatter):
    """One object a line: time, level, logger, message, exception, and what was given as extra."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        fields: dict[str, Any] = {
            "time": _time(record, "T"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _message(record),
        }
        if exception := _exception(record):
            fields["exception"] = exception
        for name, value in _extra(record):
            fields[f"extra_{name}" if name in _FIELDS else name] = _plain(value)
        return json.dumps(fields, ensure_ascii=False)


def _time(record: logging.LogRecord, between: str) -> str:
    at = datetime.fromtimestamp(record.created, UTC)
    return at.isoformat(between, "milliseconds").replace("+00:00", "Z")


def _message(record: logging.LogRecord) -> str:
    try:
        message = record.getMessage()
    except (TypeError, ValueError, KeyError):  # logging itself would print all of it, unredacted
        message = f"{record.msg} (its values do not fit it)"
    return _one_line(message)


def _one_line(text: str) -> str:
    escaped = _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), text)
    return without_secrets(escaped)


def _exception(record: logging.LogRecord) -> str:
    parts = []
    if record.exc_info and record.exc_info[0] is not None:
        parts.append(logging.Formatter().formatException(record.exc_info))
    if record.stack_info:
        parts.append(record.stack_info)
    return without_secrets("\n".join(parts))


def _extra(record: logging.LogRecord) -> list[tuple[str, Any]]:
    given = vars(record).items()
    return [(name, value) for name, value in given if name not in _STANDARD]


def _plain(value: Any) -> Any:
    """A value as JSON can hold it, without secrets."""
    if value is None or isinstance(value, int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)  # JSON has no NaN
    if isinstance(value, dict):
        return {without_secrets(str(name)): _plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(inner) for inner in value]
    return without_secrets(str(value))
