import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.errors import EntityInvalidError
from streamer.picture_area import check_masks, check_region

TRIANGLE = ((0.0, 0.0), (1.0, 0.0), (0.5, 1.0))
FRACTIONS = st.floats(0, 1)


@given(st.lists(st.tuples(FRACTIONS, FRACTIONS), min_size=3, max_size=64))
def test_a_polygon_is_kept_as_it_was_drawn(corners: list[tuple[float, float]]):
    assert check_masks([corners]) == (tuple(corners),)


@pytest.mark.parametrize(
    ("masks", "said"),
    [
        ([TRIANGLE] * 33, "holds 33 polygons"),
        ([TRIANGLE, ()], "polygon 2, has 0 corners"),
        ([((0.0, 0.0),) * 65], "has 65 corners"),
        ([((0.0,), *TRIANGLE)], "a corner of 1 number"),
        ([((-0.1, 0.0), *TRIANGLE)], "holds -0.1"),
        ([((0.0, math.nan), *TRIANGLE)], "holds nan"),
    ],
)
def test_masks_that_cannot_be_meant(masks: list[tuple[tuple[float, ...], ...]], said: str):
    with pytest.raises(EntityInvalidError, match=said):
        check_masks(masks)


@pytest.mark.parametrize(
    ("region", "said"),
    [
        ((0.0, 0.0, 1.0), "has 3 numbers"),
        ((0.0, 0.0, 1.1, 1.0), "holds 1.1"),
        ((0.5, 0.0, 0.2, 1.0), "give left, top"),
        ((0.0, 0.5, 1.0, 0.505), "at least 0.01"),
    ],
)
def test_regions_that_cannot_be_meant(region: tuple[float, ...], said: str):
    with pytest.raises(EntityInvalidError, match=said):
        check_region(region)


def test_a_region():
    assert check_region([0, 0.25, 1, 1]) == (0.0, 0.25, 1.0, 1.0)
