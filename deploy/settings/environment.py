"""Settings from variables: `WATCHWORD__SERVER__PORT=8081` is `server.port: 8081`.

A list or null is written as YAML (`[a, b]`), or a list of words with commas between them.
"""

import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Union, get_args, get_origin

from pydantic import SecretStr

from deploy.errors import ConfigError
from deploy.settings.known import KeyPath, field_type, nearest, section_in, spelled
from deploy.settings.yaml_file import parse_yaml

PREFIX = "WATCHWORD__"
_TEXTS = (str, Path, SecretStr)


def read_environment(environ: Mapping[str, str]) -> tuple[dict[KeyPath, Any], list[str]]:
    """The values by their keys' paths, and a sentence for each variable that is wrong."""
    values: dict[KeyPath, Any] = {}
    problems: list[str] = []
    for name in sorted(environ):
        if not name.startswith(PREFIX):
            continue
        path = tuple(name.removeprefix(PREFIX).lower().split("__"))
        try:
            values[path] = _value(name, path, environ[name])
        except ConfigError as error:
            problems.append(str(error))
    return values, problems


def variable(path: KeyPath) -> str:
    """The variable of a key."""
    return PREFIX + "__".join(str(part) for part in path).upper()


def _value(name: str, path: KeyPath, text: str) -> Any:
    annotation = field_type(path)
    if annotation is None or name != variable(path):
        close = nearest(path)
        meant = f": did you mean {variable(close)}?" if close else ""
        raise ConfigError(f"{name}: {spelled(path)} is no setting{meant}")
    if section_in(annotation) is annotation:
        raise ConfigError(f"{name}: {spelled(path)} is a section: set one of its keys")
    if _is_text(annotation):
        return text
    value = parse_yaml(f"value: {text}", name).values["value"]
    if isinstance(value, str) and _is_list(annotation):
        return [word.strip() for word in value.split(",")]
    return value


def _alternatives(annotation: Any) -> tuple[Any, ...]:
    """What may stand there besides null."""
    if get_origin(annotation) in (Union, types.UnionType):
        return tuple(one for one in get_args(annotation) if one is not type(None))
    return (annotation,)


def _is_text(annotation: Any) -> bool:
    return _alternatives(annotation)[0] in _TEXTS


def _is_list(annotation: Any) -> bool:
    return get_origin(_alternatives(annotation)[0]) is tuple
