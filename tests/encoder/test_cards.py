from pathlib import Path

import pytest

from encoder.cards import card_is_there


@pytest.mark.parametrize(
    ("names", "is_there"),
    [((), False), (("nvidiactl", "nvidia-uvm"), False), (("nvidia0",), True), (("dxg",), True)],
)
def test_a_card_is_what_the_driver_shows(tmp_path: Path, names: tuple, is_there: bool) -> None:
    for name in names:
        (tmp_path / name).touch()
    assert card_is_there(tmp_path, {}) is is_there
    assert card_is_there(tmp_path, {"CUDA_VISIBLE_DEVICES": "0"}) is is_there


@pytest.mark.parametrize("hidden", ["", " ", "-1"])
def test_a_card_that_was_hidden_is_not_there(tmp_path: Path, hidden: str) -> None:
    (tmp_path / "nvidia0").touch()
    assert not card_is_there(tmp_path, {"CUDA_VISIBLE_DEVICES": hidden})
