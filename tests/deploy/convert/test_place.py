import os
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path

import pytest

from deploy.convert import place
from deploy.convert.place import require_free, require_space, written_whole
from deploy.errors import UsageError


def test_a_folder_appears_whole(tmp_path: Path) -> None:
    out = tmp_path / "new" / "bundle"
    with written_whole(out) as folder:
        (folder / "video.onnx").write_text("weights")
        assert folder.parent == out.parent
        assert not out.exists()
    assert [path.name for path in out.iterdir()] == ["video.onnx"]
    assert out.stat().st_mode & 0o777 == 0o755
    assert os.listdir(out.parent) == ["bundle"]


def write(out: Path, then: Callable[[], object]) -> None:
    """A bundle of one file, during whose making `then` happens."""
    with written_whole(out) as folder:
        (folder / "video.onnx").write_text("mine")
        then()


def test_a_folder_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def fail() -> None:
        raise RuntimeError("the export failed")

    with pytest.raises(RuntimeError):
        write(tmp_path / "bundle", fail)
    assert list(tmp_path.iterdir()) == []


def test_what_somebody_else_put_there_meanwhile_stays(tmp_path: Path) -> None:
    out = tmp_path / "bundle"

    def be_faster() -> None:
        out.mkdir()
        (out / "video.onnx").write_text("theirs")

    with pytest.raises(UsageError, match="is there already"):
        write(out, be_faster)
    assert (out / "video.onnx").read_text() == "theirs"
    assert os.listdir(tmp_path) == ["bundle"]


def test_a_disk_that_fills_up_while_writing_is_said(tmp_path: Path) -> None:
    def fill() -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(UsageError, match="cannot be written: No space left"):
        write(tmp_path / "bundle", fill)
    assert list(tmp_path.iterdir()) == []


def test_an_empty_folder_is_free_and_nothing_else(tmp_path: Path) -> None:
    require_free(tmp_path / "none")
    (tmp_path / "empty").mkdir()
    require_free(tmp_path / "empty")
    (tmp_path / "link").symlink_to(tmp_path / "empty")
    (tmp_path / "broken").symlink_to(tmp_path / "nowhere")
    (tmp_path / "file").touch()
    for taken in ("link", "broken", "file", "."):
        with pytest.raises(UsageError, match="is there already"):
            require_free(tmp_path / taken)


def test_the_space_needed_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    asked = []

    def disk_usage(path: Path) -> usage:
        asked.append(path)
        return usage(10**12, 0, 4 * 10**9)

    monkeypatch.setattr(place.shutil, "disk_usage", disk_usage)
    require_space(tmp_path / "a" / "b", 3_800_000_000)
    with pytest.raises(UsageError, match=r"needs 7\.9 GB and the disk of .* has 4\.0 GB"):
        require_space(tmp_path / "a" / "b", 7_500_000_000)
    assert set(asked) == {tmp_path}
