"""Passwords and certificates, against a broker that asks for them."""

import gc
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from streamer import kafka_settings
from streamer.bus import Message, Topic
from streamer.errors import BusAccessError, BusError, BusUnreachableError
from streamer.kafka_bus import KafkaBus
from streamer.kafka_options import KafkaOptions
from tests.kafka_broker import KafkaBroker
from tests.streamer.certificates import authority, certified

TOPIC = Topic("test.topic")
USER, PASSWORD, WRONG = "watchword", "correct-horse", "battery-staple"
MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
LOGIN = "org.apache.kafka.common.security"
LISTENERS = {
    "SASL": "SASL_PLAINTEXT",
    "TLS": "SSL",
    "BOTH": "SASL_SSL",
    "MUTUAL": "SSL",
    "OTHER": "SSL",  # whose certificate is of another host
}

# kafka-python leaves the socket of a failed handshake to the garbage collector
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <(ssl.SSLSocket|socket):ResourceWarning")


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(kafka_settings, "ATTEMPT_SECONDS", 0.5)
    yield
    gc.collect()


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("certificates")
    ours = authority("Watchword tests")
    ours.write(folder / "ca.pem", with_key=False)
    certified("localhost", ours).write(folder / "localhost.pem")
    certified("elsewhere.example", ours).write(folder / "elsewhere.pem")
    certified("client", ours).write(folder / "client.pem")
    certified("client", authority("Somebody else")).write(folder / "stranger.pem")
    return folder


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory, files: Path) -> Iterator[KafkaBroker]:
    settings: dict[str, str] = {}
    for name in ("sasl", "both"):
        listener = f"listener.name.{name}"
        settings[f"{listener}.sasl.enabled.mechanisms"] = ",".join(MECHANISMS)
        settings[f"{listener}.plain.sasl.jaas.config"] = (
            f'{LOGIN}.plain.PlainLoginModule required user_{USER}="{PASSWORD}";'
        )
        for scram in ("scram-sha-256", "scram-sha-512"):
            login = f"{LOGIN}.scram.ScramLoginModule required;"
            settings[f"{listener}.{scram}.sasl.jaas.config"] = login
    for name in ("tls", "both", "mutual", "other"):
        listener = f"listener.name.{name}.ssl"
        owner = "elsewhere" if name == "other" else "localhost"
        settings[f"{listener}.keystore.type"] = "PEM"
        settings[f"{listener}.keystore.location"] = str(files / f"{owner}.pem")
    settings["listener.name.mutual.ssl.client.auth"] = "required"
    settings["listener.name.mutual.ssl.truststore.type"] = "PEM"
    settings["listener.name.mutual.ssl.truststore.location"] = str(files / "ca.pem")
    users = [
        argument
        for mechanism in MECHANISMS[1:]
        for argument in ("--add-scram", f"{mechanism}=[name={USER},password={PASSWORD}]")
    ]
    folder = tmp_path_factory.mktemp("broker")
    with KafkaBroker(
        folder, settings=settings, listeners=LISTENERS, format_options=users
    ) as broker:
        yield broker


@pytest.fixture
def options(broker: KafkaBroker, files: Path, topic_prefix: str) -> Any:
    """Options for a listener; `files` are named by their stems."""

    def make(listener: str, protocol: str = "", **changed: Any) -> KafkaOptions:
        protocol = protocol or LISTENERS[listener]
        paths = {key: files / f"{value}.pem" for key, value in changed.items() if "_file" in key}
        if protocol.startswith("SASL"):
            changed = {"username": USER, "password": PASSWORD, **changed}
        return KafkaOptions(
            **{
                "bootstrap_servers": broker.servers_of(listener),
                "security_protocol": protocol,
                "topic_prefix": topic_prefix,
                "partitions": 1,
                **changed,
                **paths,
            }
        )

    return make


def refused(options: KafkaOptions) -> BusError:
    """What a bus says that does not get in."""
    bus = KafkaBus(options, [TOPIC])
    with pytest.raises((BusAccessError, BusUnreachableError)) as said:
        bus.connect()
    bus.close()
    return said.value


def there_and_back(options: KafkaOptions) -> bytes | None:
    """Everything that connects: topics, messages, a group and a transaction."""
    bus = KafkaBus(options, [TOPIC])
    bus.publish(Message(TOPIC.name, "key", b"there and back"))
    reader = bus.subscribe(TOPIC.name, "group")
    records = reader.poll(30)
    while not records:
        records = reader.poll(30)
    reader.commit([Message(TOPIC.name, "key", b"done")])
    bus.close()
    return records[0].value


# -- who gets in --------------------------------------------------------------------------------


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_the_right_password_is_let_in(options: Any, mechanism: str):
    assert there_and_back(options("SASL", sasl_mechanism=mechanism)) == b"there and back"


def test_a_certificate_of_an_authority_that_is_named_is_trusted(options: Any):
    assert there_and_back(options("TLS", ca_file="ca")) == b"there and back"


def test_a_password_goes_over_tls(options: Any):
    assert there_and_back(options("BOTH", ca_file="ca")) == b"there and back"


def test_a_broker_that_wants_a_certificate_gets_it(options: Any):
    mine = {"certificate_file": "client", "key_file": "client"}
    assert there_and_back(options("MUTUAL", ca_file="ca", **mine)) == b"there and back"


# -- who does not, and what is said -------------------------------------------------------------


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_a_wrong_password_is_said_at_once_and_not_shown(
    options: Any, mechanism: str, caplog: pytest.LogCaptureFixture
):
    wrong = options("SASL", sasl_mechanism=mechanism, password=WRONG)
    with caplog.at_level(logging.DEBUG):
        error = refused(wrong)
    assert isinstance(error, BusAccessError)
    assert "does not let 'watchword' be connected to" in str(error)
    assert str(error).endswith(": check kafka.username and kafka.password_file.")
    assert WRONG not in str(error) + caplog.text + repr(wrong)


def test_a_user_that_nobody_knows(options: Any):
    error = refused(options("SASL", username="nobody"))
    assert isinstance(error, BusAccessError)
    assert "does not let 'nobody' be connected to" in str(error)


def test_a_certificate_of_an_unknown_authority(options: Any):
    error = refused(options("TLS"))
    assert isinstance(error, BusAccessError)
    assert "is not to be trusted (unable to get local issuer certificate)" in str(error)
    assert "check kafka.ca_file" in str(error)


def test_a_certificate_of_another_host(options: Any):
    error = refused(options("OTHER", ca_file="ca"))
    assert isinstance(error, BusAccessError)
    assert "is not valid for 'localhost'" in str(error)
    assert "the name in the certificate" in str(error)


@pytest.mark.parametrize(
    "mine", [{}, {"certificate_file": "stranger", "key_file": "stranger"}], ids=["none", "other"]
)
def test_a_broker_that_wants_another_certificate(options: Any, mine: dict[str, str]):
    error = refused(options("MUTUAL", ca_file="ca", **mine))
    assert isinstance(error, BusAccessError)
    assert "refuses the certificate of this process, or that it has none" in str(error)
    assert "check kafka.certificate_file" in str(error)


def test_sasl_where_nobody_asks_for_it(options: Any):
    error = refused(options("CLIENT", "SASL_PLAINTEXT"))
    assert isinstance(error, BusAccessError)
    assert "kafka.security_protocol asks for SASL, which it does not want" in str(error)


@pytest.mark.parametrize(
    ("listener", "protocol"), [("CLIENT", "SSL"), ("TLS", "PLAINTEXT"), ("SASL", "PLAINTEXT")]
)
def test_a_listener_of_another_protocol(options: Any, listener: str, protocol: str):
    """Neither side says more than that it hangs up: it may be a broker that is about to start."""
    error = refused(options(listener, protocol, start_timeout_seconds=0.1))
    assert isinstance(error, BusUnreachableError)
    assert "check kafka.bootstrap_servers and kafka.security_protocol" in str(error)


def test_a_file_that_holds_no_certificate(options: Any, tmp_path: Path):
    empty = tmp_path / "empty.pem"
    empty.touch()
    made = options("TLS")
    for path in (empty, tmp_path / "missing.pem"):
        with pytest.raises(BusAccessError, match=r"Check kafka\.ca_file"):
            KafkaBus(
                KafkaOptions(
                    bootstrap_servers=made.bootstrap_servers, security_protocol="SSL", ca_file=path
                ),
                [TOPIC],
            ).connect()
