"""How to reach a Kafka cluster, and what is asked of it."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from streamer.bus import PARTITIONS

SecurityProtocol = Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]
SaslMechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]
Compression = Literal["none", "gzip", "lz4", "zstd"]


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaOptions:
    """A cluster and how this process talks to it; names are Kafka's own.

    `instance` names this process among all others for ever: under it a process that was killed
    and started again has its partitions and its transactions back at once, where others wait
    `session_timeout_seconds` and `transaction_timeout_seconds` for them. Empty: a new name with
    every start.

    What travels are vectors and JPEGs, which hardly shrink: `compression` costs a core's time and
    gains little, and pays only where the way to the brokers is narrow.
    """

    bootstrap_servers: tuple[str, ...]  # host:port
    client_id: str = "watchword"
    topic_prefix: str = ""  # before the name of every topic and group
    instance: str = ""
    partitions: int = PARTITIONS
    replication: int = 0  # copies of each partition; 0: three, or as many as there are brokers
    compression: Compression = "none"
    security_protocol: SecurityProtocol = "PLAINTEXT"
    sasl_mechanism: SaslMechanism = "SCRAM-SHA-512"
    username: str = ""
    password: str = field(default="", repr=False)
    ca_file: Path | None = None
    certificate_file: Path | None = None
    key_file: Path | None = None
    start_timeout_seconds: float = 60.0  # how long the first answer of a broker is waited for
    session_timeout_seconds: float = 10.0  # a silent member's partitions go to others after it
    transaction_timeout_seconds: float = 10.0
    revoke_seconds: float = 30.0  # how long a member may take to let go of a partition
