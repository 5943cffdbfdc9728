import copy
import json
from typing import Any

import msgspec
import pytest

from deploy.schemas import FOLDER, TOPIC_RECORDS
from tests.conftest import ROOT
from tests.deploy.schemas.compatibility import breaks

BASELINE = ROOT / "tests/deploy/schemas_baseline"

AFTER_A_BREAK = "write the next schema (streamer/schema.py), and a new file of it in the baseline"


@pytest.mark.parametrize("file", sorted(path.name for path in BASELINE.glob("*.json")))
def test_records_can_be_read_by_readers_of_before_and_those_of_before_now(file: str) -> None:
    old, new = (json.loads((folder / file).read_text()) for folder in (BASELINE, FOLDER))
    assert not breaks(old, new), AFTER_A_BREAK


def test_every_topic_has_a_baseline() -> None:
    assert {path.name for path in BASELINE.iterdir()} == {one.file for one in TOPIC_RECORDS}


class Inner(msgspec.Struct):
    at: float


class Pair(msgspec.Struct, array_like=True):
    text: str
    number: int


class Sample(msgspec.Struct, kw_only=True):
    name: str
    state: str | None = None
    size: int = 3
    inner: Inner
    inners: list[Inner] = []
    pair: Pair | None = None
    labels: dict[str, str] = {}


BEFORE = msgspec.json.schema(Sample)
Change = tuple[str, list[str], Any]


def changed(definition: str, path: list[str], value: Any) -> dict[str, Any]:
    """BEFORE with a value at a path of one of its definitions; None takes it away."""
    after = copy.deepcopy(BEFORE)
    place = after["$defs"][definition]
    for step in path[:-1]:
        place = place[step]
    if value is None:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return after


def fields(*names: str) -> list[str]:
    return ["properties", *names]


HARMLESS: list[Change] = [
    ("Sample", fields("more"), {"type": "string", "default": ""}),
    ("Inner", fields("more"), {"type": "number", "default": 0}),
    ("Sample", ["description"], "other words"),
    ("Sample", fields("name", "description"), "words"),
    (
        "Pair",
        ["prefixItems"],
        [{"type": "string"}, {"type": "integer"}, {"type": "string"}],
    ),
]


def test_nothing_breaks_where_nothing_changes() -> None:
    assert breaks(BEFORE, BEFORE) == []


@pytest.mark.parametrize("change", HARMLESS, ids=str)
def test_a_field_with_a_default_and_other_words_break_nothing(change: Change) -> None:
    assert breaks(BEFORE, changed(*change)) == []


BREAKING: list[tuple[Change, str]] = [
    (("Sample", fields("state"), None), "record.state: removed"),
    (("Inner", fields("at"), None), "record.inner.at: removed"),
    (("Sample", fields("size", "type"), "number"), "record.size: type was 'integer'"),
    (("Sample", fields("size", "minimum"), 1), "record.size: minimum was None"),
    (("Sample", fields("size", "default"), 4), "record.size: left out it meant 3 and means 4"),
    (("Sample", ["required"], ["name", "inner", "size"]), "record.size: required"),
    (("Sample", ["required"], ["inner"]), "record.name: may be left out"),
    (("Sample", ["additionalProperties"], False), "record: additionalProperties was None"),
    (("Sample", fields("state", "anyOf"), [{"type": "string"}]), "record.state: anyOf had 2"),
    (("Sample", fields("inner"), {"type": "string"}), "record.inner: type was None"),
    (("Sample", fields("inners", "items"), {"type": "string"}), "record.inners"),
    (("Sample", fields("labels", "additionalProperties"), {"type": "integer"}), "record.labels"),
    (("Pair", ["prefixItems"], [{"type": "string"}]), "prefixItems had 2 members and has 1"),
    (("Pair", ["minItems"], 3), "minItems was 2"),
    (("Inner", fields("at", "type"), "string"), "record.inner.at: type was 'number'"),
]


@pytest.mark.parametrize(("change", "words"), BREAKING, ids=str)
def test_what_breaks_is_named(change: Change, words: str) -> None:
    found = breaks(BEFORE, changed(*change))
    assert any(words in one for one in found), found


def test_a_new_field_that_is_required_breaks() -> None:
    after = changed("Sample", fields("more"), {"type": "string"})
    after["$defs"]["Sample"]["required"].append("more")
    assert breaks(BEFORE, after) == ["record.more: added without a default"]


def test_types_that_hold_themselves_are_compared_once() -> None:
    again = {
        "$ref": "#/$defs/A",
        "$defs": {"A": {"type": "object", "properties": {"a": {"$ref": "#/$defs/A"}}}},
    }
    assert breaks(again, again) == []
