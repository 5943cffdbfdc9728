import ctypes

import pytest

from streamer import memory
from streamer.memory import give_back_memory


def test_the_c_library_is_asked(monkeypatch: pytest.MonkeyPatch):
    asked: list[int] = []

    class Library:
        def __init__(self, name: str | None) -> None:
            assert name is None

        def malloc_trim(self, left: int) -> None:
            asked.append(left)

    monkeypatch.setattr(memory.ctypes, "CDLL", Library)
    give_back_memory()
    assert asked == [0]


@pytest.mark.parametrize("error", [OSError, AttributeError])
def test_another_c_library_is_left_alone(monkeypatch: pytest.MonkeyPatch, error: type[Exception]):
    def load(name: str | None) -> ctypes.CDLL:
        raise error

    monkeypatch.setattr(memory.ctypes, "CDLL", load)
    give_back_memory()
