"""One Watchword in several processes with a real Kafka broker between them."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from deploy.cli.errors import exit_code
from deploy.serve import serve
from deploy.settings import load_settings
from streamer.bus import CLIPS
from streamer.errors import TopicPolicyError
from streamer.kafka_options import KafkaOptions
from streamer.record import unpack_clip
from tests.conftest import ROOT
from tests.e2e.accounts import open_account, whole
from tests.e2e.colour_bundle import SPACE
from tests.e2e.conftest import watchword
from tests.e2e.media import GREY, RED, write_video
from tests.e2e.serving import PATIENCE, Split, wait_for
from tests.kafka_broker import KafkaBroker
from tests.ports import free_ports

PARTITIONS = 4
PATHS = filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(PATHS)}
Settings = dict[str, Any]

pytestmark = pytest.mark.timeout(900)  # several waits, each of which may be long


@pytest.fixture
def settings(kafka: KafkaBroker, topic_prefix: str, colours: Path) -> Settings:
    servers = ",".join(kafka.bootstrap_servers)
    return {
        "bundle": str(colours),
        "kafka": {
            "bootstrap_servers": servers,
            "topic_prefix": topic_prefix,
            "partitions": PARTITIONS,
        },
    }


@pytest.fixture
def split(tmp_path: Path, settings: Settings) -> Iterator[Callable[..., Split]]:
    started: list[Split] = []

    def start(**processes: str) -> Split:
        started.append(Split(tmp_path, settings, **processes))
        return started[-1]

    yield start
    for one in started:
        one.close()


CLIPS_LAG = 'watchword_bus_lag_records{topic="watchword.clips.v1"}'
EMBEDDINGS_LAG = 'watchword_bus_lag_records{topic="watchword.embeddings.v1"}'


def film_told(server: Split, film: Path) -> dict[str, Any]:
    """The one alert of a camera that shows the film, once it is closed and was told once."""
    write_video(film, [(GREY, 2), (RED, 4), (GREY, 60)])
    server.wait_until_ready()
    query = server.api.add_query("red")
    wait_for(lambda: server.api.get(f"queries/{query['id']}")["state"] == "armed")
    follower = server.api.follow()
    server.api.add_camera("yard", film.name)
    wait_for(lambda: follower.events and follower.events[-1]["state"] == "closed")

    (alert,) = server.api.alerts()
    assert (alert["query_id"], alert["camera_id"]) == (query["id"], "yard")
    history = server.api.get(f"alerts/{alert['id']}")["history"]
    assert follower.ids == [f"{alert['id']}.{event['revision']}" for event in history]
    assert history[0]["state"] == "opened"
    assert server.api.get("cameras/yard")["health"]["state"] in {"live", "ended"}
    return alert


def test_an_event_is_told_once_through_three_processes(split, tmp_path: Path) -> None:
    server = split(eyes="streamer,encoder", mind="grounding", api="api")
    film_told(server, tmp_path / "film.mp4")

    # Each process tells of itself, and serves nothing that is another's
    clips = server["eyes"].metric("watchword_clips_total", camera="yard", outcome="ok")
    assert clips > 0
    assert EMBEDDINGS_LAG in server["mind"].http.get("/metrics").text
    assert EMBEDDINGS_LAG not in server["api"].http.get("/metrics").text
    assert server["mind"].http.get("/v1/cameras").status_code == 404
    assert server["eyes"].http.get("/healthz/live").json() == {"status": "live"}
    assert server.end() == {"eyes": 0, "mind": 0, "api": 0}


def test_clips_travel_as_jpegs_between_four_processes(split, tmp_path: Path) -> None:
    server = split(eye="streamer", tower="encoder", mind="grounding", api="api")
    alert = film_told(server, tmp_path / "film.mp4")
    seconds = datetime.fromisoformat(alert["end"]) - datetime.fromisoformat(alert["start"])
    assert seconds.total_seconds() == pytest.approx(4.0, abs=2.0)  # red, within one clip

    with closing(open_account(server.api.config, (CLIPS,))) as bus:
        clips = [unpack_clip(one.value or b"") for one in whole(bus, CLIPS)]
        ways = {msgspec.msgpack.decode(one.value)["travels"] for one in whole(bus, CLIPS)}
    assert ways == {"jpeg"}
    assert {one.index for one in clips} >= {0, 1, 2}
    assert all(one.frames.shape[1:3] == (SPACE.height, SPACE.width) for one in clips)
    assert CLIPS_LAG in server["tower"].http.get("/metrics").text
    assert CLIPS_LAG not in server["eye"].http.get("/metrics").text
    assert server.end() == {"eye": 0, "tower": 0, "mind": 0, "api": 0}


# What cannot be served


def written(folder: Path, settings: Settings) -> Path:
    """The settings as a file."""
    config = folder / "serve.yml"
    config.write_text(yaml.safe_dump({"server": {"port": 0}, **settings}), encoding="utf-8")
    return config


def started(folder: Path, settings: Settings, only: str) -> "subprocess.Popen[str]":
    """A process of its own, as a user would start it."""
    words = ["serve", "--config", str(written(folder, settings)), "--only", only]
    return subprocess.Popen(
        [sys.executable, "-m", "deploy", *words],
        cwd=folder,
        env=ENVIRONMENT,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture
def nowhere(colours: Path) -> Settings:
    """A broker's address at which nobody listens."""
    address = f"127.0.0.1:{free_ports(1)[0]}"
    kafka = {"bootstrap_servers": address, "start_timeout_seconds": 3}
    return {"bundle": str(colours), "kafka": kafka}


def test_no_broker(nowhere: Settings, tmp_path: Path) -> None:
    with started(tmp_path, nowhere, "grounding") as process:
        _, said = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1
    assert "Waiting for Kafka" in said
    last = said.splitlines()[-1]
    assert last.startswith("watchword: No Kafka broker")
    assert nowhere["kafka"]["bootstrap_servers"] in last
    assert "Gave up after 3 s" in last


def test_told_to_end_while_no_broker_answers(nowhere: Settings, tmp_path: Path) -> None:
    nowhere["kafka"]["start_timeout_seconds"] = PATIENCE
    with started(tmp_path, nowhere, "streamer") as process:
        assert process.stderr is not None
        assert any("Waiting for Kafka" in line for line in process.stderr)
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0
        assert "Traceback" not in process.stderr.read()


def test_topics_of_other_partitions(settings: Settings, tmp_path: Path) -> None:
    from streamer.kafka_bus import KafkaBus

    section = settings["kafka"]
    servers, prefix = tuple(section["bootstrap_servers"].split(",")), section["topic_prefix"]
    made = KafkaBus(KafkaOptions(bootstrap_servers=servers, topic_prefix=prefix, partitions=2))
    made.connect()
    made.close()
    config = load_settings(written(tmp_path, settings), {})
    with pytest.raises(TopicPolicyError) as refused:
        serve(config, threading.Event(), ("grounding",))
    said = str(refused.value)
    assert f"Topic '{prefix}watchword.embeddings.v1' has 2 partitions" in said
    assert f"kafka.partitions says {PARTITIONS}" in said
    assert exit_code(refused.value) == 2


def test_an_unknown_part(nowhere: Settings, tmp_path: Path) -> None:
    config = written(tmp_path, nowhere)
    done = watchword("serve", "--config", config, "--only", "grounding,brain")
    assert done.code == 2
    assert "streamer, encoder, grounding, api" in done.err


def test_credentials_that_no_protocol_would_send(nowhere: Settings, tmp_path: Path) -> None:
    nowhere["kafka"]["username"] = "watchword"
    done = watchword("serve", "--config", written(tmp_path, nowhere), "--only", "grounding")
    assert done.code == 2
    assert "security_protocol PLAINTEXT never sends" in done.err
