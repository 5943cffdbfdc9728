import doctest
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy import camera_names
from deploy.camera_names import name_cameras

CAMERA_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


def test_the_example_in_the_docstring() -> None:
    assert doctest.testmod(camera_names).failed == 0


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("/videos/Front Door.MP4", "front-door"),
        ("/dev/video0", "video0"),
        ("清晨.mp4", "camera"),
        ("videos/*.mp4", "camera"),
        ("https://user:secret@cams.example/a/b.m3u8?token=t", "cams-example-b"),
        ("x" * 100 + ".mp4", "x" * 63),
    ],
)
def test_names(source: str, name: str) -> None:
    assert name_cameras([source]) == [name]


@given(st.lists(st.one_of(st.text(max_size=80), st.just("same.mp4")), max_size=12))
def test_every_name_is_a_camera_id_and_no_two_are_alike(sources: list[str]) -> None:
    names = name_cameras(sources)
    assert len(set(names)) == len(names) == len(sources)
    assert all(CAMERA_ID.fullmatch(name) for name in names)
