"""Honest checkpoints of every layout are read, and equal what torch and safetensors read."""

import hashlib

import pytest
import torch
from safetensors.torch import save_file

from encoder.checkpoint import check_finite, read_state
from encoder.errors import CheckpointError, WeightsError
from tests.encoder.checkpoint.crafted import dict_of, tensors, write_archive, write_lightning

STATE = {
    "blocks.0.weight": torch.arange(12.0).reshape(3, 4),
    "blocks.0.bias": torch.tensor([1.5, -2.5, 0.0]).bfloat16(),
    "half": torch.ones(2, 2, 2).half(),
    "double": torch.linspace(0, 1, 5).double(),
    "position_ids": torch.arange(7),
    "temp": torch.tensor(0.07),
    "empty": torch.zeros(0, 3),
}


def assert_same(found, wanted):
    assert found.keys() == wanted.keys()
    for key, value in wanted.items():
        assert found[key].dtype == value.dtype
        assert torch.equal(found[key], value), key


@pytest.mark.parametrize("root", ["module", "model", "state_dict", None])
def test_torch_files_are_read_from_every_root(tmp_path, root):
    path = tmp_path / "model.pt"
    torch.save(STATE if root is None else {root: STATE, "epoch": 3}, path)
    found = read_state(path)
    assert_same(found.state, STATE)
    assert (found.layout, found.path) == ("torch", path)
    assert found.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_modules_parameters_and_views_are_read(tmp_path):
    layer = torch.nn.Linear(3, 2)
    shared = torch.arange(20.0).reshape(4, 5)
    given = {
        "parameter": layer.weight,
        "turned": shared.t(),
        "part": shared[1:3, 2:],
        "every.other": shared[:, ::2],
    }
    torch.save(given, tmp_path / "views.bin")
    found = read_state(tmp_path / "views.bin").state
    assert all(torch.equal(found[key], value) for key, value in given.items())
    torch.save(layer.state_dict(), tmp_path / "layer.bin")  # an OrderedDict with _metadata
    assert_same(read_state(tmp_path / "layer.bin").state, layer.state_dict())


def test_safetensors_are_known_by_their_content(tmp_path):
    path = tmp_path / "renamed.pt"
    save_file(STATE, path)
    found = read_state(path)
    assert found.layout == "safetensors"
    assert_same(found.state, STATE)


def test_a_torch_file_may_be_called_safetensors(tmp_path):
    path = tmp_path / "renamed.safetensors"
    torch.save(STATE, path)
    assert read_state(str(path)).layout == "torch"


def test_lightning_files_are_read_past_classes_that_are_not_here(tmp_path):
    path = write_lightning(tmp_path / "best.ckpt", {"model.a": STATE["double"]})
    found = read_state(path)
    assert found.layout == "lightning"
    assert_same(found.state, {"model.a": STATE["double"]})
    with pytest.raises(Exception, match="Unsupported global"):
        torch.load(path, weights_only=True)


def test_a_file_put_together_by_hand_is_torch_s_own(tmp_path):
    records = {}
    path = write_archive(tmp_path / "hand.pt", dict_of(tensors(STATE, records)), records)
    assert_same(torch.load(path, weights_only=True), STATE)
    assert_same(read_state(path).state, STATE)


def test_tensors_are_the_file_s_own_memory_and_writing_changes_no_file(tmp_path):
    path = tmp_path / "model.pt"
    torch.save({"weight": torch.zeros(1000)}, path)
    before = path.read_bytes()
    first, second = read_state(path), read_state(path)
    first.state["weight"].fill_(1.0)
    assert not second.state["weight"].any()
    assert path.read_bytes() == before


def test_records_that_are_not_aligned_are_read_all_the_same(tmp_path):
    import zipfile

    records = {}
    body = b"\x80\x02" + dict_of(tensors(STATE, records)) + b"."
    with zipfile.ZipFile(tmp_path / "odd.pt", "w") as archive:
        for name, data in {"data.pkl": body, **records}.items():
            archive.writestr(f"odd/{name}", data)
    assert_same(read_state(tmp_path / "odd.pt").state, STATE)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_weights_that_are_no_numbers_are_refused(tmp_path, value, dtype):
    bad = torch.ones(5, dtype=dtype)
    bad[3] = value
    torch.save({"good": torch.ones(3), "bad": bad, "none": torch.zeros(0)}, tmp_path / "nan.pt")
    checkpoint = read_state(tmp_path / "nan.pt")
    check_finite(checkpoint, ["good", "none"])
    with pytest.raises(CheckpointError, match=r"nan\.pt: bad holds NaN or infinity.*diverged"):
        check_finite(checkpoint)


def test_errors_are_weights_errors():
    assert issubclass(CheckpointError, WeightsError)
