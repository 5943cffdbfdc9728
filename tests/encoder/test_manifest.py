import json
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from encoder.bundle import Bundle
from encoder.errors import ManifestError
from encoder.manifest import SpaceEntry, read_manifest, sha256_of, write_manifest
from encoder.space import EmbeddingSpace
from tests.encoder.models import SPACE, manifest

unit = st.floats(0.001, 1, allow_nan=False)
spaces = st.builds(
    EmbeddingSpace,
    model=st.text("abcdefgh-2", min_size=1),
    dims=st.integers(1, 4096),
    clip_seconds=st.just(2.0),
    frames_per_clip=st.integers(1, 32),
    width=st.integers(1, 4096),
    height=st.integers(1, 4096),
    kernel=st.sampled_from(["area", "bicubic", "bicubic-unfiltered"]),
    instants=st.sampled_from(["middles", "starts"]),
    mean=st.tuples(unit, unit, unit),
    std=st.tuples(unit, unit, unit),
)


def edit(folder: Path, **changes: object) -> None:
    path = folder / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@given(spaces)
def test_a_space_survives_the_manifest_with_its_id(space: EmbeddingSpace) -> None:
    entry = msgspec.json.decode(msgspec.json.encode(SpaceEntry.of(space)), type=SpaceEntry)
    assert entry.space == space
    assert entry.id == space.id


def test_what_was_written_is_read(tmp_path: Path) -> None:
    (tmp_path / "video.onnx").write_bytes(b"weights")
    (tmp_path / "README.md").write_bytes(b"card")
    written = write_manifest(tmp_path, manifest(), {"video.onnx": "fp16"})
    assert read_manifest(tmp_path) == written
    assert written.files["video.onnx"].sha256 == sha256_of(tmp_path / "video.onnx")
    assert {name: entry.precision for name, entry in written.files.items()} == {
        "README.md": "none",
        "video.onnx": "fp16",
    }
    assert written.files["README.md"].bytes == 4


def test_writing_again_forgets_files_that_are_gone(tmp_path: Path) -> None:
    (tmp_path / "old.onnx").write_bytes(b"1")
    first = write_manifest(tmp_path, manifest())
    (tmp_path / "old.onnx").unlink()
    assert write_manifest(tmp_path, first).files == {}
    assert [path.name for path in tmp_path.parent.glob("*.partial")] == []


def test_a_missing_manifest_is_named(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"manifest\.json cannot be read"):
        read_manifest(tmp_path)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"colour": "red"}, "colour"),
        ({"version": 3}, r"\$\.version"),
        ({"schema": 2}, r"\$\.schema"),
        ({"name": "../up"}, "cannot name a bundle"),
        ({"limits": None}, r"\$\.limits"),
        ({"files": {"a.onnx": {"sha256": "0", "bytes": 1, "precision": "fp4"}}}, "precision"),
    ],
)
def test_an_unfit_manifest_is_refused_by_key(
    bundle: Bundle, changes: dict[str, object], named: str
) -> None:
    edit(bundle.folder, **changes)
    with pytest.raises(ManifestError, match=named):
        read_manifest(bundle.folder)


@pytest.mark.parametrize(
    "name",
    ["../video.onnx", "/etc/passwd", "a/b.onnx", "..", ".hidden", "", "a\\b", "manifest.json"],
)
def test_files_outside_the_folder_cannot_be_named(bundle: Bundle, name: str) -> None:
    edit(bundle.folder, files={name: {"sha256": "0", "bytes": 1, "precision": "none"}})
    with pytest.raises(ManifestError, match="not allowed"):
        read_manifest(bundle.folder)


def test_an_edited_space_is_noticed(bundle: Bundle) -> None:
    entry = msgspec.structs.asdict(SpaceEntry.of(SPACE)) | {"kernel": "bicubic"}
    edit(bundle.folder, space=entry)
    other = replace(SPACE, kernel="bicubic")
    with pytest.raises(ManifestError, match=other.id):
        read_manifest(bundle.folder)


def test_where_frames_are_taken_is_part_of_a_space_and_older_ids_stay() -> None:
    assert replace(SPACE, instants="starts").id != SPACE.id
    assert SPACE.id == "tiny-8d-c9d606a5"


def test_a_kernel_that_nobody_knows_is_refused(bundle: Bundle) -> None:
    other = replace(SPACE, kernel="nearest")
    fields = {name: getattr(other, name) for name in SpaceEntry.__struct_fields__ if name != "id"}
    edit(bundle.folder, space=fields | {"id": other.id})
    with pytest.raises(ManifestError, match="'nearest': there are area, bilinear"):
        read_manifest(bundle.folder)


def test_half_a_manifest_is_refused(bundle: Bundle) -> None:
    path = bundle.folder / "manifest.json"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ManifestError, match="no manifest"):
        read_manifest(bundle.folder)
