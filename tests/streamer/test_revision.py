import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.camera_record import CameraRecord
from streamer.errors import EntityChangedError
from streamer.revision import ATTEMPTS, change_entity, etag, merge_patch, require_match

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
OBJECTS = st.dictionaries(st.sampled_from("abc"), JSON, max_size=3)

# RFC 7396, appendix A: as far as both are objects
EXAMPLES = [
    ({"a": "b"}, {"a": "c"}, {"a": "c"}),
    ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
    ({"a": "b"}, {"a": None}, {}),
    ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
    ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
    ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
    ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
    ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
    ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
    ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
]


@pytest.mark.parametrize(("current", "patch", "merged"), EXAMPLES)
def test_the_examples_of_the_standard(current: dict, patch: dict, merged: dict) -> None:
    assert merge_patch(current, patch) == merged


@given(OBJECTS, OBJECTS)
def test_a_patch_done_twice_is_done_once(current: dict, patch: dict) -> None:
    merged = merge_patch(current, patch)
    assert merge_patch(merged, patch) == merged
    assert merge_patch(current, {}) == current


@pytest.mark.parametrize("if_match", [None, "*", ' "7" ', '"1", "7"'])
def test_what_matches(if_match: str | None) -> None:
    require_match(if_match, 7)


@pytest.mark.parametrize("if_match", ["", "7", '"8"', 'W/"7"', '"77"', "\x00"])
def test_what_does_not(if_match: str) -> None:
    with pytest.raises(EntityChangedError, match="revision 7"):
        require_match(if_match, 7)


class Contested:
    """A store in which somebody else is faster a few times."""

    def __init__(self, losses: int) -> None:
        self.losses = losses
        self.camera = CameraRecord(camera_id="yard", source="a.mp4", revision=1)

    def replace(self, camera: CameraRecord) -> CameraRecord:
        if self.losses:
            self.losses -= 1
            raise EntityChangedError("changed meanwhile")
        return camera

    def change(self, if_match: str | None = None) -> CameraRecord:
        return change_entity(lambda: self.camera, lambda camera: camera, self.replace, if_match)


def test_who_does_not_mind_tries_again() -> None:
    assert Contested(ATTEMPTS - 1).change().camera_id == "yard"
    with pytest.raises(EntityChangedError):
        Contested(ATTEMPTS).change()


def test_who_named_a_revision_is_told() -> None:
    with pytest.raises(EntityChangedError):
        Contested(1).change(etag(1))
