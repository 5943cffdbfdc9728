from hypothesis import given
from hypothesis import strategies as st

from grounding.rewind import SPARE_ENTRIES, Rewind

CLIPS = 5

clips = st.tuples(
    st.integers(0, 1),  # partition
    st.sampled_from(["yard", "gate", "door"]),
    st.integers(1, 3),  # session
    st.integers(0, 12),  # index
    st.booleans(),  # the camera is forgotten before it
)


class PlainRewind:
    """All clips, looked through each time."""

    def __init__(self) -> None:
        self.windows: dict[tuple[int, str], list[tuple[int, int, int]]] = {}

    def note(self, partition: int, offset: int, camera: str, session: int, index: int) -> None:
        window = self.windows.setdefault((partition, camera), [])
        if not window or (session, index) > window[-1][:2]:
            window.append((session, index, offset))

    def forget(self, partition: int, camera: str) -> None:
        self.windows.pop((partition, camera), None)

    def rewind(self, partition: int) -> int | None:
        inside = [
            offset
            for (home, _), window in self.windows.items()
            for session, index, offset in window
            if home == partition and session == window[-1][0] and index > window[-1][1] - CLIPS
        ]
        return min(inside, default=None)


@given(st.lists(clips, max_size=80))
def test_it_is_the_lowest_offset_inside_any_window(history) -> None:
    made, plain = Rewind(CLIPS), PlainRewind()
    forgotten: set[tuple[int, str]] = set()
    for offset, (partition, camera, session, index, forget) in enumerate(history):
        if forget:
            made.forget(partition, camera)
            plain.forget(partition, camera)
            forgotten.add((partition, camera))
        if (partition, camera) in forgotten:
            continue  # what comes of it after that is a matter of taste
        made.note(partition, offset, camera, session, index)
        plain.note(partition, offset, camera, session, index)
        for each in range(2):
            assert made.rewind(each) == plain.rewind(each)


def test_a_forgotten_camera_holds_nobody_back() -> None:
    made = Rewind(CLIPS)
    made.note(0, 3, "yard", 1, 0)
    made.note(0, 4, "gate", 1, 0)
    assert made.rewind(0) == 3
    made.forget(0, "yard")
    assert made.rewind(0) == 4
    made.forget(0, "gate")
    assert made.rewind(0) is None
    made.forget(1, "gate")


def test_a_partition_that_went_is_not_remembered() -> None:
    made = Rewind(CLIPS)
    made.note(0, 3, "yard", 1, 0)
    made.drop(0)
    assert made.rewind(0) is None
    made.note(0, 9, "yard", 1, 6)
    assert made.rewind(0) == 9


def test_memory_is_bounded_though_a_silent_camera_holds_it_back() -> None:
    made = Rewind(CLIPS)
    made.note(0, 0, "silent", 1, 0)
    for offset in range(1, 5_000):
        made.note(0, offset, "yard", 1, offset)
        assert made.rewind(0) == 0
    assert len(made._logs[0].entries) <= 2 * CLIPS * 2 + SPARE_ENTRIES + 1
