import pytest

from streamer.camera_record import CameraRecord
from streamer.entity_id import check_camera_id, check_known, make_id
from streamer.errors import EntityInvalidError, EntityNotFoundError


class Shelf:
    """Cameras by id, two a page."""

    def __init__(self, *ids: str) -> None:
        self._ids = sorted(ids)

    def get(self, camera_id: str) -> CameraRecord:
        if camera_id not in self._ids:
            raise EntityNotFoundError(camera_id)
        return CameraRecord(camera_id=camera_id, source="a.mp4")

    def page(self, after: str, limit: int) -> list[CameraRecord]:
        return [self.get(one) for one in self._ids if one > after][: min(limit, 2)]


def check(pattern: str, *known: str) -> None:
    check_known([pattern], "camera", Shelf(*known), lambda camera: camera.camera_id)


@pytest.mark.parametrize("camera_id", ["a", "0", "gate-1", "a" * 63, "a--b"])
def test_what_can_name_a_camera(camera_id: str) -> None:
    assert check_camera_id(camera_id) == camera_id


@pytest.mark.parametrize(
    "camera_id", ["", "-a", "A", "my yard", "a_b", "a" * 64, "a\n", "\N{ARABIC-INDIC DIGIT ONE}"]
)
def test_what_cannot(camera_id: str) -> None:
    with pytest.raises(EntityInvalidError, match="lower-case"):
        check_camera_id(camera_id)


def test_a_made_id_can_name_anything() -> None:
    made = {make_id() for _ in range(100)}
    assert len(made) == 100
    assert all(check_camera_id(one) and len(one) == 12 for one in made)


def test_known_ids_and_patterns_pass() -> None:
    check("yard", "gate", "yard")
    check("*", "gate")
    check("nothing-yet-*")


def test_the_nearest_id_is_named_wherever_it_stands() -> None:
    with pytest.raises(EntityInvalidError, match="is 'yard' meant"):
        check("yrad", "a", "b", "c", "d", "yard")
    with pytest.raises(EntityInvalidError, match="add it first, or name them with a pattern"):
        check("yrad", "gate")
    with pytest.raises(EntityInvalidError, match="none is registered yet"):
        check("yrad")
