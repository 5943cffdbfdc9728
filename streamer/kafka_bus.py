"""The bus between processes: topics on a Kafka cluster."""

import logging
import os
import socket
import threading
import time
import uuid
from collections.abc import Iterable, Mapping, Sequence

from streamer.bus import TOPICS, Message, Partitions, Rebalance, Subscription, Topic, WhenFull
from streamer.errors import (
    BusClosedError,
    BusError,
    BusUnreachableError,
    UnknownTopicError,
)
from streamer.kafka_client import Admin
from streamer.kafka_log import limit_kafka_log
from streamer.kafka_options import KafkaOptions
from streamer.kafka_patience import Patience
from streamer.kafka_publisher import Publisher
from streamer.kafka_reader import KafkaReader
from streamer.kafka_subscription import KafkaSubscription
from streamer.kafka_topics import check_broker, prepare_topics
from streamer.kafka_transactions import Transactions

SAY_SECONDS = 10.0  # between two lines of log while no broker answers
CLOSE_SECONDS = 6.0

_log = logging.getLogger(__name__)


class KafkaBus:
    """Topics on Kafka; passes the contract suite of every bus.

    Connects at its first use, or at `connect`. A blocked `publish` returns once the broker has
    the message; one that drops the oldest returns at once, and the message waits in this process.
    """

    def __init__(self, options: KafkaOptions, topics: Iterable[Topic] = TOPICS) -> None:
        self._options = options
        self._topics = {topic.name: topic for topic in topics}
        self._everyone = frozenset(range(options.partitions))
        self._instance = options.instance or _new_instance()
        self._lock = threading.Lock()
        self._connecting = threading.Lock()
        self._closed = threading.Event()
        self._admin: Admin | None = None
        self._publisher = Publisher(options)
        self._finished: set[str] = set()
        self._subscriptions: dict[KafkaSubscription, str] = {}  # and the id of its transactions
        self._patience: dict[str, Patience] = {}  # by that id

    @property
    def partitions(self) -> int:
        """How many partitions each topic has."""
        return self._options.partitions

    def connect(self) -> None:
        """Waits for a broker, and sees to the topics; nothing more once that was done.

        Raises:
            BusUnreachableError: no broker answered within `start_timeout_seconds`.
            BusAccessError: the broker refuses the credentials or the certificate.
            TopicPolicyError: a topic is not as it has to be.
            BusError: the broker is too old.
            BusClosedError: the bus was closed meanwhile.
        """
        with self._connecting:
            self.check_open()
            if self._admin is not None:
                return
            limit_kafka_log()
            admin = self._first_answer()
            try:
                check_broker(admin.version(), self._options)
                self._publisher.connect()  # so that what it lacks is told at the start
                prepare_topics(admin, self._options, self._topics.values())
            except BaseException:
                admin.close()
                raise
            self._admin = admin

    def publish(
        self, message: Message, when_full: WhenFull = "block", timeout: float | None = None
    ) -> int:
        """See `Bus.publish`; a timeout that runs out does not recall the message."""
        self.check_writable([message])
        self.connect()
        if when_full == "drop_oldest":
            return self._publisher.offer(message, self._topics[message.topic].capacity)
        self._publisher.deliver([message], timeout)
        return 0

    def publish_all(self, messages: Sequence[Message]) -> None:
        """See `Bus.publish_all`."""
        self.check_writable(messages)
        self.connect()
        self._publisher.deliver(messages)

    def lags(self) -> Mapping[str, int]:
        """See `Bus.lags`."""
        with self._lock:
            shared = [s for s in self._subscriptions if s.is_shared]
        lags: dict[str, int] = {}
        for subscription in shared:
            lags[subscription.topic] = lags.get(subscription.topic, 0) + subscription.lag
        return lags

    def subscribe(
        self,
        topic: str,
        group: str | None = None,
        rebalance: Rebalance | None = None,
        partitions: Partitions | None = None,
    ) -> Subscription:
        """See `Bus.subscribe`."""
        self._check_known(topic)
        self.connect()
        with self._lock:
            self.check_open()
            name = self._free_id(group or f"{topic}-reader")
            member = name if self._options.instance else ""
            reader = KafkaReader(self._options, self, topic, group, member)
            most = self._options.transaction_timeout_seconds
            patience = self._patience.setdefault(name, Patience(most))
            transactions = Transactions(self._options, name, topic, patience)
            told = rebalance or Rebalance() if group is not None else None
            subscription = KafkaSubscription(topic, reader, transactions, self, told, self._forget)
            self._subscriptions[subscription] = name
        mine = self._everyone if partitions is None else partitions
        reader.start(transactions.open if group is not None else _nothing, mine)
        return subscription

    def finish(self, topic: str) -> None:
        """See `Bus.finish`: of this process; others may write on."""
        self._check_known(topic)
        self._finished.add(topic)
        self._wake()

    def close(self) -> None:
        """See `Bus.close`; waits some seconds at most, whether there is a broker or not."""
        self._publisher.close()
        self._closed.set()
        with self._lock:
            open_ones = list(self._subscriptions)
        for subscription in open_ones:
            subscription.stop()
        deadline = time.monotonic() + CLOSE_SECONDS
        for subscription in open_ones:
            subscription.join(max(0.0, deadline - time.monotonic()))
        admin, self._admin = self._admin, None
        if admin is not None:
            admin.close()

    def ends(self, topic: str, partitions: Partitions) -> dict[int, int]:
        """The offset after the last record of each partition of a topic."""
        admin = self._admin
        if admin is None:
            raise BusClosedError("The bus is closed.")
        return admin.ends(topic, partitions)

    def remove_member(self, group: str, member: str) -> None:
        """Lets a group share out what a member with a lasting name has left.

        Not where another reader of this process has taken its place under that name.
        """
        with self._lock:  # not while Kafka is asked, which may take as long as a broker is away
            named = [one for one, name in self._subscriptions.items() if name == member]
        admin = self._admin  # `close` may take it away meanwhile
        if admin is not None and all(one.is_closed for one in named):
            admin.remove_member(group, member)

    def is_finished(self, topic: str) -> bool:
        """Whether the topic was finished in this process."""
        return topic in self._finished

    def is_written(self, topic: str) -> bool:
        """Whether the topic was finished in this process, and all of it is on Kafka."""
        return self.is_finished(topic) and self._publisher.is_idle(topic)

    def check_writable(self, messages: Iterable[Message]) -> None:
        """Raises UnknownTopicError or BusError for a message that cannot be published."""
        self.check_open()
        for topic in {message.topic for message in messages}:
            self._check_known(topic)
            if topic in self._finished:
                raise BusError(
                    f"Topic '{topic}' was finished: nothing can be published to it any more."
                )

    def check_open(self) -> None:
        """Raises BusClosedError once the bus is closed."""
        if self._closed.is_set():
            raise BusClosedError("The bus is closed.")

    def _first_answer(self) -> Admin:
        started = time.monotonic()
        say_at = started
        while True:
            self.check_open()
            try:
                return Admin(self._options)
            except BusUnreachableError as error:
                waited = time.monotonic() - started
                if waited >= self._options.start_timeout_seconds:
                    raise BusUnreachableError(
                        f"{error} Gave up after {self._options.start_timeout_seconds:g} s."
                    ) from error
                if time.monotonic() >= say_at:
                    say_at += SAY_SECONDS
                    _log.warning("Waiting for Kafka: %s", error)
                self._closed.wait(0.2)

    def _free_id(self, owner: str) -> str:
        """The lowest free id: whoever follows a reader ends what that one left open."""
        taken = set(self._subscriptions.values())
        base = f"{self._options.topic_prefix}{owner}-{self._instance}"
        number = 0
        while (name := f"{base}-{number}") in taken:
            number += 1
        return name

    def _forget(self, subscription: KafkaSubscription) -> None:
        with self._lock:
            self._subscriptions.pop(subscription, None)

    def _wake(self) -> None:
        with self._lock:
            everyone = list(self._subscriptions)
        for subscription in everyone:
            subscription.wake()

    def _check_known(self, topic: str) -> None:
        if topic not in self._topics:
            raise UnknownTopicError(
                f"There is no topic '{topic}'; there are {', '.join(sorted(self._topics))}."
            )


def _new_instance() -> str:
    return f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"


def _nothing() -> None:
    """A reader without a group opens its transactions when it first needs one."""
