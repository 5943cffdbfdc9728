"""The Kafka cluster between parts that run in several processes."""

import re
from typing import Annotated, Self

from pydantic import AfterValidator, SecretStr, model_validator

from deploy.settings.section import (
    Count,
    FilePath,
    PositiveCount,
    PositiveSeconds,
    Section,
)
from streamer.bus import TOPICS
from streamer.kafka_options import Compression, KafkaOptions, SaslMechanism, SecurityProtocol

_DEFAULT = KafkaOptions(bootstrap_servers=())
_BROKER = re.compile(r"([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]):([0-9]{1,5})")
_NAME = re.compile(r"[A-Za-z0-9._-]*")
LONGEST_PREFIX = 249 - max(len(topic.name) for topic in TOPICS)  # Kafka's limit is 249


def split_brokers(servers: str) -> tuple[str, ...]:
    """The brokers of a list with commas between them.

    >>> split_brokers("a:9092, b:9092")
    ('a:9092', 'b:9092')
    """
    return tuple(broker for word in servers.split(",") if (broker := word.strip()))


def _brokers(value: str) -> str:
    brokers = split_brokers(value)
    if value.strip() and not brokers:
        raise ValueError("names no broker: write HOST:PORT, with commas between")
    for broker in brokers:
        found = _BROKER.fullmatch(broker)
        if found is None or not 0 < int(found[2]) < 65536:
            raise ValueError(
                f"should be HOST:PORT of brokers with commas between, {_shown(broker)} is none"
            )
    return ",".join(brokers)


def _shown(broker: str) -> str:
    return repr(broker) if "@" not in broker else "one of them"  # it may hold a password


def _name(value: str) -> str:
    if not _NAME.fullmatch(value) or len(value) > LONGEST_PREFIX:
        raise ValueError(
            f"should be at most {LONGEST_PREFIX} letters, digits, '.', '_' and '-', as Kafka's "
            "own names are"
        )
    return value


Name = Annotated[str, AfterValidator(_name)]


class KafkaSettings(Section):
    """The cluster, and how it is talked to; names are Kafka's own."""

    bootstrap_servers: Annotated[str, AfterValidator(_brokers)] = ""
    client_id: Name = _DEFAULT.client_id
    topic_prefix: Name = _DEFAULT.topic_prefix
    instance: Name = _DEFAULT.instance
    partitions: PositiveCount = _DEFAULT.partitions
    replication: Count = _DEFAULT.replication
    compression: Compression = _DEFAULT.compression
    security_protocol: SecurityProtocol = _DEFAULT.security_protocol
    sasl_mechanism: SaslMechanism = _DEFAULT.sasl_mechanism
    username: str = _DEFAULT.username
    password: SecretStr = SecretStr(_DEFAULT.password)
    password_file: FilePath | None = None  # where `password` was read from
    ca_file: FilePath | None = _DEFAULT.ca_file
    certificate_file: FilePath | None = _DEFAULT.certificate_file
    key_file: FilePath | None = _DEFAULT.key_file
    start_timeout_seconds: PositiveSeconds = _DEFAULT.start_timeout_seconds
    session_timeout_seconds: PositiveSeconds = _DEFAULT.session_timeout_seconds
    transaction_timeout_seconds: PositiveSeconds = _DEFAULT.transaction_timeout_seconds
    revoke_seconds: PositiveSeconds = _DEFAULT.revoke_seconds

    @model_validator(mode="after")
    def _with_credentials(self) -> Self:
        has_sasl = self.security_protocol.startswith("SASL")
        given = [bool(self.username), bool(self.password.get_secret_value())]
        if has_sasl and not all(given):
            raise ValueError(
                f"security_protocol {self.security_protocol} wants username and password_file"
            )
        if any(given) and not has_sasl:
            raise ValueError(
                f"a username or password is given, which security_protocol "
                f"{self.security_protocol} never sends: set it to SASL_SSL or SASL_PLAINTEXT"
            )
        return self

    @model_validator(mode="after")
    def _with_certificates(self) -> Self:
        files = (self.ca_file, self.certificate_file, self.key_file)
        if any(files) and not self.security_protocol.endswith("SSL"):
            raise ValueError(
                f"files of certificates are named, which security_protocol "
                f"{self.security_protocol} never reads: set it to SSL or SASL_SSL"
            )
        if bool(self.certificate_file) != bool(self.key_file):
            raise ValueError("certificate_file and key_file are one pair: name both, or neither")
        return self
