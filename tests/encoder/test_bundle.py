import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from encoder.bundle import (
    DEFAULT_BUNDLE,
    Bundle,
    bundle_folders,
    list_bundles,
    load_bundle,
    load_manifest,
    verify_files,
)
from encoder.errors import (
    BundleError,
    DamagedBundleError,
    ForeignSpaceError,
    ManifestError,
    UnknownBundleError,
)
from encoder.space import EmbeddingSpace
from tests.encoder.models import SPACE, make_bundle


def test_a_bundle_is_found_by_name_and_by_folder(bundle: Bundle) -> None:
    search = [bundle.folder.parent]
    assert load_bundle("tiny", search) == bundle
    assert load_bundle(bundle.folder, search) == bundle
    assert load_bundle(str(bundle.folder), []) == bundle
    assert bundle.space == SPACE
    assert bundle.name == "tiny"


def test_what_a_bundle_says_of_itself_needs_none_of_its_models(bundle: Bundle) -> None:
    for name in bundle.manifest.files:
        (bundle.folder / name).unlink()
    assert load_manifest("tiny", [bundle.folder.parent]) == bundle.manifest
    with pytest.raises(UnknownBundleError, match="'none-such'"):
        load_manifest("none-such", [bundle.folder.parent])


def test_roles_are_files(bundle: Bundle) -> None:
    assert bundle.path("video") == bundle.folder / "video.onnx"
    assert bundle.path("tokenizer") == bundle.folder / "tokenizer.json"
    with pytest.raises(BundleError, match="no file for 'detector'"):
        bundle.path("detector")


def test_an_unknown_bundle_is_answered_with_the_known_ones(bundle: Bundle) -> None:
    make_bundle(bundle.folder.parent / "other", "other")
    with pytest.raises(UnknownBundleError, match=r"'none-such'.*known bundles: other, tiny"):
        load_bundle("none-such", [bundle.folder.parent])
    with pytest.raises(UnknownBundleError, match="known bundles: none"):
        load_bundle("tiny", [])


def test_a_folder_without_manifest_is_no_bundle(tmp_path: Path) -> None:
    with pytest.raises(UnknownBundleError, match=r"holds no manifest\.json"):
        load_bundle(tmp_path, [])


@pytest.mark.parametrize("name", ["video.onnx", "text.onnx", "tokenizer.json"])
@pytest.mark.parametrize("place", [0, 0.5, 1])
def test_one_changed_byte_is_noticed_and_the_file_named(
    bundle: Bundle, name: str, place: float
) -> None:
    path = bundle.folder / name
    data = bytearray(path.read_bytes())
    data[int(place * (len(data) - 1))] ^= 1
    path.write_bytes(data)
    with pytest.raises(DamagedBundleError, match=f"{name} is damaged"):
        load_bundle(bundle.folder)


def test_a_longer_file_is_noticed(bundle: Bundle) -> None:
    with (bundle.folder / "text.onnx").open("ab") as file:
        file.write(b"\0")
    with pytest.raises(DamagedBundleError, match=r"text\.onnx is damaged"):
        load_bundle(bundle.folder)


def test_missing_and_extra_files_are_named(bundle: Bundle) -> None:
    (bundle.folder / "notes.txt").write_text("mine")
    with pytest.raises(DamagedBundleError, match=r"notes\.txt in .* is not in its manifest"):
        verify_files(bundle)
    (bundle.folder / "text.onnx").unlink()
    (bundle.folder / "video.onnx").unlink()
    with pytest.raises(DamagedBundleError, match=r"text\.onnx, video\.onnx in .* are missing"):
        load_bundle(bundle.folder)


def test_a_folder_in_place_of_a_file_is_refused(bundle: Bundle) -> None:
    (bundle.folder / "text.onnx").unlink()
    (bundle.folder / "text.onnx").mkdir()
    with pytest.raises(DamagedBundleError, match="is no file"):
        load_bundle(bundle.folder)


def test_a_foreign_space_is_refused(bundle: Bundle) -> None:
    bundle.require_space(SPACE.id)
    foreign: EmbeddingSpace = replace(SPACE, kernel="lanczos")
    with pytest.raises(ForeignSpaceError, match=f"{foreign.id}.*{SPACE.id}"):
        bundle.require_space(foreign.id)


def test_listing_survives_a_broken_bundle(bundle: Bundle) -> None:
    broken = bundle.folder.parent / "broken"
    shutil.copytree(bundle.folder, broken)
    (broken / "manifest.json").write_text("{")
    listed = {each.name: each for each in list_bundles([bundle.folder.parent, Path("/nowhere")])}
    assert sorted(listed) == ["broken", "tiny"]
    assert listed["tiny"].manifest == bundle.manifest
    assert "no manifest" in listed["broken"].problem
    with pytest.raises(ManifestError):
        load_bundle("broken", [bundle.folder.parent])


def test_the_first_folder_of_the_search_wins(bundle: Bundle, tmp_path: Path) -> None:
    second = make_bundle(tmp_path / "user" / "tiny")
    (listed,) = list_bundles([bundle.folder.parent, second.folder.parent])
    assert listed.folder == bundle.folder


def test_users_have_a_folder_of_their_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    make_bundle(tmp_path / "watchword" / "bundles" / "mine", "mine")
    assert bundle_folders()[1] == tmp_path / "watchword" / "bundles"
    assert load_bundle("mine").name == "mine"
    monkeypatch.delenv("XDG_DATA_HOME")
    assert bundle_folders()[1].parts[-4:-2] == (".local", "share")


def test_the_default_bundle_fits_its_budget(lite: Bundle) -> None:
    assert lite.name == DEFAULT_BUNDLE
    sizes = [entry.bytes for entry in lite.manifest.files.values()]
    assert sum(sizes) <= 72_000_000
    assert max(sizes) <= 48_000_000
    assert lite.space.dims == 512
    assert lite.manifest.sources
    assert lite.manifest.trained_on
    assert lite.manifest.limits
    for role in ("video", "text", "tokenizer", "detector", "gate_clip", "gate_query"):
        assert lite.path(role).is_file()


def test_one_changed_byte_in_a_copy_of_the_default_bundle(lite: Bundle, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(lite.folder, copy, copy_function=os.link)
    path = copy / "detector.onnx"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.unlink()  # a hard link: the original must stay as it is
    path.write_bytes(data)
    with pytest.raises(DamagedBundleError, match=r"detector\.onnx is damaged"):
        load_bundle(copy)
