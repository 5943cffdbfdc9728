"""The thread that reads a topic from Kafka for one subscription: it never waits for its reader."""

import logging
import math
import threading
import time
from collections.abc import Callable
from typing import Any

from streamer.bus import Partitions, Position
from streamer.errors import BusClosedError, BusError, BusUnreachableError, CommitLostError
from streamer.kafka_assignment import Assignment, Change
from streamer.kafka_buffer import ReadBuffer
from streamer.kafka_consumer import Consumer
from streamer.kafka_ends import Cluster, TopicEnds
from streamer.kafka_options import KafkaOptions
from streamer.limited_log import LimitedLog

POLL_SECONDS = 0.1
POLL_RECORDS = 500
IDLE_SECONDS = 0.02  # where there is nothing to fetch, but the reader may want something
PAUSE_SECONDS = 0.2
SILENT_SECONDS = 5.0  # without a connection, or waiting in a call, and brokers count as gone
CLOSE_SECONDS = 3.0

_log = LimitedLog(logging.getLogger(__name__), 10)


class KafkaReader:
    """What was read and where it stands, guarded by `changed`.

    This thread alone touches the consumer, but for the group's callbacks, which note what they
    are told and hold back what came.
    """

    def __init__(
        self,
        options: KafkaOptions,
        cluster: Cluster,
        topic: str,
        group: str | None,
        member: str = "",
    ) -> None:
        self.changed = threading.Condition()
        self.buffer = ReadBuffer()
        self.assignment = Assignment()
        self.committed: dict[int, Position | None] = {}
        self.ends = TopicEnds(cluster, topic)
        self.is_stable = False
        self._heard_at = -math.inf
        self.error: BaseException | None = None
        self.closed = False
        self._options = options
        self._cluster = cluster
        self._topic = topic
        self._group = group
        self._member = member if group is not None else ""  # its lasting name in the group
        self._consumer: Consumer | None = None
        self._seeks: dict[int, int] = {}
        self._questions: set[int] = set()  # partitions whose committed position is asked for
        self._flowing: set[int] = set()  # the reader knows that it has these
        self._stalled = False
        self._thread: threading.Thread | None = None

    def start(self, prepare: Callable[[], object], partitions: Partitions) -> None:
        """Begins to read; `partitions` are those of a reader without a group."""
        self._thread = threading.Thread(
            target=self._run,
            args=(prepare, partitions),
            name=f"kafka-reader-{self._topic}",
            daemon=True,
        )
        self._thread.start()

    @property
    def hears_brokers(self) -> bool:
        """Whether the thread gets on and is connected, or was a short while ago.

        The group's own agreement is held to be valid for as long as a session lasts.
        """
        return time.monotonic() - self._heard_at < SILENT_SECONDS

    def stop(self) -> None:
        """Wakes everyone, and lets the thread leave the group."""
        with self.changed:
            self.closed = True
            self.changed.notify_all()

    def join(self, seconds: float) -> None:
        """Waits for the thread's end."""
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(seconds)

    def membership(self) -> Any:
        """The membership to commit under.

        Raises:
            CommitLostError: this reader is no member.
        """
        consumer = self._consumer
        member = None if consumer is None else consumer.membership()
        if member is None:
            raise CommitLostError(
                f"This process is no member of '{self._group}' any more: its partitions of "
                f"'{self._topic}' went to others."
            )
        return member

    def seek(self, partition: int, offset: int) -> None:
        """Has the thread read on from there; under `changed`."""
        if partition in self.assignment.leaving:
            return
        self._seeks[partition] = max(0, offset)
        self.buffer.begin(partition, max(0, offset))

    def end_telling(self, change: Change) -> None:
        """The reader knows of the change; under `changed`."""
        self.assignment.end_telling(change)
        if change.gained:
            self._flowing |= change.partitions - self.assignment.leaving
        else:
            self.buffer.drop(change.partitions)
        self.changed.notify_all()

    def ask_committed(self, partition: int) -> Position | None:
        """What the group stored of a partition that is not this reader's; under `changed`."""
        self._questions.add(partition)
        self.changed.wait_for(
            lambda: partition not in self._questions or self.closed or self.error is not None
        )
        return self.committed.pop(partition, None)

    # -- what the group says, in kafka-python's thread ----------------------------------------

    def on_gained(self, gained: Partitions) -> None:
        """See `Watcher`."""
        if self._consumer is not None:
            self._consumer.pause(gained)  # until the reader was told, and may have gone elsewhere
        with self.changed:
            self.assignment.arrive(gained)

    def on_leaving(self, leaving: Partitions) -> None:
        """See `Watcher`."""
        with self.changed:
            self.assignment.leave(leaving)
            self._forget(leaving)

    def on_lost(self, lost: Partitions) -> None:
        """See `Watcher`."""
        with self.changed:
            self.assignment.lose(lost)
            self._forget(lost)

    def _forget(self, partitions: Partitions) -> None:
        self._flowing -= partitions
        for partition in partitions:
            self._seeks.pop(partition, None)
        self.is_stable = False
        self.changed.notify_all()

    # -- the thread ---------------------------------------------------------------------------

    def _run(self, prepare: Callable[[], object], partitions: Partitions) -> None:
        try:
            prepare()
            consumer = self._connect(partitions)
            while not self.closed:
                self._step(consumer)
        except BusClosedError:
            pass
        except Exception as error:  # noqa: BLE001 - raised from the reader's poll
            with self.changed:
                self.error = error
        finally:
            with self.changed:
                self.changed.notify_all()
            self._leave()

    def _connect(self, partitions: Partitions) -> Consumer:
        while True:
            if self.closed:
                raise BusClosedError("The subscription is closed.")
            try:
                self._consumer = Consumer(self._options, self._topic, self._group, self._member)
                if self._group is not None:
                    self._consumer.join(self)
                else:
                    self._consumer.assign(partitions)
                    self.on_gained(partitions)
            except BusUnreachableError as error:
                self._leave()
                self._pause(error)
            else:
                return self._consumer

    def _leave(self) -> None:
        consumer, self._consumer = self._consumer, None
        if consumer is None:
            return
        try:
            consumer.close(CLOSE_SECONDS)
            if self._group is not None and self._member and self.error is None:
                self._cluster.remove_member(self._group, self._member)
        except BusError as error:
            _log.warning("%s", error, about=self._topic)

    def _step(self, consumer: Consumer) -> None:
        self._wait_for_release()
        try:
            self._look_up(consumer)
            begun = self._steer(consumer)
            is_idle = self._stalled or not self._flowing
            found = consumer.poll(IDLE_SECONDS if is_idle else POLL_SECONDS, POLL_RECORDS)
            behind = self._behind() if not found else found.keys()
            positions = {p: consumer.position(p) for p in behind}
            stable = self._group is None or consumer.is_stable
            self._take_over(found, positions, begun, stable)
            self._answer(consumer)
            self._measure()
            if consumer.is_connected:
                self._heard_at = time.monotonic()
        except (BusUnreachableError, CommitLostError) as error:
            self._pause(error)

    def _wait_for_release(self) -> None:
        """Partitions that leave go to another member only with the next poll of the consumer."""
        with self.changed:
            released = self.changed.wait_for(
                lambda: self.closed or not self.assignment.is_letting_go,
                self._options.revoke_seconds,
            )
            if not released:
                self.assignment.give_up_waiting()
                _log.error(
                    "Partitions of '%s' went to another reader before this one had let go of "
                    "them: a batch took longer than %g s.",
                    self._topic,
                    self._options.revoke_seconds,
                )

    def _steer(self, consumer: Consumer) -> dict[int, int]:
        """Applies what the reader asked for; how often each partition was begun by then."""
        with self.changed:
            seeks, self._seeks = self._seeks, {}
            begun = self.buffer.begun()
            if self._stalled:
                self._stalled = not self.buffer.has_room
            else:
                self._stalled = self.buffer.is_full
            flowing = frozenset(self._flowing)
        for partition, offset in seeks.items():
            consumer.seek(partition, self._clamped(consumer, partition, offset))
        if self._stalled:
            consumer.pause(flowing)
        else:
            consumer.resume(flowing)
        return begun

    def _clamped(self, consumer: Consumer, partition: int, offset: int) -> int:
        """An offset beyond the end would send the consumer to the beginning."""
        where = consumer.position(partition)
        if where is not None and offset <= where:
            return offset
        return min(offset, self.ends.ask(frozenset([partition]))[partition])

    def _look_up(self, consumer: Consumer) -> None:
        """What the reader may ask of partitions that arrived, before it is told of them."""
        with self.changed:  # what left and came back arrives once the reader knows that it left
            arrived = frozenset(self.assignment.arrived - self.assignment.leaving)
        if not arrived:
            return
        committed = {p: consumer.committed(p) for p in arrived} if self._group else {}
        ends = self.ends.ask(arrived)
        positions = {p: consumer.first_position(p) for p in arrived}
        with self.changed:
            for partition in self.assignment.look_up(arrived):
                self.committed[partition] = committed.get(partition)
                self.ends.gain({partition: ends[partition]})
                self.buffer.begin(partition, positions[partition])
            self.changed.notify_all()

    def _behind(self) -> set[int]:
        """Partitions of which nothing waits, and whose end is not reached."""
        with self.changed:
            return {
                partition
                for partition in self._flowing
                if self.buffer.position(partition) < self.ends.furthest(partition)
            }

    def _take_over(
        self,
        found: dict[int, list[Any]],
        positions: dict[int, int | None],
        begun: dict[int, int],
        stable: bool,
    ) -> None:
        with self.changed:
            now = self.buffer.begun()
            for partition, position in positions.items():
                is_current = partition in self._flowing and now[partition] == begun[partition]
                if is_current and position is not None:
                    self.buffer.add(partition, found.get(partition, []), position)
            self.is_stable = stable
            self.changed.notify_all()

    def _answer(self, consumer: Consumer) -> None:
        with self.changed:
            questions = set(self._questions)
        for partition in questions:
            answer = consumer.committed(partition)
            with self.changed:
                self.committed[partition] = answer
                self._questions.discard(partition)
                self.changed.notify_all()

    def _measure(self) -> None:
        """Looks at where the topic ends: for the lag, and once for its end."""
        flowing = frozenset(self._flowing)
        if self.ends.measure_final(flowing):
            with self.changed:
                self.changed.notify_all()
        if self._group is not None:
            self.ends.measure_newest(flowing)

    def _pause(self, error: BusError) -> None:
        _log.warning("%s", error, about=self._topic)
        with self.changed:
            self.changed.wait_for(lambda: self.closed, PAUSE_SECONDS)
