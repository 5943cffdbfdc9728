"""kafka-python, and nothing of it beyond this file: connections, and its errors told as ours.

Topics and groups are named here as Watchword names them; the prefix is added on the way.
A `Consumer` belongs to one thread; an `Admin` and a `Producer` may be used by any.
"""

import contextlib
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from streamer.bus import Message, Partitions, Position, Record, partition_of
from streamer.errors import BusAccessError, BusError, BusUnreachableError, CommitLostError
from streamer.kafka_assignment import Watcher
from streamer.kafka_options import KafkaOptions
from streamer.kafka_settings import (
    NewTopic,
    TopicFacts,
    consumer_settings,
    producer_settings,
    shared_settings,
)

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
    from kafka.admin import ConfigResource  # type: ignore[import-untyped]
    from kafka.coordinator.assignors.cooperative_sticky import (  # type: ignore[import-untyped]
        CooperativeStickyAssignor,
    )
    from kafka.net.compat import KafkaNetClient  # type: ignore[import-untyped]
    from kafka.structs import OffsetAndMetadata  # type: ignore[import-untyped]

_REFUSED = (
    foreign.SaslAuthenticationFailedError,
    foreign.UnsupportedSaslMechanismError,
    foreign.IllegalSaslStateError,
    foreign.AuthorizationError,
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
_TOO_LARGE = (foreign.MessageSizeTooLargeError, foreign.RecordListTooLargeError)
_NO_GROUP_YET = -1

Done = Callable[[BusError | None], None]


@contextlib.contextmanager
def translated(options: KafkaOptions, doing: str) -> Iterator[None]:
    """Tells errors of kafka-python as ours."""
    try:
        yield
    except (foreign.KafkaError, OSError) as error:
        raise ours(error, options, doing) from error


def ours(error: BaseException, options: KafkaOptions, doing: str) -> BusError:
    """Our error for one of kafka-python's.

    Of a fault of a single message, and of one that ended a whole producer, the class is BusError.
    """
    servers = ", ".join(options.bootstrap_servers)
    said = str(error) or type(error).__name__
    if isinstance(error, _REFUSED):
        who = f"'{options.username}'" if options.username else "a client without credentials"
        return BusAccessError(
            f"Kafka at {servers} does not let {who} {doing} ({said}): "
            "check the user name, the password and what the user may do."
        )
    if isinstance(error, _LOST):
        return CommitLostError(f"Kafka at {servers} did not {doing} ({said}).")
    if isinstance(error, foreign.UnsupportedVersionError):
        return BusError(f"Kafka at {servers} is too old to {doing} ({said}): use 2.5 or newer.")
    if isinstance(error, foreign.RetriableError | OSError):
        return BusUnreachableError(
            f"No Kafka broker at {servers} was there to {doing} ({said}): "
            "check kafka.bootstrap_servers, and whether a broker runs there."
        )
    return BusError(f"Kafka at {servers} could not {doing} ({said}).")


def _made(make: Callable[..., Any], settings: Mapping[str, Any]) -> Any:
    """A client of kafka-python, which leaves its thread behind where there is no broker."""
    clients: list[Any] = []

    def remember(**settings: Any) -> Any:
        clients.append(KafkaNetClient(**settings))
        return clients[-1]

    try:
        return make(kafka_client=remember, **settings)
    except BaseException:
        for client in clients:
            client.close()
        raise


class Admin:
    """Topics and their ends. One call at a time, whatever the thread."""

    def __init__(self, options: KafkaOptions) -> None:
        self._options = options
        self._lock = threading.Lock()
        with translated(options, "be connected to"):
            self._foreign = _made(KafkaAdminClient, shared_settings(options))

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

    def close(self) -> None:
        """Closes its connections."""
        with translated(self._options, "be disconnected from"):
            self._foreign.close()


class Producer:
    """Sends messages, alone or in transactions; of no more use after most errors."""

    def __init__(self, options: KafkaOptions, transactional_id: str | None = None) -> None:
        self._options = options
        with translated(options, "take messages"):
            self._foreign = _made(KafkaProducer, producer_settings(options, transactional_id))

    @property
    def broker_version(self) -> tuple[int, ...]:
        """The oldest Kafka that the broker may be."""
        return tuple(self._foreign.config["api_version"])

    def send(self, message: Message, done: Done | None = None) -> None:
        """Sends a message in the background; `done` is told once, from any thread."""
        doing = f"store a message on '{message.topic}'"
        with translated(self._options, doing):
            sent = self._foreign.send(
                self._options.topic_prefix + message.topic,
                value=message.value,
                key=message.key.encode(),
                headers=list(message.headers),
                partition=partition_of(message.key, self._options.partitions),
            )
        if done is not None:
            sent.add_callback(lambda _: done(None))
            sent.add_errback(lambda error: done(ours(error, self._options, doing)))

    def take_over(self) -> None:
        """Ends what an earlier process left open under this id; waits 10 s for it at most."""
        with translated(self._options, "begin transactions"):
            self._foreign.init_transactions()

    def send_transaction(
        self, messages: list[Message], topic: str, positions: Mapping[int, Position], member: Any
    ) -> None:
        """Everything of a transaction but its end; waits while no broker answers.

        Positions are stored only while `member`, from `Consumer.membership`, is one of its group.
        """
        name = self._options.topic_prefix + topic
        offsets = {
            TopicPartition(name, partition): OffsetAndMetadata(position.offset, position.note, -1)
            for partition, position in positions.items()
        }
        with translated(self._options, "commit a transaction"):
            self._foreign.begin_transaction()
            for message in messages:
                self.send(message)
            if offsets:
                self._foreign.send_offsets_to_transaction(offsets, member)

    def end_transaction(self) -> None:
        """Commits it; after an error nobody knows whether it was."""
        with translated(self._options, "commit a transaction"):
            self._foreign.commit_transaction()

    def retire(self) -> None:
        """Closes it in the background: kafka-python cannot be closed while a broker is awaited."""
        threading.Thread(target=self._close, name="kafka-retire", daemon=True).start()

    def _close(self) -> None:
        while True:
            try:
                self._foreign.close(timeout=5)
            except foreign.KafkaTimeoutError:
                continue
            return


class Consumer:
    """Reads one topic, in one thread."""

    def __init__(self, options: KafkaOptions, topic: str, group: str | None) -> None:
        self._options = options
        self._topic = topic
        with translated(options, f"let '{topic}' be read"):
            self._foreign = _made(
                partial(KafkaConsumer, partition_assignment_strategy=[CooperativeStickyAssignor]),
                consumer_settings(options, group),
            )

    def assign(self, partitions: Partitions) -> None:
        """Reads these from their beginning."""
        self._foreign.assign([self._place(partition) for partition in sorted(partitions)])

    def join(self, watcher: Watcher) -> None:
        """Joins the group, by and by: inside `poll`."""
        name = self._options.topic_prefix + self._topic
        with translated(self._options, f"let '{self._topic}' be read"):
            self._foreign.partitions_for_topic(name)  # who leads the group shares out what it knows
            self._foreign.subscribe([name], listener=_Listener(watcher))

    def membership(self) -> Any | None:
        """Who this is to its group, for `Producer.send_transaction`; None: nobody."""
        member = self._foreign.group_metadata()
        return None if member.generation_id <= _NO_GROUP_YET else member

    @property
    def is_stable(self) -> bool:
        """Whether the group agrees on who reads what, as far as this member knows."""
        return bool(self._foreign.group_metadata().state == "<stable>")

    def poll(self, timeout: float, max_records: int) -> dict[int, list[Record]]:
        """New records by partition."""
        coordinator = self._foreign._coordinator
        if not (self.is_stable or coordinator.need_rejoin()):
            # kafka-python forgets to rejoin where a poll ends in the midst of a rebalance that
            # news of the topic had set off: the group would go on without this member
            coordinator.request_rejoin()
        with translated(self._options, f"let '{self._topic}' be read"):
            found = self._foreign.poll(timeout_ms=timeout * 1000, max_records=max_records)
        return {
            place.partition: [self._record(record) for record in records]
            for place, records in found.items()
        }

    def position(self, partition: int, timeout: float = 1.0) -> int | None:
        """Where the next poll goes on; beyond what transactions leave in the log."""
        place = self._place(partition)
        with translated(self._options, f"let '{self._topic}' be read"):
            found: int | None = self._foreign.position(place, timeout_ms=timeout * 1000)
        return found

    def committed(self, partition: int) -> Position | None:
        """What the group stored; waits for a transaction that is about to store it."""
        with translated(self._options, f"say where '{self._topic}' is read"):
            found = self._foreign.committed(self._place(partition), metadata=True, timeout_ms=5000)
        return None if found is None or found.offset < 0 else Position(found.offset, found.metadata)

    def seek(self, partition: int, offset: int) -> None:
        """Goes on from an offset; from the oldest where that is gone."""
        self._foreign.seek(self._place(partition), offset)

    def pause(self, partitions: Partitions) -> None:
        """Gets no more of these."""
        self._foreign.pause(*map(self._place, partitions))

    def resume(self, partitions: Partitions) -> None:
        """Gets on with these."""
        self._foreign.resume(*map(self._place, partitions))

    def close(self, timeout: float) -> None:
        """Leaves the group."""
        with translated(self._options, "be left"):
            self._foreign.close(autocommit=False, timeout_ms=timeout * 1000)

    def _place(self, partition: int) -> TopicPartition:
        return TopicPartition(self._options.topic_prefix + self._topic, partition)

    def _record(self, record: Any) -> Record:
        return Record(
            self._topic,
            record.partition,
            record.offset,
            (record.key or b"").decode(errors="replace"),
            record.value,
            tuple((str(name), value or b"") for name, value in record.headers or ()),
            record.timestamp / 1000,
        )


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]
    def __init__(self, told: Watcher) -> None:
        self._told = told

    def on_partitions_assigned(self, assigned: Any) -> None:
        self._told.on_gained(frozenset(place.partition for place in assigned))

    def on_partitions_revoked(self, revoked: Any) -> None:
        self._told.on_leaving(frozenset(place.partition for place in revoked))

    def on_partitions_lost(self, lost: Any) -> None:
        self._told.on_lost(frozenset(place.partition for place in lost))
