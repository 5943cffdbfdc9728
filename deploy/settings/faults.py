"""From what pydantic finds to sentences that name the place, the key, the value and the fix."""

import json
import re
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from deploy.settings.known import KeyPath, is_secret, nearest, spelled
from streamer.address import redact

LONGEST_VALUE = 60
_LOGIN = re.compile(r":[^/]*@")
_SECTIONS = {"model_type", "dict_type"}


class Origins:
    """Where each value comes from: a line of the file, or a variable."""

    def __init__(self, file: str, lines: Mapping[KeyPath, int]) -> None:
        self._file = file
        self._origins = {path: f"{file}, line {line}" for path, line in lines.items()}

    def set(self, path: KeyPath, origin: str) -> None:
        """The value at this path comes from there, with all that is in it."""
        for inside in [key for key in self._origins if key[: len(path)] == path]:
            del self._origins[inside]
        self._origins[path] = origin

    def of(self, path: KeyPath) -> str:
        """The nearest place known: the key's own, else what is in it, else what it is in."""
        if path in self._origins:
            return self._origins[path]
        inside = [origin for key, origin in self._origins.items() if key[: len(path)] == path]
        if inside:
            return inside[0]
        return self.of(path[:-1]) if path else self._file


def sentences(error: ValidationError, origins: Origins) -> list[str]:
    """One sentence for each thing that is wrong."""
    found = error.errors()
    wrong = [details["loc"] for details in found]
    told = [
        _sentence(details, origins)
        for details in found
        # A list of which each entry is wrong is called empty, too
        if not (details["type"] == "too_short" and any(_within(loc, details) for loc in wrong))
    ]
    return list(dict.fromkeys(told))


def _within(path: KeyPath, details: ErrorDetails) -> bool:
    above = details["loc"]
    return len(path) > len(above) and path[: len(above)] == above


def _sentence(details: ErrorDetails, origins: Origins) -> str:
    path, kind = details["loc"], details["type"]
    if path[-1:] == ("[key]",):  # pydantic's mark of a name that is wrong, not its value
        path = path[:-1]
    start = f"{origins.of(path)}: {spelled(path)}"
    if kind == "extra_forbidden":
        # Without its value: a misspelt key may hold a secret
        close = nearest(path)
        return f"{start} is no setting" + (f": did you mean {spelled(close)}?" if close else "")
    if kind == "missing":
        return f"{start} is missing"
    return f"{start}{_shown(path, kind, details['input'])}: {_reason(details)}"


def _reason(details: ErrorDetails) -> str:
    if details["type"] == "value_error":
        return str(details["ctx"]["error"])
    if details["type"] in _SECTIONS:
        return "should be a section, with keys of its own"
    if details["type"] == "too_short":
        return "should have at least one entry"
    return details["msg"].replace("Input should", "should").replace("tuple", "list")


def _shown(path: KeyPath, kind: str, value: Any) -> str:
    """The value, where it is short and nobody's secret."""
    plain = isinstance(value, str | int | float) or value is None
    if is_secret(path) or kind in _SECTIONS or not plain:
        return ""
    if isinstance(value, str) and _LOGIN.search(value) and redact(value) == value:
        return ""  # a password where none belongs
    shown = repr(redact(value)) if isinstance(value, str) else json.dumps(value)
    return f" = {shown if len(shown) <= LONGEST_VALUE else shown[:LONGEST_VALUE] + '...'}"
