"""Kafka's own measuring tools, for orientation: the same broker, the same size of records."""

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from deploy.bench.figure import Figure
from deploy.errors import BenchError
from streamer.kafka_options import KafkaOptions

TOOL_SECONDS = 120.0
_PACKAGE = "org.apache.kafka.tools"
_SENT = re.compile(r"^\d+ records sent, ([\d.]+) records/sec", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class JavaTools:
    """The jars of a Kafka distribution in a folder, run with `java` on the PATH."""

    libs: Path
    records: int = 50_000

    def figures(self, kafka: KafkaOptions, record_bytes: int) -> Iterator[Figure]:
        """Records a second of `ProducerPerformance` and `ConsumerPerformance`.

        Raises BenchError if a tool fails.
        """
        servers, topic = ",".join(kafka.bootstrap_servers), f"bench-java-{uuid4().hex[:8]}"
        count, size = str(self.records), str(record_bytes)
        connect = ("--bootstrap-server", servers)
        create = ("--create", "--topic", topic, "--partitions", str(kafka.partitions))
        self._run("TopicCommand", *connect, *create)
        produced = self._run(
            "ProducerPerformance", *connect, "--topic", topic, "--num-records", count,
            "--record-size", size, "--throughput", "-1", "--command-property", "acks=all",
        )  # fmt: skip
        sent = _SENT.findall(produced)
        if not sent:
            raise BenchError(f"ProducerPerformance told no rate: {produced.strip()}")
        yield Figure("Kafka's ProducerPerformance, acks=all", float(sent[-1]), "/s")
        consumed = self._run(
            "ConsumerPerformance", *connect, "--topic", topic, "--num-records", count
        )
        header, values = consumed.strip().splitlines()[-2:]
        named = dict(zip(_cells(header), _cells(values), strict=True))
        yield Figure("Kafka's ConsumerPerformance", float(named["nMsg.sec"]), "/s")

    def _run(self, tool: str, *arguments: str) -> str:
        command = ["java", "-Xmx512m", "-cp", f"{self.libs}/*", f"{_PACKAGE}.{tool}", *arguments]
        try:
            done = subprocess.run(  # noqa: S603 - Kafka's own program
                command, capture_output=True, text=True, timeout=TOOL_SECONDS, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise BenchError(f"Kafka's {tool} could not be run: {error}") from error
        if done.returncode:
            raise BenchError(f"Kafka's {tool} failed: {(done.stderr or done.stdout).strip()}")
        return done.stdout


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.split(",")]
