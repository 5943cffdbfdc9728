"""What every test may ask for: the golden figures and footage, and systems outside Python.

`WATCHWORD_SHARED` names the folder of golden figures and footage (default: ../shared beside the
repository). `WATCHWORD_REQUIRE=kafka,ffmpeg` turns the skip of a missing system into a failure.
"""

import os
import shutil
from pathlib import Path

import pytest
from hypothesis import settings

# How fast a machine is, no test asserts
settings.register_profile("untimed", deadline=None, print_blob=True)
settings.load_profile("untimed")

ROOT = Path(__file__).resolve().parents[1]


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "needs(system): wants a system outside Python, e.g. ffmpeg")


def pytest_runtest_setup(item: pytest.Item) -> None:
    required = os.environ.get("WATCHWORD_REQUIRE", "").split(",")
    for marker in item.iter_markers("needs"):
        (system,) = marker.args
        if shutil.which(system):
            continue
        if system in required:
            pytest.fail(f"{system} is not on PATH and WATCHWORD_REQUIRE names it", pytrace=False)
        pytest.skip(f"{system} is not on PATH")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of golden figures and footage; a test that takes it is skipped without."""
    folder = (ROOT / os.environ.get("WATCHWORD_SHARED", "../shared")).resolve()
    if not folder.is_dir():
        pytest.skip(f"{folder} does not exist: set WATCHWORD_SHARED")
    return folder


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the repository."""
    return ROOT
