"""What may be asked of a file, and of nothing else."""

import pytest

from streamer.errors import EntityInvalidError
from streamer.film import check_film


def test_a_film_may_begin_at_any_time_since_1970() -> None:
    check_film("/videos/a.mp4", "fastest", None, loop=False)
    check_film("/videos/*.mp4", "fastest", 0.0, loop=False)
    check_film("rtsp://yard/1", "own", None, loop=False)
    check_film("/videos/a.mp4", "own", None, loop=True)


@pytest.mark.parametrize(
    ("source", "pace", "start", "loop", "said"),
    [
        ("rtsp://yard/1", "fastest", None, False, "only a file can be read faster"),
        ("/dev/video0", "fastest", None, False, "only a file can be read faster"),
        ("/videos/a.mp4", "own", 1.0, False, "set 'pace' to 'fastest'"),
        ("/videos/a.mp4", "fastest", None, True, "give one of both"),
        ("/videos/a.mp4", "fastest", -1.0, False, "before 1970"),
    ],
)
def test_what_cannot_be_meant(source, pace, start, loop, said) -> None:
    with pytest.raises(EntityInvalidError, match=said):
        check_film(source, pace, start, loop)
