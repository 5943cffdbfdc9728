from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.mask import Mask
from streamer.picture_area import Point, Polygon

SQUARE: Polygon = ((0.25, 0.25), (0.5, 0.25), (0.5, 0.5), (0.25, 0.5))
# Hundredths: a point in the polygon is found exactly, without the rounding of floats
PLACES = st.integers(0, 100).map(lambda hundredth: hundredth / 100)
POLYGONS = st.lists(st.tuples(PLACES, PLACES), min_size=3, max_size=8).map(tuple)
SIZES = st.tuples(st.integers(2, 40), st.integers(2, 40))


def winds_around(polygon: Polygon, x: Fraction, y: Fraction) -> bool:
    """Whether the polygon surrounds a point: its winding number, told edge by edge."""
    turns = 0
    corners = [(Fraction(str(a)), Fraction(str(b))) for a, b in polygon]
    for (ax, ay), (bx, by) in zip(corners, [*corners[1:], corners[0]], strict=True):
        side = (bx - ax) * (y - ay) - (x - ax) * (by - ay)
        if ay <= y < by and side > 0:
            turns += 1
        elif by <= y < ay and side < 0:
            turns -= 1
    return turns != 0


@settings(max_examples=60, deadline=None)
@given(POLYGONS, SIZES, st.lists(st.tuples(PLACES, PLACES), min_size=1, max_size=20))
def test_nothing_in_a_polygon_survives(
    polygon: Polygon, size: tuple[int, int], points: list[Point]
):
    """Not even a pixel of which the polygon holds but a corner."""
    width, height = size
    pixels = np.full((height, width, 3), 255, np.uint8)
    masked = Mask((polygon,)).apply(pixels, margin=0)
    for x, y in [*points, *polygon]:
        inside = winds_around(polygon, Fraction(str(x)), Fraction(str(y)))
        if inside or (x, y) in polygon:
            column, row = min(int(x * width), width - 1), min(int(y * height), height - 1)
            assert not masked[row, column].any(), (x, y)


@settings(max_examples=40, deadline=None)
@given(POLYGONS, SIZES)
def test_every_pixel_along_an_edge_is_black(polygon: Polygon, size: tuple[int, int]):
    width, height = size
    covered = Mask((polygon,)).covers(width, height, margin=0)
    for (ax, ay), (bx, by) in zip(polygon, [*polygon[1:], polygon[0]], strict=True):
        for part in np.linspace(0, 1, 50)[1:-1]:
            x, y = (ax + part * (bx - ax)) * width, (ay + part * (by - ay)) * height
            if min(x % 1, 1 - x % 1, y % 1, 1 - y % 1) > 1e-9:  # between two pixels is either
                assert covered[int(y), int(x)]


def test_what_lies_elsewhere_is_untouched():
    pixels = np.random.default_rng(1).integers(1, 255, (40, 40, 3), np.uint8)
    masked = Mask((SQUARE,)).apply(pixels)
    black = (masked == 0).all(axis=2)
    # 10 to 20 lie in the square, 20 is touched by its edge, and a pixel around all of them
    assert (np.nonzero(black.any(axis=0))[0] == np.arange(9, 22)).all()
    assert (np.nonzero(black.any(axis=1))[0] == np.arange(9, 22)).all()
    assert (masked[~black] == pixels[~black]).all()
    assert pixels.all(), "the picture itself is not touched"


def test_a_margin_is_as_wide_as_asked():
    for margin in range(4):
        covered = Mask((SQUARE,)).covers(40, 40, margin)
        assert np.nonzero(covered.any(axis=0))[0].min() == 10 - margin


def test_what_a_polygon_surrounds_twice_is_black_too():
    star = tuple(
        (0.5 + 0.5 * np.sin(k * 0.8 * np.pi), 0.5 - 0.5 * np.cos(k * 0.8 * np.pi)) for k in range(5)
    )
    assert Mask((star,)).covers(50, 50)[25, 25]


def test_no_mask_costs_nothing():
    pixels = np.ones((4, 4, 3), np.uint8)
    assert not Mask(())
    assert Mask(()).apply(pixels) is pixels


def test_a_mask_of_a_size_is_made_once_and_for_good():
    mask = Mask((SQUARE,))
    assert mask.covers(8, 8) is mask.covers(8, 8)
    with pytest.raises(ValueError, match="read-only"):
        mask.covers(8, 8)[0, 0] = True
