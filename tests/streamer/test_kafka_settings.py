"""What kafka-python is told of our options."""

import ssl
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer import kafka_settings
from streamer.errors import BusAccessError, BusError
from streamer.kafka_client import KafkaConsumer, KafkaProducer
from streamer.kafka_options import Compression, KafkaOptions
from streamer.kafka_settings import (
    MAX_MESSAGE_BYTES,
    consumer_settings,
    milliseconds,
    producer_settings,
    shared_settings,
    tls,
)

SECRET = "correct-horse"


def options(**changed: Any) -> KafkaOptions:
    return KafkaOptions(**{"bootstrap_servers": ("one:9092", "two:9092"), **changed})


def test_a_reader_sees_committed_records_and_commits_nothing_by_itself():
    settings = consumer_settings(options(topic_prefix="north."), "grounding", "")
    assert settings["group_id"] == "north.grounding"
    assert settings["group_instance_id"] is None
    assert settings["isolation_level"] == "read_committed"
    assert settings["enable_auto_commit"] is False
    assert settings["auto_offset_reset"] == "earliest"


def test_a_reader_without_a_group_has_no_prefix_either():
    assert consumer_settings(options(topic_prefix="north."), None, "")["group_id"] is None


@given(st.floats(0.1, 3600), st.floats(0.1, 3600))
def test_a_member_beats_several_times_a_session_and_may_take_long_to_let_go(
    session: float, revoke: float
):
    made = options(session_timeout_seconds=session, revoke_seconds=revoke)
    settings = consumer_settings(made, "g", "")
    assert settings["heartbeat_interval_ms"] <= max(1, settings["session_timeout_ms"] // 3)
    assert settings["max_poll_interval_ms"] > milliseconds(revoke)


def test_a_message_is_stored_by_all_copies_and_never_given_up():
    settings = producer_settings(options(), None)
    assert settings["enable_idempotence"] is True  # which asks for acks=all
    assert settings["delivery_timeout_ms"] == 2**31 - 1
    assert settings["max_request_size"] == MAX_MESSAGE_BYTES
    assert "transactional_id" not in settings


def test_transactions_have_a_name_and_an_end():
    settings = producer_settings(options(transaction_timeout_seconds=7.5), "pod-0")
    assert (settings["transactional_id"], settings["transaction_timeout_ms"]) == ("pod-0", 7500)


@pytest.mark.parametrize("make", [KafkaProducer, KafkaConsumer])
def test_kafka_python_knows_every_setting(make: Any):
    known = {*make.DEFAULT_CONFIG, "bootstrap_servers"}
    secure = options(security_protocol="SASL_PLAINTEXT", username="w", password=SECRET)
    asked = (
        producer_settings(secure, "id")
        if make is KafkaProducer
        else consumer_settings(secure, "g", "m")
    )
    assert asked.keys() <= known


@pytest.mark.parametrize("compression", get_args(Compression))
def test_a_compression_whose_package_is_missing_is_told_by_name(
    compression: str, monkeypatch: pytest.MonkeyPatch
):
    asked: list[str] = []
    monkeypatch.setattr(kafka_settings.importlib.util, "find_spec", asked.append)
    made = options(compression=compression)
    package = {"lz4": "lz4", "zstd": "zstandard"}.get(compression)
    if package is None:
        given = producer_settings(made, None)["compression_type"]
        assert given == (None if compression == "none" else compression)
        return
    with pytest.raises(BusError, match=rf"is {compression}.*pip install {package}\), or set it"):
        producer_settings(made, None)
    assert asked == [package]


@pytest.mark.parametrize("protocol", ["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"])
def test_what_a_protocol_needs_is_told_and_no_more(protocol: str):
    settings = shared_settings(options(security_protocol=protocol, username="w", password=SECRET))
    assert ("sasl_mechanism" in settings) == protocol.startswith("SASL")
    assert (SECRET in settings.values()) == protocol.startswith("SASL")
    assert ("ssl_context" in settings) == protocol.endswith("SSL")


def test_certificates_are_checked_with_their_names():
    context = tls(options(security_protocol="SSL"))
    assert context is not None
    assert context.verify_mode == ssl.CERT_REQUIRED
    assert context.check_hostname


@pytest.mark.parametrize("named", ["ca_file", "certificate_file"])
def test_files_that_cannot_be_used_are_told(named: str, tmp_path: Path):
    for content in (None, "no certificate"):
        path = tmp_path / "some.pem"
        if content is not None:
            path.write_text(content)
        with pytest.raises(BusAccessError, match=r"cannot be used: .*Check kafka\.ca_file"):
            tls(options(security_protocol="SSL", **{named: path}))


def test_a_password_is_in_nothing_that_is_shown():
    made = options(username="watchword", password=SECRET)
    assert SECRET not in repr(made)
    assert "watchword" in repr(made)
