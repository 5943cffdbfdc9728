"""A broker that dies, hangs or gives partitions away: nothing is lost or said twice."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from streamer import kafka_reader
from streamer.bus import Message, Position, Topic
from streamer.errors import BusClosedError, CommitLostError
from streamer.kafka_bus import KafkaBus
from streamer.kafka_options import KafkaOptions
from tests.kafka_broker import KafkaBroker

IN = Topic("test.in")
OUT = Topic("test.out")
LIVE = Topic("test.live", capacity=4)
PARTITIONS = 4
RECORDS = 60


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[KafkaBroker]:
    with KafkaBroker(tmp_path / "broker") as broker:
        yield broker


def make_bus(broker: KafkaBroker, **changed: object) -> KafkaBus:
    options = {
        "bootstrap_servers": broker.bootstrap_servers,
        "partitions": PARTITIONS,
        "session_timeout_seconds": 6.0,
        "transaction_timeout_seconds": 5.0,
    }
    return KafkaBus(KafkaOptions(**{**options, **changed}), (IN, OUT, LIVE))


class Worker:
    """Copies IN to OUT in transactions, one record at a time, and begins anew where it must."""

    def __init__(self, bus: KafkaBus) -> None:
        self.bus = bus
        self.lost = 0
        self.error: BaseException | None = None
        self.done = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def join(self) -> None:
        self.done.wait(120)
        self.bus.close()
        self._thread.join()
        assert self.error is None or isinstance(self.error, BusClosedError)

    def _run(self) -> None:
        try:
            while not self.done.is_set():
                self._copy()
        except BaseException as error:  # noqa: BLE001 - raised again by the test
            self.error = error
            self.done.set()

    def _copy(self) -> None:
        reader = self.bus.subscribe(IN.name, "copy")
        try:
            while not self.done.is_set():
                for record in reader.poll(0.2, 1):
                    reader.commit(
                        [Message(OUT.name, record.key, record.value)],
                        {record.partition: Position(record.offset + 1)},
                    )
        except CommitLostError:
            self.lost += 1
        finally:
            reader.close()


def read_all(bus: KafkaBus, wanted: int) -> list[str]:
    """What is on OUT once it holds so much, in the order of each key."""
    reader = bus.subscribe(OUT.name)
    values: list[str] = []
    while len(values) < wanted or not reader.caught_up:
        values += [(record.value or b"").decode() for record in reader.poll(1.0)]
    values += [(record.value or b"").decode() for record in reader.poll(1.0)]
    return values


def disturb(broker: KafkaBroker, fault: Callable[[], None]) -> Worker:
    """Copies records while something happens to the broker; the worker that did."""
    bus = make_bus(broker)
    worker = Worker(make_bus(broker))
    for i in range(RECORDS // 2):
        bus.publish(Message(IN.name, f"k{i % 7}", str(i).encode()))
    fault()
    for i in range(RECORDS // 2, RECORDS):
        bus.publish(Message(IN.name, f"k{i % 7}", str(i).encode()))
    assert sorted(read_all(bus, RECORDS), key=int) == [str(i) for i in range(RECORDS)]
    bus.close()
    worker.done.set()
    worker.join()
    return worker


def test_a_broker_that_is_killed_and_comes_back_loses_and_repeats_nothing(broker: KafkaBroker):
    disturb(broker, broker.restart)


def test_a_broker_that_hangs_for_longer_than_transactions_live(broker: KafkaBroker):
    def hang() -> None:
        broker.pause()
        threading.Event().wait(8)
        broker.resume()

    disturb(broker, hang)


def test_a_group_is_settled_no_more_once_no_broker_is_there(
    broker: KafkaBroker, monkeypatch: pytest.MonkeyPatch
):
    """Long before its session ends: until then the group itself takes its members for settled."""
    monkeypatch.setattr(kafka_reader, "SILENT_SECONDS", 1.0)
    bus = make_bus(broker, session_timeout_seconds=600.0)
    reader = bus.subscribe(IN.name, "copy")

    def wait_until(settled: bool) -> None:
        deadline = time.monotonic() + 120
        while reader.settled != settled:
            assert time.monotonic() < deadline
            reader.poll(0.05)

    wait_until(True)
    for fault, repair in ((broker.kill, broker.restart), (broker.pause, broker.resume)):
        fault()
        wait_until(False)
        repair()
        wait_until(True)
    bus.close()
