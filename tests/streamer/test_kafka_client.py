"""What is said where there is no broker, an old one, or one that refuses."""

import logging
import socket
import struct
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from streamer import kafka_bus, kafka_settings
from streamer.bus import Message, Topic
from streamer.errors import (
    BusAccessError,
    BusClosedError,
    BusError,
    BusUnreachableError,
    CommitLostError,
)
from streamer.kafka_bus import KafkaBus
from streamer.kafka_client import foreign, ours, translated
from streamer.kafka_options import KafkaOptions
from tests.kafka_broker import KafkaBroker
from tests.ports import free_ports

TOPIC = Topic("test.topic")
OPTIONS = KafkaOptions(bootstrap_servers=("one:9092", "two:9092"), username="watchword")


@pytest.fixture
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kafka_settings, "ATTEMPT_SECONDS", 0.1)


def nowhere(seconds: float) -> KafkaOptions:
    (port,) = free_ports(1)
    return KafkaOptions(
        bootstrap_servers=(f"localhost:{port}",), start_timeout_seconds=seconds, partitions=1
    )


# -- no broker ----------------------------------------------------------------------------------


@pytest.mark.usefixtures("_quick")
def test_without_a_broker_it_says_so_waits_and_gives_up(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setattr(kafka_bus, "SAY_SECONDS", 0.0)
    options = nowhere(0.5)
    bus = KafkaBus(options, [TOPIC])
    with caplog.at_level(logging.WARNING), pytest.raises(BusUnreachableError) as given_up:
        bus.connect()
    bus.close()
    (server,) = options.bootstrap_servers
    assert f"No Kafka broker at {server} was there to be connected to" in str(given_up.value)
    assert "ECONNREFUSED" in str(given_up.value)
    assert str(given_up.value).endswith("Gave up after 0.5 s.")
    waited = [r.getMessage() for r in caplog.records if r.name == "streamer.kafka_bus"]
    assert waited
    assert all(said.startswith("Waiting for Kafka: No Kafka broker at") for said in waited)


@pytest.mark.usefixtures("_quick")
def test_who_waits_for_a_broker_can_be_told_to_stop(monkeypatch: pytest.MonkeyPatch):
    waiting = threading.Event()
    monkeypatch.setattr(kafka_bus._log, "warning", lambda *_: waiting.set())
    bus = KafkaBus(nowhere(300.0), [TOPIC])
    raised: list[BaseException] = []

    def connect() -> None:
        try:
            bus.connect()
        except BusError as error:
            raised.append(error)

    thread = threading.Thread(target=connect)
    thread.start()
    assert waiting.wait(30)
    bus.close()
    thread.join(30)
    assert [type(error) for error in raised] == [BusClosedError]


def test_a_broker_that_comes_later_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    # A broker that has only just started takes its time for the first answers
    monkeypatch.setattr(kafka_settings, "ATTEMPT_SECONDS", 1.0)
    waiting = threading.Event()
    monkeypatch.setattr(kafka_bus._log, "warning", lambda *_: waiting.set())
    broker = KafkaBroker(tmp_path / "broker")
    bus = KafkaBus(
        KafkaOptions(
            bootstrap_servers=broker.bootstrap_servers, partitions=1, start_timeout_seconds=240.0
        ),
        [TOPIC],
    )
    publishing = threading.Thread(target=bus.publish, args=(Message(TOPIC.name, "k", b"v"),))
    publishing.start()
    try:
        assert waiting.wait(30)
        broker.restart()  # on the ports that the bus was told
        publishing.join(180)
        assert not publishing.is_alive()
    finally:
        bus.close()
        broker.close()


# -- an old broker ------------------------------------------------------------------------------


class OldBroker:
    """Says of itself what a Kafka of long ago would, and answers nothing else."""

    VERSIONS = ((0, 0, 2), (1, 0, 2), (2, 0, 1), (3, 0, 1), (18, 0, 0))  # request, from, to

    def __init__(self) -> None:
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._server.getsockname()[1])
        self._threads = [threading.Thread(target=self._listen, daemon=True)]
        self._threads[0].start()

    def close(self) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        for thread in self._threads:
            thread.join(10)

    def _listen(self) -> None:
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            self._threads.append(threading.Thread(target=self._serve, args=(client,), daemon=True))
            self._threads[-1].start()

    def _serve(self, client: socket.socket) -> None:
        with client:
            while len(head := client.recv(4, socket.MSG_WAITALL)) == 4:
                request = client.recv(struct.unpack(">i", head)[0], socket.MSG_WAITALL)
                kind, version, number = struct.unpack_from(">hhi", request)
                answer = struct.pack(">i", number) + self._answer(kind, version)
                client.sendall(struct.pack(">i", len(answer)) + answer)

    def _answer(self, kind: int, version: int) -> bytes:
        if kind == 18 and version > 0:
            return struct.pack(">hi", 35, 0)  # UNSUPPORTED_VERSION, as version 0 says it
        if kind == 18:
            versions = b"".join(struct.pack(">hhh", *each) for each in self.VERSIONS)
            return struct.pack(">hi", 0, len(self.VERSIONS)) + versions
        host = b"127.0.0.1"  # the cluster: this broker, which is its controller, and no topics
        broker = struct.pack(f">iih{len(host)}sih", 1, 0, len(host), host, self.port, -1)
        return broker + struct.pack(">ii", 0, 0)


@pytest.fixture
def old_broker() -> Iterator[OldBroker]:
    broker = OldBroker()
    yield broker
    broker.close()


def test_a_broker_that_is_too_old_is_refused_by_its_version(old_broker: OldBroker):
    server = f"127.0.0.1:{old_broker.port}"
    bus = KafkaBus(KafkaOptions(bootstrap_servers=(server,), partitions=1), [TOPIC])
    with pytest.raises(
        BusError, match=r"Kafka at 127\.0\.0\.1:\d+ is of version 0\.10\.0: .* 2\.5 or newer"
    ):
        bus.connect()
    bus.close()


# -- errors of kafka-python, told as ours -------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "kind", "said"),
    [
        (foreign.KafkaConnectionError("gone"), BusUnreachableError, "check kafka.bootstrap_server"),
        (foreign.NodeNotReadyError("1"), BusUnreachableError, "was there to do it"),
        (ConnectionResetError("reset"), BusUnreachableError, "(reset)"),
        (foreign.InvalidReceiveError("frame"), BusUnreachableError, "kafka.security_protocol"),
        (foreign.SaslAuthenticationFailedError("no"), BusAccessError, "kafka.password_file"),
        (foreign.UnsupportedSaslMechanismError("no"), BusAccessError, "kafka.sasl_mechanism"),
        (foreign.IllegalSaslStateError(), BusAccessError, "kafka.security_protocol"),
        (foreign.TopicAuthorizationFailedError("t"), BusAccessError, "let the user do that"),
        (foreign.GroupAuthorizationFailedError("g"), BusAccessError, "'watchword' do it"),
        (foreign.UnstableOffsetCommitError(), BusUnreachableError, "find-hanging, then abort"),
        (foreign.ProducerFencedError("e"), CommitLostError, "did not do it"),
        (foreign.UnknownMemberIdError("m"), CommitLostError, "did not do it"),
        (foreign.UnsupportedVersionError("v"), BusError, "use 2.5 or newer"),
        (foreign.UnsupportedCodecError("snappy"), BusError, "python-snappy"),
        (foreign.CorruptRecordError("crc"), BusError, "could not do it"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else "",
)
def test_every_fault_is_told_with_the_cluster_and_a_fix(
    error: BaseException, kind: type[BusError], said: str
):
    told = ours(error, OPTIONS, "do it")
    assert type(told) is kind
    assert "one:9092, two:9092" in str(told)
    assert said in str(told)


def test_a_user_without_a_name_is_told_as_such():
    told = ours(foreign.TopicAuthorizationFailedError("t"), nowhere(1), "do it")
    assert "does not let a client without credentials do it" in str(told)


def test_what_kafka_python_raised_stays_beside_it():
    with pytest.raises(BusUnreachableError) as told, translated(OPTIONS, "do it"):
        raise foreign.KafkaTimeoutError("late")
    assert isinstance(told.value.__cause__, foreign.KafkaTimeoutError)


def test_other_errors_are_left_alone():
    with pytest.raises(ZeroDivisionError), translated(OPTIONS, "do it"):
        raise ZeroDivisionError
