from pathlib import Path

import pytest
from hypothesis import settings

from encoder.bundle import Bundle, load_bundle
from tests.encoder.models import make_bundle

# How fast a machine is, no test asserts
settings.register_profile("unhurried", deadline=None, print_blob=True)
settings.load_profile("unhurried")


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return make_bundle(tmp_path / "bundles" / "tiny")


@pytest.fixture(scope="session")
def lite(repository: Path) -> Bundle:
    """The bundle that ships with the package."""
    folder = repository / "encoder" / "bundles" / "watchword-lite"
    if not (folder / "manifest.json").is_file():
        pytest.skip(f"{folder} holds no bundle yet")
    return load_bundle(folder)
