"""kill -9 of each part and of the broker: what was told is what an undisturbed run tells."""

from pathlib import Path

import pytest

from tests.e2e.chaos import check, scene
from tests.kafka_broker import KafkaBroker

pytestmark = pytest.mark.timeout(900)  # several waits, each of which may be long


def test_each_is_killed_once(tmp_path: Path, colours: Path) -> None:
    with (
        KafkaBroker(tmp_path / "broker") as broker,
        scene(tmp_path, colours, broker.bootstrap_servers) as watched,
    ):
        for name in ("mind", "api", "eyes"):
            watched.kill(name)
            watched.rest(1, 3)
        watched.kill(broker=broker)
        watched.rest(6, 8)
        account = watched.end()
    assert not account.dead_letters
    check(account)
