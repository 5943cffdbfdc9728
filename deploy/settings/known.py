"""Which keys there are, read off the models, and which of them somebody may have meant."""

import difflib
from collections.abc import Iterator
from functools import cache
from typing import Any, get_args

from pydantic import BaseModel, SecretStr

from deploy.settings.settings import Settings

KeyPath = tuple[str | int, ...]  # as ("cameras", "list", 0, "id")


def spelled(path: KeyPath) -> str:
    """The path as it is written: `cameras.list[0].id`."""
    words = [f"[{part}]" if isinstance(part, int) else f".{part}" for part in path]
    return "".join(words).removeprefix(".")


def section_in(annotation: Any) -> type[BaseModel] | None:
    """The model of a section, or of the entries of a list; None for a plain value."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(section_in, get_args(annotation))), None)


def field_type(path: KeyPath) -> Any:
    """The annotation of a key, None if there is no such key."""
    annotation: Any = Settings
    for part in path:
        section = section_in(annotation)
        if isinstance(part, int):
            continue
        if section is None or part not in section.model_fields:
            return None
        annotation = section.model_fields[part].annotation
    return annotation


def is_secret(path: KeyPath) -> bool:
    """Whether the value at this path, or anything in it, is never shown."""
    if {"token", "tokens"} & set(path):
        return True
    annotation = field_type(path)
    return annotation is SecretStr or SecretStr in get_args(annotation)


@cache
def known_keys() -> tuple[KeyPath, ...]:
    """Every key; those of a list's entries stand below the list."""
    return tuple(_keys(Settings, ()))


def nearest(path: KeyPath) -> KeyPath | None:
    """The key that may have been meant: a neighbour of the same section, else any."""
    wanted, names = str(path[-1]), tuple(part for part in path if isinstance(part, str))
    beside = [str(key[-1]) for key in known_keys() if key[:-1] == names[:-1]]
    if found := difflib.get_close_matches(wanted, beside, n=1):
        return (*path[:-1], found[0])
    anywhere = {str(key[-1]): key for key in reversed(known_keys())}
    if found := difflib.get_close_matches(wanted, anywhere, n=1, cutoff=0.8):
        return anywhere[found[0]]
    return None


def _keys(model: type[BaseModel], above: KeyPath) -> Iterator[KeyPath]:
    for name, field in model.model_fields.items():
        path = (*above, name)
        yield path
        if section := section_in(field.annotation):
            yield from _keys(section, path)
