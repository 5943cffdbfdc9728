"""Where a topic ends, as far as one reader wants to know: what it lacks, its lag, its end."""

import time
from typing import Protocol

from streamer.bus import Partitions

MEASURE_SECONDS = 2.0  # between two looks at where the topic ends


class Cluster(Protocol):
    """What a reader asks of more than its own partitions."""

    def ends(self, topic: str, partitions: Partitions) -> dict[int, int]:
        """The offset after the last record of each partition."""

    def is_written(self, topic: str) -> bool:
        """Whether the topic was finished in this process, and all of it is on Kafka."""

    def remove_member(self, group: str, member: str) -> None:
        """Lets a group share out what a member with a lasting name has left."""


class TopicEnds:
    """By partition, the offset after the last record.

    One thread asks the cluster, which may take long. What it learnt is replaced as a whole, and so
    may be read at any time.
    """

    def __init__(self, cluster: Cluster, topic: str) -> None:
        self.gained: dict[int, int] = {}  # as the partition was gained
        self.newest: dict[int, int] = {}  # as last looked at
        self.final: dict[int, int] = {}  # as the topic was finished
        self._cluster = cluster
        self._topic = topic
        self._measure_at = 0.0

    def ask(self, partitions: Partitions) -> dict[int, int]:
        """Where these end now."""
        return self._cluster.ends(self._topic, partitions)

    def gain(self, ends: dict[int, int]) -> None:
        """Partitions were gained that ended there."""
        self.gained = {**self.gained, **ends}

    def furthest(self, partition: int) -> int:
        """The furthest end that is known of a partition."""
        return max(ends.get(partition, 0) for ends in (self.gained, self.newest, self.final))

    def measure_newest(self, partitions: Partitions) -> None:
        """Looks where these end, now and then."""
        if time.monotonic() >= self._measure_at:
            self.newest = self.ask(partitions)
            self._measure_at = time.monotonic() + MEASURE_SECONDS

    def measure_final(self, partitions: Partitions) -> bool:
        """Looks once where each ends for good, after the topic was finished; whether it did now."""
        missing = partitions - self.final.keys()
        if not missing or not self._cluster.is_written(self._topic):
            return False
        self.final = {**self.final, **self.ask(missing)}
        return True
