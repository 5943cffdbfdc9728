"""kafka-python, and nothing of it beyond this file: connections, and its errors told as ours.

Topics and groups are named here as Watchword names them; the prefix is added on the way. What
kafka_producer.py and kafka_consumer.py use of kafka-python they have from here. A `Consumer`
belongs to one thread; an `Admin` and a `Producer` may be used by any.
"""

import contextlib
import ssl
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from streamer.bus import Partitions
from streamer.errors import (
    BusAccessError,
    BusError,
    BusRefusedError,
    BusUnreachableError,
    CommitLostError,
)
from streamer.kafka_options import KafkaOptions
from streamer.kafka_settings import NewTopic, TopicFacts, shared_settings

with warnings.catch_warnings():  # of Python 3.11 about how kafka-python reads its own files
    warnings.filterwarnings("ignore", r"(read|open)_text is deprecated", DeprecationWarning)
    from kafka import (  # type: ignore[import-untyped]
        ConsumerRebalanceListener,
        KafkaAdminClient,
        KafkaConsumer,
        KafkaProducer,
        TopicPartition,
    )
    from kafka import errors as foreign
    from kafka.admin import ConfigResource, MemberToRemove  # type: ignore[import-untyped]
    from kafka.coordinator.assignors.cooperative_sticky import (  # type: ignore[import-untyped]
        CooperativeStickyAssignor,
    )
    from kafka.net.compat import KafkaNetClient  # type: ignore[import-untyped]
    from kafka.net.manager import KafkaConnectionManager  # type: ignore[import-untyped]
    from kafka.net.selector import NetworkSelector  # type: ignore[import-untyped]
    from kafka.structs import OffsetAndMetadata  # type: ignore[import-untyped]

__all__ = [
    "Admin",
    "ConsumerRebalanceListener",
    "CooperativeStickyAssignor",
    "KafkaConsumer",
    "KafkaProducer",
    "OffsetAndMetadata",
    "TopicPartition",
    "foreign",
    "made",
    "ours",
    "translated",
]

# What refuses us, and what to see to
_REFUSED = {
    foreign.SaslAuthenticationFailedError: "check kafka.username and kafka.password_file",
    foreign.UnsupportedSaslMechanismError: "choose another kafka.sasl_mechanism",
    foreign.IllegalSaslStateError: "kafka.security_protocol asks for SASL, which it does not want",
    foreign.AuthorizationError: "let the user do that, or name another in kafka.username",
}
_MESSAGE = (  # what is wrong with a message alone: a batch of several is split first
    foreign.MessageSizeTooLargeError,
    foreign.RecordListTooLargeError,
    foreign.InvalidRecordError,
    foreign.InvalidTimestampError,
    foreign.InvalidTopicError,
)
_LOST = (
    foreign.ProducerFencedError,
    foreign.InvalidProducerEpochError,
    foreign.InvalidTxnStateError,
    foreign.CommitFailedError,
    foreign.IllegalGenerationError,
    foreign.UnknownMemberIdError,
    foreign.TransactionAbortedError,
)


@contextlib.contextmanager
def translated(options: KafkaOptions, doing: str) -> Iterator[None]:
    """Tells errors of kafka-python as ours."""
    try:
        yield
    except (foreign.KafkaError, OSError) as error:
        raise ours(error, options, doing) from error


def ours(error: BaseException, options: KafkaOptions, doing: str) -> BusError:
    """Our error for one of kafka-python's.

    Of a fault that ended a whole producer the class is BusError.
    """
    servers = ", ".join(options.bootstrap_servers)
    said = str(error) or type(error).__name__
    if (refusal := _refusal(error, options, doing)) is not None:
        return refusal
    if isinstance(error, _MESSAGE):
        return BusRefusedError(f"Kafka at {servers} does not {doing} ({said}).")
    if isinstance(error, _LOST):
        return CommitLostError(f"Kafka at {servers} did not {doing} ({said}).")
    if isinstance(error, foreign.FencedInstanceIdError):
        return BusError(
            f"Another process called '{options.instance}' reads from Kafka at {servers}: "
            "give each process a kafka.instance of its own, or none."
        )
    if isinstance(error, foreign.UnsupportedVersionError):
        return BusError(f"Kafka at {servers} is too old to {doing} ({said}): use 2.5 or newer.")
    if isinstance(error, foreign.UnstableOffsetCommitError):
        return BusUnreachableError(
            f"Kafka at {servers} cannot {doing} before a transaction that some process left open "
            "has ended, as it does by itself after seconds. If it does not, as after a lone broker "
            "had no disk left, see the broker's kafka-transactions.sh: find-hanging, then abort."
        )
    if isinstance(error, foreign.RetriableError | foreign.KafkaProtocolError | OSError):
        return BusUnreachableError(
            f"No Kafka broker at {servers} was there to {doing} ({said}): check "
            "kafka.bootstrap_servers and kafka.security_protocol, and whether a broker runs there."
        )
    if isinstance(error, foreign.UnsupportedCodecError):
        return BusError(
            f"Kafka at {servers} could not {doing} ({said}): install what its writers compress "
            "with (lz4, zstandard or python-snappy)."
        )
    return BusError(f"Kafka at {servers} could not {doing} ({said}).")


def _refusal(error: BaseException, options: KafkaOptions, doing: str) -> BusAccessError | None:
    """Our error for one that a further try would only repeat."""
    servers = ", ".join(options.bootstrap_servers)
    who = f"'{options.username}'" if options.username else "a client without credentials"
    for kind, fix in _REFUSED.items():
        if isinstance(error, kind):
            return BusAccessError(
                f"Kafka at {servers} does not let {who} {doing} ({error}): {fix}."
            )
    fault = _tls_fault(error)
    if isinstance(fault, ssl.SSLCertVerificationError):
        return BusAccessError(
            f"The certificate of Kafka at {servers} is not to be trusted "
            f"({fault.verify_message}): check kafka.ca_file, and the name in the certificate."
        )
    if fault is not None and "ALERT" in (fault.reason or ""):
        return BusAccessError(
            f"Kafka at {servers} refuses the certificate of this process, or that it has none "
            f"({fault.reason}): check kafka.certificate_file and kafka.key_file."
        )
    return None


def _tls_fault(error: BaseException) -> ssl.SSLError | None:
    """What TLS said of a connection that kafka-python says was lost."""
    for inner in (error, error.__context__, *error.args):
        if isinstance(inner, ssl.SSLError):
            return inner
    return None


class _Connections(KafkaConnectionManager):  # type: ignore[misc]
    """Remembers why connections ended: kafka-python tells no more than that there was none."""

    why: BaseException | None = None

    @property
    def is_any_open(self) -> bool:
        """Whether a broker is connected to."""
        return any(connection.connected for connection in list(self._conns.values()))

    def get_connection(self, *args: Any, **named: Any) -> Any:
        """See KafkaConnectionManager."""
        connection = super().get_connection(*args, **named)
        connection.close_future.add_errback(self._remember)
        return connection

    async def _build_transport(self, *args: Any, **named: Any) -> Any:
        """See KafkaConnectionManager, whose transport loses what comes right before the end.

        A broker that refuses a password says so and hangs up at once.
        """
        transport = await super()._build_transport(*args, **named)
        receive = transport._sock_recv

        def receive_all() -> tuple[bytes, BaseException | None]:
            received, error = receive()
            return received, None if received else error

        transport._sock_recv = receive_all
        return transport

    def _remember(self, error: BaseException) -> None:
        if not isinstance(self.why, (*_REFUSED, ssl.SSLError)):  # which say more than others
            self.why = _tls_fault(error) or error


def made(make: Callable[..., Any], settings: Mapping[str, Any]) -> Any:
    """A client of kafka-python, which leaves its thread behind where there is no broker."""
    clients: list[Any] = []

    def remember(**settings: Any) -> Any:
        network = NetworkSelector(**settings)
        clients.append(KafkaNetClient(network, _Connections(network, **settings), **settings))
        return clients[-1]

    try:
        return make(kafka_client=remember, **settings)
    except BaseException as error:
        for client in clients:
            client.close()
        reasons = [client._manager.why for client in clients]
        if isinstance(error, foreign.KafkaTimeoutError) and any(reasons):
            raise next(filter(None, reasons)) from error
        raise


class Admin:
    """Topics and their ends. One call at a time, whatever the thread."""

    def __init__(self, options: KafkaOptions) -> None:
        self._options = options
        self._lock = threading.Lock()
        with translated(options, "be connected to"):
            self._foreign = made(KafkaAdminClient, shared_settings(options))

    def version(self) -> tuple[int, ...]:
        """The oldest Kafka that the broker may be."""
        return tuple(self._foreign._manager.broker_version)

    def brokers(self) -> int:
        """How many brokers the cluster has."""
        with self._lock, translated(self._options, "describe its cluster"):
            return len(self._foreign.describe_cluster()["brokers"])

    def topics(self, names: set[str]) -> dict[str, TopicFacts]:
        """Those of the topics that exist."""
        prefix = self._options.topic_prefix
        with self._lock, translated(self._options, "describe its topics"):
            there = sorted({prefix + name for name in names} & set(self._foreign.list_topics()))
            if not there:
                return {}
            described = self._foreign.describe_topics(there)
            resources = [ConfigResource("TOPIC", name) for name in there]
            config = self._foreign.describe_configs(resources, config_filter="all")["topic"]
        return {
            topic["name"].removeprefix(prefix): TopicFacts(
                len(topic["partitions"]),
                {key: str(fact["value"]) for key, fact in config[topic["name"]].items()},
            )
            for topic in described
        }

    def create(self, topics: Mapping[str, NewTopic], timeout_seconds: float = 30.0) -> None:
        """Makes topics, and waits until each can be used; those that exist stay as they are."""
        wanted = {
            self._options.topic_prefix + name: {
                "num_partitions": topic.partitions,
                "replication_factor": topic.replication,
                "configs": dict(topic.config),
            }
            for name, topic in topics.items()
        }
        if not wanted:
            return
        with self._lock, translated(self._options, "create topics"):
            answer = self._foreign.create_topics(wanted, raise_errors=False)
            for topic in answer["topics"]:
                error = foreign.for_code(topic["error_code"])
                if error not in (foreign.NoError, foreign.TopicAlreadyExistsError):
                    raise error(f"{topic['name']}: {topic.get('error_message')}")
            self._foreign.wait_for_topics(list(wanted), timeout_ms=timeout_seconds * 1000)

    def ends(self, topic: str, partitions: Partitions) -> dict[int, int]:
        """The offset after the last record of each, whether its transaction has ended or not."""
        if not partitions:
            return {}
        name = self._options.topic_prefix + topic
        asked = {TopicPartition(name, partition): -1 for partition in partitions}
        with self._lock, translated(self._options, f"say where '{topic}' ends"):
            found = self._foreign.list_partition_offsets(asked)
        return {place.partition: end.offset for place, end in found.items()}

    def remove_member(self, group: str, member: str) -> None:
        """Lets a group share out what a member with a lasting name has left."""
        name = self._options.topic_prefix + group
        removed = [MemberToRemove(group_instance_id=member, reason="it was closed")]
        with self._lock, translated(self._options, f"take a member out of '{group}'"):
            self._foreign.remove_group_members(name, removed)

    def close(self) -> None:
        """Closes its connections."""
        with translated(self._options, "be disconnected from"):
            self._foreign.close()
