"""A YAML file as plain values, with the line of each key; what YAML can do beyond that is refused.

Words follow YAML 1.2: `22:00` and `no` are texts, where YAML 1.1 saw 1320 and false.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from deploy.errors import ConfigError
from deploy.settings.known import KeyPath, spelled

MOST_KEYS = 100_000  # a few aliases of aliases make a thousand million of them
_TAG = "tag:yaml.org,2002:"
_WORDS = (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?(?:0|[1-9][0-9_]*)|0x[0-9a-fA-F]+", list("-+0123456789")),
    (
        "float",
        r"[-+]?(?:\.[0-9]+|[0-9]+\.[0-9]*|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]+)?"
        r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
        list("-+0123456789."),
    ),
    ("merge", r"<<", ["<"]),
)


class _Loader(yaml.SafeLoader):
    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012


for _name, _pattern, _first in _WORDS:
    _Loader.add_implicit_resolver(_TAG + _name, re.compile(rf"^(?:{_pattern})$"), _first)


@dataclass(frozen=True, slots=True)
class YamlValues:
    """What a file says; `lines` holds the line of each key and entry, counted from 1."""

    values: dict[str, Any] = field(default_factory=dict)
    lines: dict[KeyPath, int] = field(default_factory=dict)


def read_yaml(path: Path) -> YamlValues:
    """The file's values.

    Raises ConfigError if it cannot be read, is no YAML, names a key twice or holds a tag.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is no text in UTF-8: save it as such") from error
    return parse_yaml(text, str(path))


def parse_yaml(text: str, name: str) -> YamlValues:
    """As `read_yaml`, of a text; `name` is what errors call it."""
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is None or _is_null(node):
            return YamlValues()
        if not isinstance(node, yaml.MappingNode):
            raise ConfigError(f"{name} should hold sections, as `server:`, and holds none")
        lines = _lines(node, name)
        values = loader.construct_document(node)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{name}, line {mark.line + 1}" if mark else name
        # Its problem alone: the rest quotes the file, which may hold secrets
        raise ConfigError(f"{where}: no YAML that is read here, {error.problem}") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{name} is no YAML: it holds letters that cannot be shown") from error
    except (ValueError, RecursionError) as error:  # a number with odd digits, nests without end
        raise ConfigError(f"{name} is no YAML that is read here") from error
    return YamlValues(values, lines)


def _is_null(node: yaml.Node) -> bool:
    return node.tag == _TAG + "null"


def _lines(root: yaml.MappingNode, name: str) -> dict[KeyPath, int]:
    lines: dict[KeyPath, int] = {}
    for path, node in _walk(root, (), name, ()):
        lines.setdefault(path, node.start_mark.line + 1)
        if len(lines) > MOST_KEYS:
            raise ConfigError(f"{name} holds more than {MOST_KEYS} keys and entries, by aliases?")
    return lines


def _walk(
    node: yaml.Node, path: KeyPath, name: str, above: tuple[yaml.Node, ...]
) -> Iterator[tuple[KeyPath, yaml.Node]]:
    if any(node is one for one in above):
        raise ConfigError(f"{name}, line {node.start_mark.line + 1}: holds itself by an alias")
    if isinstance(node, yaml.MappingNode):
        seen: dict[str, int] = {}
        for key, value in node.value:
            if key.tag == _TAG + "merge":
                continue
            inside = (*path, _checked_key(key, path, name, seen))
            yield inside, key
            yield from _walk(value, inside, name, (*above, node))
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            yield (*path, index), value
            yield from _walk(value, (*path, index), name, (*above, node))


def _checked_key(key: yaml.Node, path: KeyPath, name: str, seen: dict[str, int]) -> str:
    line = key.start_mark.line + 1
    if not isinstance(key, yaml.ScalarNode) or key.tag != _TAG + "str":
        inside = f" in {spelled(path)}" if path else ""
        raise ConfigError(f"{name}, line {line}: a key{inside} is no word: write it in quotes")
    word = str(key.value)
    if word in seen:
        raise ConfigError(
            f"{name}, line {line}: {spelled((*path, word))} stands here a second time, "
            f"after line {seen[word]}: keep one of them"
        )
    seen[word] = line
    return word
