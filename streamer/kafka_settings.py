"""What kafka-python is told: its keyword arguments, from ours."""

import importlib.util
import ssl
from collections.abc import Mapping
from typing import Any, NamedTuple

from streamer.errors import BusAccessError, BusError
from streamer.kafka_options import KafkaOptions

MAX_MESSAGE_BYTES = 16 * 2**20  # a clip of JPEG frames is the largest
ATTEMPT_SECONDS = 2.0  # after which a first connection is tried anew

_COMPRESSED_BY = {"lz4": "lz4", "zstd": "zstandard"}
_REQUEST_MS = 30_000
_NEVER_MS = 2**31 - 1


class TopicFacts(NamedTuple):
    """What a topic that exists is like."""

    partitions: int
    config: Mapping[str, str]


class NewTopic(NamedTuple):
    """What a topic is to be like."""

    partitions: int
    replication: int
    config: Mapping[str, str]


def shared_settings(options: KafkaOptions) -> dict[str, Any]:
    """What every kind of connection is told."""
    settings: dict[str, Any] = {
        "bootstrap_servers": list(options.bootstrap_servers),
        "bootstrap_timeout_ms": milliseconds(ATTEMPT_SECONDS),
        "client_id": options.client_id,
        "security_protocol": options.security_protocol,
        "request_timeout_ms": _REQUEST_MS,
        "reconnect_backoff_max_ms": 1000,
    }
    if (context := tls(options)) is not None:
        settings["ssl_context"] = context
    if options.security_protocol.startswith("SASL"):
        settings["sasl_mechanism"] = options.sasl_mechanism
        settings["sasl_plain_username"] = options.username
        settings["sasl_plain_password"] = options.password
    return settings


def producer_settings(options: KafkaOptions, transactional_id: str | None) -> dict[str, Any]:
    """An idempotent producer that never gives a message up; with an id, for transactions.

    Raises:
        BusError: what compresses as it is asked for is not installed.
    """
    check_compression(options)
    settings: dict[str, Any] = {
        **shared_settings(options),
        "enable_idempotence": True,
        "compression_type": None if options.compression == "none" else options.compression,
        "batch_size": 256 * 1024,
        "max_request_size": MAX_MESSAGE_BYTES,
        "max_block_ms": 10_000,
        "retry_backoff_ms": 20,  # a transaction that follows closely on the last one waits so long
        "delivery_timeout_ms": _NEVER_MS,
        "metrics_enabled": False,
        "allow_auto_create_topics": False,
    }
    if transactional_id is not None:
        settings["transactional_id"] = transactional_id
        settings["transaction_timeout_ms"] = milliseconds(options.transaction_timeout_seconds)
    return settings


def consumer_settings(options: KafkaOptions, group: str | None, member: str) -> dict[str, Any]:
    """A reader that commits nothing by itself and sees committed records alone.

    `member` names it among its group for ever; empty: as long as it lives.
    """
    session = milliseconds(options.session_timeout_seconds)
    return {
        **shared_settings(options),
        "group_id": None if group is None else options.topic_prefix + group,
        "group_instance_id": member or None,
        "enable_auto_commit": False,
        "auto_offset_reset": "earliest",
        "isolation_level": "read_committed",
        "session_timeout_ms": session,
        "heartbeat_interval_ms": min(1000, session // 3),
        "max_poll_interval_ms": milliseconds(options.revoke_seconds + 30),
        "max_partition_fetch_bytes": 2 * 2**20,
        "fetch_max_bytes": MAX_MESSAGE_BYTES,
        "metrics_enabled": False,
        "allow_auto_create_topics": False,
    }


def check_compression(options: KafkaOptions) -> None:
    """Raises BusError where a package is missing that kafka-python compresses with."""
    package = _COMPRESSED_BY.get(options.compression)
    if package is not None and importlib.util.find_spec(package) is None:
        raise BusError(
            f"kafka.compression is {options.compression}, and the package {package} is not "
            f"installed: install it (pip install {package}), or set it to gzip or none."
        )


def tls(options: KafkaOptions) -> ssl.SSLContext | None:
    """How the broker proves itself, and this process to it; None without TLS."""
    if options.security_protocol not in ("SSL", "SASL_SSL"):
        return None
    try:
        context = ssl.create_default_context(cafile=options.ca_file)
        if options.certificate_file is not None:
            context.load_cert_chain(options.certificate_file, options.key_file)
    except OSError as error:
        raise BusAccessError(
            f"The certificates for Kafka cannot be used: {error}. "
            "Check kafka.ca_file, kafka.certificate_file and kafka.key_file."
        ) from error
    return context


def milliseconds(seconds: float) -> int:
    """Seconds as kafka-python counts them."""
    return round(seconds * 1000)
