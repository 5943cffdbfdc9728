import numpy as np

from deploy.tally import CameraTally
from encoder.embedding import ClipEmbedding

VECTOR = np.ones(1, np.float32)


def clip(index: int, seen: float = 2.0, source: str = "file") -> ClipEmbedding:
    start = 100.0 + 2 * index
    return ClipEmbedding(
        "street", 100_000, index, start, start + 2, start + seen, "space", VECTOR, source
    )


def test_clips_add_up() -> None:
    tally = CameraTally()
    for index in (0, 1, 3):
        tally.add(clip(index))
    tally.add(clip(4, seen=0.5))
    assert (tally.clips, tally.seen_seconds) == (4, 6.5)


def test_what_no_clip_has_shown_is_unseen() -> None:
    tally = CameraTally()
    tally.add(clip(0))
    tally.add(clip(2))
    assert tally.unseen_seconds(6.0) == 2.0


def test_the_end_of_the_sound_is_no_loss() -> None:
    tally = CameraTally()
    tally.add(clip(0))
    assert tally.unseen_seconds(2.3) == 0.0
    assert tally.unseen_seconds(1.9) == 0.0


def test_without_facts_a_file_begins_with_its_first_clip() -> None:
    tally = CameraTally()
    tally.add(clip(0))
    tally.add(clip(1))
    assert tally.file_start == 100.0


def test_a_live_camera_has_no_beginning_and_facts_are_kept() -> None:
    live, known = CameraTally(), CameraTally(file_start=98.0)
    live.add(clip(0, source="arrival"))
    known.add(clip(0))
    assert (live.file_start, known.file_start) == (None, 98.0)
