import os
import re
from pathlib import Path

import pytest

from streamer.errors import AddressRefusedError, SourceAddressError, SourceFolderError
from streamer.source_file import FilePermit


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with a film, beside one that is nobody's business."""
    root = tmp_path / "films"
    for path in (root / "a.mp4", root / "more" / "b.mp4", tmp_path / "private" / "c.mp4"):
        path.parent.mkdir(exist_ok=True)
        path.touch()
    (root / "link.mp4").symlink_to(tmp_path / "private" / "c.mp4")
    (root / "inner.mp4").symlink_to(root / "a.mp4")
    (root / "folder").symlink_to(tmp_path / "private")
    return root


@pytest.mark.parametrize("name", ["a.mp4", "more/../a.mp4", "inner.mp4", "later.mp4", "more/*.mp4"])
def test_files_below_a_root_pass(root: Path, name: str):
    assert FilePermit((root,)).check(f"{root}/{name}") == os.path.normpath(root / name)


def test_a_relative_path_is_made_absolute(root: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(root)
    assert FilePermit((root,)).check("a.mp4") == str(root / "a.mp4")


@pytest.mark.parametrize(
    "name",
    [
        "../private/c.mp4",
        "link.mp4",
        "folder/c.mp4",
        "folder/../../private/c.mp4",
        "*.mp4",  # one of them is a link out
        "folder/*.mp4",
        "*/../../private/*.mp4",
        "../private/none*.mp4",
        "../films2/a.mp4",
        "/etc/hostname",
        "/dev/video0",
    ],
)
def test_what_lies_elsewhere_is_refused(root: Path, name: str):
    source = name if name.startswith("/") else f"{root}/{name}"
    with pytest.raises(AddressRefusedError, match=r"cameras\.file_roots"):
        FilePermit((root,)).check(source)


def test_a_root_may_be_a_link(root: Path, tmp_path: Path):
    (tmp_path / "alias").symlink_to(root)
    for name in (f"{tmp_path}/alias/a.mp4", f"{root}/a.mp4"):
        assert FilePermit((tmp_path / "alias",)).check(name) == name


def test_without_roots_no_file_is_read(root: Path):
    with pytest.raises(AddressRefusedError, match="reads none by name"):
        FilePermit(()).check(f"{root}/a.mp4")


def test_a_root_of_everything_holds_no_devices(root: Path):
    everything = FilePermit((Path("/"),))
    assert everything.check(f"{root}/a.mp4")
    with pytest.raises(AddressRefusedError):
        everything.check("/dev/null")


def test_declared_cameras_may_be_files_anywhere_and_devices(root: Path):
    anywhere = FilePermit(None)
    assert anywhere.check(f"{root}/link.mp4") == f"{root}/link.mp4"
    assert anywhere.check("/dev/null") == "/dev/null"
    assert anywhere.check("/dev/video99") == "/dev/video99"


def test_a_pipe_is_no_camera(root: Path):
    os.mkfifo(root / "pipe")
    with pytest.raises(SourceAddressError, match="neither a file nor a device"):
        FilePermit(None).check(f"{root}/pipe")
    with pytest.raises(AddressRefusedError):
        FilePermit((root,)).check(f"{root}/pipe")


@pytest.mark.parametrize("roots", [None, "root"])
def test_a_folder_is_no_camera(root: Path, roots: str | None):
    with pytest.raises(SourceFolderError, match=re.escape(f"{root}/more/*.mp4")):
        FilePermit(None if roots is None else (root,)).check(f"{root}/more")


@pytest.mark.parametrize("source", ["", "a\0b"])
def test_what_is_no_path(source: str):
    with pytest.raises(SourceAddressError):
        FilePermit(None).check(source)


def test_what_no_file_can_be_called_is_refused(tmp_path: Path):
    with pytest.raises(SourceAddressError, match="is no path to a video: file name too long"):
        FilePermit((tmp_path,)).check(str(tmp_path / ("a" * 400)))
