"""More workers of every kind share the cameras, and take over from one that is gone.

Two streamers, two encoders, two grounding workers and two api processes, with PostgreSQL between
the latter. It prints how long each takeover took.
"""

import sys
from pathlib import Path

import pytest

from tests.e2e.chaos import check, scene
from tests.kafka_broker import KafkaBroker
from tests.postgres_server import PostgresServer

pytestmark = pytest.mark.slow

CAMERAS = ("gate", "dock", "door", "yard", "shop", "roof")  # some of each partition
FIRST = {"eye": "streamer", "tower": "encoder", "mind": "grounding", "api": "api"}


def test_each_kind_gains_a_worker_and_loses_one(
    tmp_path: Path, colours: Path, postgres: PostgresServer, capsys: pytest.CaptureFixture[str]
) -> None:
    with (
        postgres.database() as name,
        KafkaBroker(tmp_path / "broker") as broker,
        scene(
            tmp_path,
            colours,
            broker.bootstrap_servers,
            cameras=CAMERAS,
            store=postgres.url(name),
            **FIRST,
        ) as watched,
    ):
        for first, part in FIRST.items():
            watched.join(f"{first}2", part)
        for first in FIRST:
            watched.lose(first)
            watched.rest(3, 6)
        watched.rest(10, 15)
        account = watched.end()
        with capsys.disabled():
            sys.stdout.writelines(f"\n{told}" for told in watched.recovered)
    assert account.clips.keys() == set(CAMERAS)
    assert not account.dead_letters
    check(account)
