"""One topic's records from Kafka, as kafka-python reads them."""

from functools import partial
from typing import Any

from streamer.bus import Partitions, Position, Record
from streamer.errors import BusUnreachableError
from streamer.kafka_assignment import Watcher
from streamer.kafka_client import (
    ConsumerRebalanceListener,
    CooperativeStickyAssignor,
    KafkaConsumer,
    TopicPartition,
    made,
    translated,
)
from streamer.kafka_options import KafkaOptions
from streamer.kafka_settings import consumer_settings

_NO_GROUP_YET = -1


class Consumer:
    """Reads one topic, in one thread."""

    def __init__(
        self, options: KafkaOptions, topic: str, group: str | None, member: str = ""
    ) -> None:
        self._options = options
        self._topic = topic
        with translated(options, f"let '{topic}' be read"):
            self._foreign = made(
                partial(KafkaConsumer, partition_assignment_strategy=[CooperativeStickyAssignor]),
                consumer_settings(options, group, member),
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

    @property
    def is_connected(self) -> bool:
        """Whether there is a connection to any broker."""
        return bool(self._foreign._client._manager.is_any_open)

    def poll(self, timeout: float, max_records: int) -> dict[int, list[Record]]:
        """New records by partition."""
        self._rejoin_if_left_out()
        with translated(self._options, f"let '{self._topic}' be read"):
            found = self._foreign.poll(timeout_ms=timeout * 1000, max_records=max_records)
        return {
            place.partition: [self._record(record) for record in records]
            for place, records in found.items()
        }

    def _rejoin_if_left_out(self) -> None:
        """Two cases in which kafka-python would go on outside of its group without a word.

        It forgets to rejoin where a poll ends in the midst of a rebalance that news of the topic
        had set off. And where a heartbeat learns that another process took this member's lasting
        name, it only stops its heartbeats: joining again raises the error.
        """
        coordinator = self._foreign._coordinator
        with coordinator._lock:
            is_member = self.is_stable and coordinator._heartbeat_enabled
        if not (is_member or coordinator.need_rejoin()):
            coordinator.request_rejoin()

    def position(self, partition: int, timeout: float = 1.0) -> int | None:
        """Where the next poll goes on; beyond what transactions leave in the log."""
        place = self._place(partition)
        with translated(self._options, f"let '{self._topic}' be read"):
            found: int | None = self._foreign.position(place, timeout_ms=timeout * 1000)
        return found

    def first_position(self, partition: int) -> int:
        """Where a partition that was just assigned is read first.

        Raises:
            BusUnreachableError: nobody said so within 5 s. To begin at 0 would have the next
                commit store that.
        """
        if (found := self.position(partition, timeout=5.0)) is None:
            raise BusUnreachableError(
                f"No Kafka broker at {', '.join(self._options.bootstrap_servers)} says from where "
                f"partition {partition} of '{self._topic}' is to be read: it is asked again."
            )
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
        """Leaves the group, where it has no lasting name there."""
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
