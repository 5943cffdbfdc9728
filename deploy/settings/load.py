"""From a file and the environment to Settings, or to a sentence for each thing that is wrong."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from deploy.errors import ConfigError
from deploy.settings.environment import read_environment, variable
from deploy.settings.faults import Origins, sentences
from deploy.settings.known import KeyPath, spelled
from deploy.settings.secret_file import read_secret_files
from deploy.settings.settings import Settings
from deploy.settings.yaml_file import YamlValues, read_yaml

# Every key with its default and why: what to copy and change
DEFAULT_FILE = Path(__file__).parents[1] / "watchword.yml"


def load_settings(path: Path | None, environ: Mapping[str, str]) -> Settings:
    """Settings of a YAML file (None: the defaults) and of variables, which override it.

    Raises ConfigError with a sentence for each thing that is wrong.
    """
    read = YamlValues() if path is None else read_yaml(path)
    origins = Origins("the environment" if path is None else str(path), read.lines)
    values = {name: value for name, value in read.values.items() if value is not None}
    faults = read_secret_files(values)
    variables, problems = read_environment(environ)
    given = _nested(variables)
    for key in variables:
        origins.set(key, variable(key))
    faults += read_secret_files(given)
    # pydantic-settings takes these for arguments of its own
    faults += [((key,), "is no setting") for key in list(values) if key.startswith("_")]
    problems += [f"{origins.of(key)}: {spelled(key)} {reason}" for key, reason in faults]
    try:
        settings = Settings(**_merged(values, given))
    except ValidationError as error:
        raise ConfigError("\n".join([*problems, *sentences(error, origins)])) from error
    if problems:
        raise ConfigError("\n".join(problems))
    return settings


def _nested(variables: Mapping[KeyPath, Any]) -> dict[str, Any]:
    nested: dict[str, Any] = {}
    for path, value in variables.items():
        inside = nested
        for part in path[:-1]:
            inside = inside.setdefault(str(part), {})
        inside[str(path[-1])] = value
    return nested


def _merged(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """Sections are merged key by key; a list is replaced as a whole."""
    merged = dict(below)
    for name, value in above.items():
        lower = merged.get(name)
        both = isinstance(value, dict) and isinstance(lower, dict)
        merged[name] = _merged(lower, value) if both and lower is not None else value
    return merged
