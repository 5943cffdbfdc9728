"""What happens to a Watchword on Kafka in a bad night, by a schedule that a seed chooses.

`make test-slow` runs it, and prints how long each recovery took.
"""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from deploy.errors import BenchError
from encoder.record import pack_embedding, unpack_embedding
from streamer.bus import DEAD_LETTERS, EMBEDDINGS, Message
from streamer.trials import TRIES
from tests.e2e.accounts import Account, open_account, whole
from tests.e2e.chaos import Scene, check, scene
from tests.e2e.deadly import DEADLY, deadly_path
from tests.e2e.serving import wait_for
from tests.kafka_broker import KafkaBroker, KafkaCluster
from tests.small_disk import small_disk

pytestmark = pytest.mark.slow

ROUNDS = 8
PAUSE_SECONDS = 60.0
MOST_DEATHS = 8  # the first ones may take others with them that are in flight
DISK_MEGABYTES = 256  # room for an undisturbed run
NO_SPACE = "No space left on device"
TWO_MINDS = {
    "eyes": "streamer,encoder",
    "mind": "grounding",
    "mind2": "grounding",
    "api": "api",
}
Begin = Callable[..., AbstractContextManager[Scene]]
Close = Callable[[Scene], Account]


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[KafkaBroker]:
    with KafkaBroker(tmp_path / "broker") as broker:
        yield broker


@pytest.fixture
def begin(tmp_path: Path, colours: Path, broker: KafkaBroker) -> Begin:
    def begin(**processes: str) -> AbstractContextManager[Scene]:
        return scene(tmp_path, colours, broker.bootstrap_servers, **processes)

    return begin


def foreign(value: bytes) -> bytes:
    """The embedding, in a space that nobody knows."""
    return pack_embedding(replace(unpack_embedding(value), space_id="of another bundle"))


@pytest.fixture
def close(capsys: pytest.CaptureFixture[str]) -> Close:
    """Gives the account, once it adds up; tells how long each recovery took."""

    def close(watched: Scene) -> Account:
        watched.rest(10, 15)
        account = watched.end()
        check(account)
        with capsys.disabled():
            sys.stdout.writelines(f"\n{told}" for told in watched.recovered)
        return account

    return close


def test_kills_one_at_a_time_and_together(begin: Begin, close: Close, broker: KafkaBroker) -> None:
    with begin() as watched:
        for _ in range(ROUNDS):
            killed = watched.chance.sample(["eyes", "mind", "api"], watched.chance.randint(0, 3))
            with_broker = not killed or watched.chance.random() < 0.3
            watched.kill(*killed, broker=broker if with_broker else None)
            watched.rest(1, 6)
        assert not close(watched).dead_letters


def test_a_broker_that_is_paused(begin: Begin, close: Close, broker: KafkaBroker) -> None:
    with begin() as watched:
        at = time.time()
        broker.pause()
        watched.rest(PAUSE_SECONDS, PAUSE_SECONDS)
        broker.resume()
        watched.recover(f"a pause of the broker of {PAUSE_SECONDS:g} s", at)
        assert not close(watched).dead_letters


def test_a_rebalance_every_few_seconds(begin: Begin, close: Close) -> None:
    with begin(**TWO_MINDS) as watched:
        for _ in range(ROUNDS):
            mind = watched.chance.choice(["mind", "mind2"])
            if watched.chance.random() < 0.5:
                watched.split[mind].kill()
            else:
                assert watched.split[mind].end() == 0
            watched.rest(1, 4)
            watched.split[mind].start()
            watched.rest(1, 4)
        watched.recover("the last rebalance", time.time())
        assert not close(watched).dead_letters


def test_records_that_nobody_can_evaluate(begin: Begin, close: Close) -> None:
    with begin() as watched:
        with closing(open_account(watched.split.api.config)) as bus:
            good = next(iter(bus.subscribe(EMBEDDINGS.name).poll(30.0, 1)))
            bus.publish(Message(EMBEDDINGS.name, "door", b"of another product"))
            bus.publish(Message(EMBEDDINGS.name, "door", foreign(good.value or b"")))
        watched.recover("records that nobody can evaluate", time.time())
        watched.kill("mind")
        account = close(watched)
    assert [dict(one.headers)["error"] for one in account.dead_letters] == [
        b"EmbeddingRecordError",
        b"ForeignSpaceError",
    ]


def test_a_record_that_nobody_outlives(
    begin: Begin, close: Close, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is put aside once it has ended three processes alone, and nothing around it is lost."""
    monkeypatch.setenv("PYTHONPATH", deadly_path(tmp_path / "deadly"))
    with begin() as watched:
        with closing(open_account(watched.split.api.config)) as bus:
            at = time.time()
            bus.publish(Message(EMBEDDINGS.name, "door", DEADLY))
            mind, deaths = watched.split["mind"], 0
            while not list(whole(bus, DEAD_LETTERS)):
                if mind.process.poll() is not None:
                    deaths += 1
                    assert deaths <= MOST_DEATHS
                    mind.kill()
                    with suppress(BenchError):  # it may die before it says where it serves
                        mind.start()
                watched.rest(0.1, 0.2)
        watched.recover(f"a record of which {deaths} processes died", at)
        watched.kill("mind")  # who rewinds beyond it does not try it again
        account = close(watched)
    assert deaths >= TRIES
    (letter,) = account.dead_letters
    assert letter.value == DEADLY
    headers = dict(letter.headers)
    assert (headers["error"], int(headers["attempt"])) == (b"PoisonRecordError", TRIES)


@pytest.mark.parametrize("seconds", [5.0, 25.0])  # less and more than until its group goes on
def test_a_reader_that_stands_still(begin: Begin, close: Close, seconds: float) -> None:
    with begin(**TWO_MINDS) as watched:
        at = time.time()
        for mind in ("mind", "mind2"):
            watched.split[mind].pause()
            watched.rest(seconds, seconds)
            watched.split[mind].resume()
        watched.recover(f"grounding workers that stood still for {seconds:g} s", at)
        assert not close(watched).dead_letters


def test_a_disk_that_is_full(tmp_path: Path, colours: Path, close: Close) -> None:
    """A broker gives up its only disk when a write is refused, and the two others go on.

    Not a broker that is alone: Apache Kafka 4.3, started again with a transaction that is over its
    timeout, may end that without markers ("these partitions are likely deleted already and hence
    can be skipped"). Who reads what it had written then waits until somebody ends it by hand.
    """
    folder = tmp_path / "brokers"
    with (
        small_disk(folder / "broker-1" / "data", DISK_MEGABYTES) as disk,
        KafkaCluster(folder) as cluster,
        scene(tmp_path, colours, cluster.bootstrap_servers) as watched,
    ):
        at, broker = time.time(), cluster.brokers[0]
        disk.fill()
        wait_for(lambda: NO_SPACE in broker.log.read_text(errors="replace"), about=NO_SPACE)
        watched.recover("a full disk of one broker of three", at)
        watched.rest(15, 15)
        disk.free()
        at = time.time()
        broker.restart()
        watched.recover("the start of the broker whose disk was full", at)
        assert not close(watched).dead_letters


def test_one_broker_of_three_is_lost(tmp_path: Path, colours: Path, close: Close) -> None:
    with KafkaCluster(tmp_path / "brokers") as cluster:
        servers = cluster.bootstrap_servers
        with scene(tmp_path, colours, servers) as watched:
            for broker in cluster.brokers:
                at = time.time()
                broker.kill()
                watched.recover("kill -9 of one broker of three", at)
                watched.rest(3, 6)
                broker.restart()
                watched.rest(10, 12)  # its copies catch up
            assert not close(watched).dead_letters
