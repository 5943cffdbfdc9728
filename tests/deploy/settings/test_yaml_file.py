"""A YAML file as plain values, with the line of each key."""

import contextlib

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from deploy.errors import ConfigError
from deploy.settings.yaml_file import parse_yaml


def refused(text: str) -> str:
    with pytest.raises(ConfigError) as error:
        parse_yaml(text, "serve.yml")
    return str(error.value)


def test_words_are_those_of_yaml_1_2():
    text = (
        "{clock: 22:00, country: no, switch: on, day: 2025-03-01, count: 1_000, hex: 0x1F,"
        " old: 010, small: 1e-3, whole: 5., dot: .5, off: null, empty: , yes: true}"
    )
    assert parse_yaml(text, "serve.yml").values == {
        "clock": "22:00",
        "country": "no",
        "switch": "on",
        "day": "2025-03-01",
        "count": 1000,
        "hex": 31,
        "old": "010",
        "small": 0.001,
        "whole": 5.0,
        "dot": 0.5,
        "off": None,
        "empty": None,
        "yes": True,
    }


def test_lines_are_known():
    read = parse_yaml("a: 1\nb:\n  c:\n    - 1\n    - d: 2\n", "serve.yml")
    assert read.lines == {
        ("a",): 1,
        ("b",): 2,
        ("b", "c"): 3,
        ("b", "c", 0): 4,
        ("b", "c", 1): 5,
        ("b", "c", 1, "d"): 5,
    }


def test_merged_keys_may_be_overridden():
    read = parse_yaml("a: &a {x: 1, y: 1}\nb: {<<: *a, y: 2}", "serve.yml")
    assert read.values["b"] == {"x": 1, "y": 2}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("- 1", "serve.yml should hold sections"),
        ("text", "serve.yml should hold sections"),
        ("a: 1\nb: 1\na: 2", "serve.yml, line 3: a stands here a second time, after line 1"),
        ("s: {a: 1, a: 1}", "serve.yml, line 1: s.a stands here a second time"),
        ("a: [", "serve.yml, line 1: no YAML that is read here, "),
        ("a: b: c", "serve.yml, line 1: no YAML that is read here, mapping values"),
        ("a: 1\n---\nb: 1", "line 2: no YAML that is read here, but found another document"),
        ("1: a", "serve.yml, line 1: a key is no word: write it in quotes"),
        ("s: {[1]: a}", "serve.yml, line 1: a key in s is no word"),
        ("a: *b", "found undefined alias"),
        ("a: &a [*a]", "serve.yml, line 1: holds itself by an alias"),
        ("a: !!int x", "serve.yml is no YAML that is read here"),
        ("a: \x07", "serve.yml is no YAML: it holds letters that cannot be shown"),
        ("a: " + "[" * 5000, "serve.yml is no YAML that is read here"),
    ],
)
def test_what_is_refused(text: str, said: str):
    assert said in refused(text)


@pytest.mark.parametrize(
    "tag",
    [
        "!!python/object/apply:os.system ['true']",
        "!!python/name:os.system",
        "!!python/object/new:os.system ['true']",
        "!!python/module:os",
        "!secret yard",
    ],
)
def test_tags_make_nothing(tag: str):
    assert "could not determine a constructor for the tag" in refused(f"a: {tag}")


def test_aliases_of_aliases_end():
    lines = ["a0: &a0 [1, 1]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 12)]
    assert "keys and entries, by aliases?" in refused("\n".join(lines))


def test_no_text(tmp_path):
    from deploy.settings.yaml_file import read_yaml

    path = tmp_path / "serve.yml"
    path.write_bytes(b"a: \xff\xfe")
    with pytest.raises(ConfigError, match="is no text in UTF-8"):
        read_yaml(path)
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        read_yaml(tmp_path)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**12), 10**12) | st.text("abcxyz :-", max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text("abcdef", min_size=1, max_size=5), inner, max_size=3)
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.text("abcdef", min_size=1, max_size=5), VALUES, max_size=4))
def test_what_is_written_is_read(values: dict[str, object]):
    assert parse_yaml(yaml.safe_dump(values), "serve.yml").values == values


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str):
    with contextlib.suppress(ConfigError):
        assert isinstance(parse_yaml(text, "serve.yml").values, dict)
