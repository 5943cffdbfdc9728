"""What every test may ask for: the golden figures and footage, and systems outside Python.

`WATCHWORD_SHARED` names the folder of golden figures and footage (default: ../shared beside the
repository). `WATCHWORD_REQUIRE=kafka,ffmpeg` turns the skip of a missing system into a failure.
"""

import os
import shutil
import uuid
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.kafka_broker import KafkaBroker
from tests.postgres_server import PostgresServer, postgres_server

# How fast a machine is, no test asserts
settings.register_profile("untimed", deadline=None, print_blob=True)
settings.load_profile("untimed")

ROOT = Path(__file__).resolve().parents[1]

# kafka-python leaves a socket whose connection was never made to the garbage collector
NEVER_CONNECTED = r"unclosed <socket\.socket (?!.*raddr).* proto=6"


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("filterwarnings", f"ignore:{NEVER_CONNECTED}:ResourceWarning")
    warnings.filterwarnings("ignore", NEVER_CONNECTED, ResourceWarning)  # after the last test
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


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaBroker]:
    """One Kafka broker for the whole run: name topics apart with `topic_prefix`, leave it up."""
    with KafkaBroker(tmp_path_factory.mktemp("kafka")) as broker:
        yield broker


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """One PostgreSQL server for the whole run: make databases in it, leave it up."""
    with postgres_server() as server:
        yield server


@pytest.fixture
def topic_prefix() -> str:
    """What no other test's topics and groups begin with."""
    return f"t{uuid.uuid4().hex[:12]}."
