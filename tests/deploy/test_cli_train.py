import sys
from pathlib import Path

import pytest

from deploy.cli.train import tell, training_module
from deploy.errors import UsageError


@pytest.fixture
def without_torch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a module that wants torch, on a machine that has none."""
    (tmp_path / "wants_torch.py").write_text("import torch\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(sys.modules, "torch", None)
    return "wants_torch"


def test_without_torch_a_sentence_says_what_to_install(without_torch: str) -> None:
    with pytest.raises(UsageError, match=r"pip install 'watchword\[train\]'"):
        training_module(without_torch)


def test_any_other_missing_module_is_a_bug() -> None:
    with pytest.raises(ModuleNotFoundError):
        training_module("deploy.nonesuch")


def test_progress_goes_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    tell("epoch 1 [of 2]")
    told = capsys.readouterr()
    assert (told.out, told.err) == ("", "epoch 1 [of 2]\n")
