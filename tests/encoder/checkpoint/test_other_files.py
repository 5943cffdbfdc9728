"""What is saved under a checkpoint's name and is none: each is said by what it is."""

import gzip
import os
import pickle
import re
import struct
import tarfile
import zipfile

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from encoder.checkpoint import read_state
from encoder.errors import CheckpointError

HTML = b"\n<!DOCTYPE html><html><head><title>Sign in</title></head></html>"
POINTER = (
    b"version https://git-lfs.github.com/spec/v1\n"
    b"oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\n"
    b"size 2820000000\n"
)


def refused(path, sentence):
    with pytest.raises(CheckpointError, match=sentence) as caught:
        read_state(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "is empty.*fetch it again"),
        (HTML, "is a web page.*accept the model's terms"),
        (b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>', "is a web page"),
        (POINTER, "is a Git LFS pointer.*git lfs pull"),
        (b'{"error": "Access to this model is restricted"}', "is JSON text"),
        (b'{\n  "metadata": {}, "weight_map": {}}', "is JSON text.*index of parts"),
        (b"\x93NUMPY\x01\x00", "NumPy arrays"),
        (gzip.compress(b"weights", mtime=0), r"is packed \(gzip\): unpack it"),
        (b"\x00" * 4096, "holds zeros"),
        (b"Access denied", "neither safetensors nor"),
        (pickle.dumps({"a": 1}), "old format.*save it again"),
        (b"x", "neither safetensors nor"),
    ],
)
def test_other_content_is_named(tmp_path, content, sentence):
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    refused(path, sentence)


def test_old_torch_files_are_refused_with_the_way_out(tmp_path):
    path = tmp_path / "old.pt"
    torch.save({"a": torch.ones(2)}, path, _use_new_zipfile_serialization=False)
    refused(path, r"old format.*torch\.save.*safetensors")


def test_a_tar_is_old_too(tmp_path):
    path = tmp_path / "older.pt"
    (tmp_path / "storages").write_bytes(b"1")
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
        tar.add(tmp_path / "storages", "storages")
    refused(path, "old format")


def test_places_that_are_no_files(tmp_path):
    refused(tmp_path, "is a folder: give the checkpoint file inside it")
    refused(tmp_path / "none.pt", "cannot be read: No such file")
    os.mkfifo(tmp_path / "pipe")
    refused(tmp_path / "pipe", "no regular file")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission(tmp_path):
    path = tmp_path / "secret.pt"
    path.write_bytes(b"PK")
    path.chmod(0)
    refused(path, "Permission denied")


def test_a_file_that_may_not_be_opened(tmp_path, monkeypatch):
    path = tmp_path / "secret.pt"
    path.write_bytes(b"PK")
    monkeypatch.setattr(os, "access", lambda *_: False)
    refused(path, "cannot be read: Permission denied")


@pytest.mark.parametrize("kept", [0.1, 0.5, 0.9, 0.999])
def test_half_a_torch_file(tmp_path, kept):
    path = tmp_path / "half.pt"
    torch.save({f"weight.{i}": torch.randn(50) for i in range(20)}, path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(kept * len(whole))])
    refused(path, "cut short.*download it again")


@pytest.mark.parametrize("kept", [12, 100, 1000])
def test_half_a_safetensors_file(tmp_path, kept):
    path = tmp_path / "half.safetensors"
    save_file({"weight": torch.randn(500)}, path)
    path.write_bytes(path.read_bytes()[:kept])
    refused(path, "cut short|half-downloaded")


def safetensors_with(header: bytes, data: bytes = b"") -> bytes:
    return struct.pack("<Q", len(header)) + header + data


@pytest.mark.parametrize(
    "content",
    [
        safetensors_with(b'{"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}', b"1234"),
        safetensors_with(b'{"a":{"dtype":"F32","shape":[4],"data_offsets":[0,160]}}', b"0" * 16),
        safetensors_with(b'{"a":{"dtype":"F32","shape":[400],"data_offsets":[0,16]}}', b"0" * 16),
        safetensors_with(b'{"a":{"dtype":"F99","shape":[4],"data_offsets":[0,16]}}', b"0" * 16),
        safetensors_with(b'{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}', b"0" * 4),
        safetensors_with(b'{"a":', b"0" * 16),
        safetensors_with(
            b'{"a":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,0]}}'
        ),
        safetensors_with(b'{"a":{"dtype":"F32","shape":[4],"data_offsets":[16,0]}}', b"0" * 16),
    ],
)
def test_safetensors_whose_header_lies(tmp_path, content):
    path = tmp_path / "lies.safetensors"
    path.write_bytes(content)
    refused(path, "damaged or half-downloaded safetensors")


def test_a_safetensors_header_beyond_the_file(tmp_path):
    path = tmp_path / "long.safetensors"
    path.write_bytes(struct.pack("<Q", 5000) + b'{"a":')
    refused(path, "header alone has 5000 bytes, the file has 13")
    path.write_bytes(struct.pack("<Q", 2**60) + b'{"a":')
    refused(path, "more than any has")


def test_safetensors_without_tensors(tmp_path):
    path = tmp_path / "none.safetensors"
    path.write_bytes(safetensors_with(b'{"__metadata__":{"format":"pt"}}'))
    refused(path, "holds no tensor")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_torchscript_programs_are_named(tmp_path):
    path = tmp_path / "video_encoder.pt"
    torch.jit.script(torch.nn.Linear(2, 2)).save(str(path))
    refused(path, r"TorchScript program.*state_dict\(\)")


def test_other_zip_archives(tmp_path):
    path = tmp_path / "features.npz"
    np.savez(path, a=np.ones(3))
    refused(path, "NumPy arrays")
    with zipfile.ZipFile(tmp_path / "release.zip", "w") as archive:
        archive.writestr("sg-detr/best.ckpt", b"inside")
    refused(tmp_path / "release.zip", r"around 'sg-detr/best\.ckpt': unpack it")
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as archive:
        archive.writestr("readme.txt", b"inside")
    refused(tmp_path / "other.zip", re.escape("no data.pkl"))


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ({"epoch": 3, "optimizer": {}}, "no weights in `module`.*there is epoch, optimizer"),
        ({}, "there is nothing"),
        ([torch.ones(2)], "holds a list, not a dictionary"),
        (torch.ones(2), r"holds a torch\._utils\._rebuild_tensor_v2, not a dictionary"),
        ({"model": {}}, "there is model"),
        ({1: torch.ones(2)}, "1 names a tensor; only text does"),
        ({"a": torch.ones(2), "b": "text"}, "'b' is a str, not a tensor"),
        ({"epoch": 3, "hyper_parameters": {}}, "no weights in `state_dict`"),
    ],
)
def test_torch_files_without_weights(tmp_path, content, sentence):
    path = tmp_path / "other.pt"
    torch.save(content, path)
    refused(path, sentence)
