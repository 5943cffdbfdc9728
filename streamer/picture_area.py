"""Parts of a picture, in fractions of its width and height: what a user may draw."""

from collections.abc import Sequence

from streamer.errors import EntityInvalidError

Point = tuple[float, float]  # x from the left, y from above; 0 to 1
Polygon = tuple[Point, ...]  # its corners; it closes by itself
Box = tuple[float, float, float, float]  # left, top, right, bottom

MOST_POLYGONS = 32
MOST_CORNERS = 64
SMALLEST_SIDE = 0.01  # of a region


def check_masks(masks: Sequence[Sequence[Sequence[float]]]) -> tuple[Polygon, ...]:
    """The polygons, if all can be meant; one may cross itself: all that it surrounds is meant.

    Raises EntityInvalidError.
    """
    if len(masks) > MOST_POLYGONS:
        raise EntityInvalidError(
            f"'masks' holds {len(masks)} polygons; at most {MOST_POLYGONS} are taken."
        )
    return tuple(_polygon(number, corners) for number, corners in enumerate(masks))


def check_region(region: Sequence[float]) -> Box:
    """The box, if it can be meant.

    Raises EntityInvalidError.
    """
    if len(region) != 4:
        raise EntityInvalidError(
            f"'region' has {len(region)} numbers: give left, top, right and bottom."
        )
    left, top, right, bottom = (_fraction(number, "'region'") for number in region)
    if right - left < SMALLEST_SIDE or bottom - top < SMALLEST_SIDE:
        raise EntityInvalidError(
            f"'region' is {[left, top, right, bottom]}: give left, top, right and bottom, right "
            f"and below of them by at least {SMALLEST_SIDE}."
        )
    return left, top, right, bottom


def _polygon(number: int, corners: Sequence[Sequence[float]]) -> Polygon:
    name = f"'masks', polygon {number + 1},"
    if not 3 <= len(corners) <= MOST_CORNERS:
        raise EntityInvalidError(
            f"{name} has {len(corners)} corners; 3 to {MOST_CORNERS} make a polygon."
        )
    points = []
    for corner in corners:
        if len(corner) != 2:
            raise EntityInvalidError(f"{name} has a corner of {len(corner)} numbers: give x and y.")
        points.append((_fraction(corner[0], name), _fraction(corner[1], name)))
    return tuple(points)


def _fraction(number: float, name: str) -> float:
    if not 0.0 <= number <= 1.0:
        raise EntityInvalidError(
            f"{name} holds {number:g}: places in a picture are fractions of its width and height, "
            "from 0 (left, above) to 1."
        )
    return float(number)
