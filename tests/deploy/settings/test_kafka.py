"""What of the section `kafka` cannot be meant is refused with its key and its value."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.settings.kafka import LONGEST_PREFIX, KafkaSettings, split_brokers
from streamer.bus import TOPICS
from tests.deploy.settings.conftest import Load, Refused

HOST = st.from_regex(r"[a-z][a-z0-9.-]{0,20}", fullmatch=True)
PORT = st.integers(1, 65535)


@given(st.lists(st.builds("{}:{}".format, HOST, PORT)), st.sampled_from([",", ", ", " ,"]))
def test_brokers_are_those_of_the_list(brokers: list[str], comma: str):
    settings = KafkaSettings(bootstrap_servers=comma.join(brokers))
    assert split_brokers(settings.bootstrap_servers) == tuple(brokers)


@pytest.mark.parametrize(
    "servers", ["a", "a:", ":9092", "a:0", "a:65536", "a:9092,b", "http://a:1"]
)
def test_what_is_no_broker_is_named(refused: Refused, servers: str):
    said = refused(f"kafka: {{bootstrap_servers: '{servers}'}}")
    assert said.startswith(f"serve.yml, line 1: kafka.bootstrap_servers = '{servers}': should be ")
    assert "HOST:PORT" in said


def test_a_list_of_nothing_is_no_list(refused: Refused):
    assert "names no broker" in refused("kafka: {bootstrap_servers: ','}")


def test_a_password_before_a_broker_is_not_told(refused: Refused):
    assert "hunter2" not in refused("kafka: {bootstrap_servers: 'w:hunter2@broker:9092'}")


@pytest.mark.parametrize("key", ["topic_prefix", "client_id", "instance"])
def test_names_are_such_as_kafka_allows(refused: Refused, load: Load, key: str):
    assert f"kafka.{key} = 'a/b': should be" in refused(f"kafka: {{{key}: a/b}}")
    assert f"at most {LONGEST_PREFIX}" in refused(f"kafka: {{{key}: {'a' * 240}}}")
    assert getattr(load(f"kafka: {{{key}: north.1_a-b}}").kafka, key) == "north.1_a-b"


def test_the_longest_prefix_leaves_room_for_every_topic():
    assert max(len("p" * LONGEST_PREFIX + topic.name) for topic in TOPICS) == 249


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("security_protocol: TLS", "kafka.security_protocol = 'TLS': should be 'PLAINTEXT', 'SSL'"),
        ("compression: brotli", "kafka.compression = 'brotli': should be 'none', 'gzip'"),
        ("sasl_mechanism: GSSAPI", "kafka.sasl_mechanism = 'GSSAPI'"),
        ("partitions: 0", "kafka.partitions = 0: should be greater than 0"),
        ("replication: -1", "kafka.replication = -1"),
        ("security_protocol: SASL_SSL", "SASL_SSL wants username and password_file"),
        ("username: w", "security_protocol PLAINTEXT never sends"),
        ("ca_file: /ca.pem", "security_protocol PLAINTEXT never reads"),
        ("security_protocol: SSL, key_file: /k.pem", "name both, or neither"),
        ("bootstrap_server: a:1", "did you mean kafka.bootstrap_servers?"),
    ],
)
def test_what_cannot_be_meant(refused: Refused, text: str, said: str):
    assert said in refused(f"kafka: {{{text}}}")


def test_the_password_is_a_secret_that_may_stand_in_a_file(load: Load, refused: Refused, tmp_path):
    (tmp_path / "password").write_text("hunter2\n")
    kafka = "kafka: {username: w, security_protocol: SASL_PLAINTEXT}"
    for name, value in {"PASSWORD": "hunter2", "PASSWORD_FILE": f"{tmp_path}/password"}.items():
        settings = load(kafka, **{f"KAFKA__{name}": value})
        assert settings.kafka.password.get_secret_value() == "hunter2"
        assert "hunter2" not in repr(settings)
    both = f"kafka: {{password: hunter2, password_file: {tmp_path}/password}}"
    assert "kafka.password_file stands beside kafka.password" in refused(both)
    assert "hunter2" not in refused("kafka: {password: [hunter2]}")
