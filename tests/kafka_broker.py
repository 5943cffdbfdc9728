"""A real Apache Kafka broker for tests, in KRaft mode, that can be killed, paused and restarted.

    with KafkaBroker(tmp_path) as broker:
        bus = KafkaBus(KafkaOptions(bootstrap_servers=broker.bootstrap_servers))

The fixture `kafka` is one broker for the whole run: each test names its topics apart with a
`topic_prefix`, and leaves the broker running. Whoever kills or pauses one starts its own.
"""

import signal
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.kafka_distribution import Distribution, Program, find
from tests.ports import free_ports
from tests.requirements import skip_or_fail

START_SECONDS = 60.0
PORT_SECONDS = 20.0  # how long a port may be held by whoever had it before
CLUSTER_ID = "V2F0Y2h3b3JkLXRlc3RzAA"  # 16 bytes, in base64

# One broker keeps everything once, and does everything at once
SETTINGS = {
    "process.roles": "broker,controller",
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "INTERNAL",
    "auto.create.topics.enable": "false",
    "group.initial.rebalance.delay.ms": "0",
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.num.partitions": "4",
    "share.coordinator.state.topic.num.partitions": "1",
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": "500",
    "log.message.timestamp.type": "CreateTime",
    "num.network.threads": "2",
    "num.io.threads": "4",
    "log.cleaner.dedupe.buffer.size": "4194304",
    "broker.session.timeout.ms": "3000",
    "broker.heartbeat.interval.ms": "500",
}


class BrokerError(RuntimeError):
    """The broker did not do what it was asked; the message holds the end of its log."""


class PortTakenError(BrokerError):
    """Another program took a port between its choice and the start."""


class KafkaBroker:
    """One broker that keeps its data in a folder until `close`.

    `settings` are lines of server.properties; those of the listener for clients begin with
    `listener.name.client.`. `security` is that listener's protocol; `listeners` are further ones
    for clients, by name in capitals, each with its protocol. `format_options` go to StorageTool,
    e.g. `--add-scram` with its user.
    """

    def __init__(
        self,
        folder: Path,
        *,
        settings: Mapping[str, str] | None = None,
        security: str = "PLAINTEXT",
        listeners: Mapping[str, str] | None = None,
        format_options: Sequence[str] = (),
        heap: str = "512m",
        distribution: Distribution | None = None,
    ) -> None:
        self.folder = folder
        self.log = folder / "broker.log"
        self._extra = dict(settings or {})
        self._protocols = {"CLIENT": security, **(listeners or {})}
        self._format_options = format_options
        self._heap = heap
        self._distribution = distribution or distribution_or_skip()
        self._program: Program | None = None
        self._read = 0  # of the log, before the newest start
        self.node = 1
        self.ports = free_ports(2 + len(self._protocols))  # for clients: the first, and the last
        self.voters: str | None = None  # of a cluster; None: this node alone

    @property
    def bootstrap_servers(self) -> tuple[str, ...]:
        """Where clients connect, as KafkaOptions takes it."""
        return self.servers_of("CLIENT")

    def servers_of(self, listener: str) -> tuple[str, ...]:
        """Where clients of one of its listeners connect."""
        return (f"localhost:{self._client_ports()[listener]}",)

    @property
    def is_running(self) -> bool:
        """Whether its process lives (a paused one does)."""
        return self._program is not None and self._program.is_running

    def start(self) -> "KafkaBroker":
        """Starts it, formatted at the first time, and waits until it serves."""
        for attempt in range(5):
            try:
                self.launch()
                self.wait_until_serving()
            except PortTakenError:
                if self.voters is not None or attempt == 4:
                    raise
                self._start_over()
            else:
                return self
        raise AssertionError("the last attempt returns or raises")

    def launch(self) -> None:
        """Starts the process without waiting for it."""
        assert not self.is_running
        self.folder.mkdir(parents=True, exist_ok=True)
        properties = self.folder / "server.properties"
        properties.write_text("".join(f"{k}={v}\n" for k, v in self._properties().items()))
        if not (self.folder / "data" / "meta.properties").exists():
            self._format(properties)
        self._read = self.log.stat().st_size if self.log.exists() else 0
        self._program = self._distribution.program(
            self.folder, f"-Xmx{self._heap}", "kafka.Kafka", str(properties)
        )
        self._program.start(self.log)

    def wait_until_serving(self) -> None:
        """Returns once it takes requests; raises with its log when it does not."""
        deadline = time.monotonic() + START_SECONDS
        while "Kafka Server started" not in (written := self._written()):
            if not self.is_running:
                error = PortTakenError if "already in use" in written else BrokerError
                raise error(f"The broker ended:\n{written[-6000:]}")
            if time.monotonic() > deadline:
                self.kill()
                raise BrokerError(f"No broker after {START_SECONDS:g} s:\n{written[-6000:]}")
            time.sleep(0.05)

    def kill(self) -> None:
        """As a power cut: at once; what it stored stays."""
        if self._program is not None:
            self._program.signal(signal.SIGKILL)
            self._program.wait(30)

    def stop(self) -> None:
        """Asks it to end in order, and waits for that."""
        if self._program is not None:
            self._program.signal(signal.SIGTERM)
            if not self._program.wait(30):
                self.kill()

    def pause(self) -> None:
        """Stops its clock: connections stay open, and nothing answers."""
        assert self._program is not None
        self._program.signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Lets it go on after `pause`."""
        assert self._program is not None
        self._program.signal(signal.SIGCONT)

    def restart(self) -> None:
        """Kills it where it still runs, and starts it on the same ports and data."""
        deadline = time.monotonic() + PORT_SECONDS
        while True:
            self.kill()
            self.launch()
            try:
                self.wait_until_serving()
            except PortTakenError:
                if time.monotonic() > deadline:
                    raise
            else:
                return

    def close(self) -> None:
        """Ends it for good."""
        self.kill()

    def run_tool(self, *arguments: str) -> None:
        """Runs a class of the distribution to its end, e.g. `kafka.tools.StorageTool`."""
        self._distribution.program(self.folder, "-Xmx256m", *arguments).run()

    def __enter__(self) -> "KafkaBroker":
        return self.start()

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _format(self, properties: Path) -> None:
        arguments = ["format", "--cluster-id", CLUSTER_ID, "--config", str(properties)]
        self.run_tool("kafka.tools.StorageTool", *arguments, *self._format_options)

    def _start_over(self) -> None:
        self.kill()
        self.ports = free_ports(len(self.ports))

    def _client_ports(self) -> dict[str, int]:
        return dict(zip(self._protocols, [self.ports[0], *self.ports[3:]], strict=True))

    def _written(self) -> str:
        with self.log.open("rb") as log:
            log.seek(self._read)
            return log.read().decode(errors="replace")

    def _properties(self) -> dict[str, str]:
        _, internal, controller, *_ = self.ports
        ports = {**self._client_ports(), "INTERNAL": internal}
        addresses = ",".join(f"{name}://localhost:{port}" for name, port in ports.items())
        named = {**self._protocols, "INTERNAL": "PLAINTEXT", "CONTROLLER": "PLAINTEXT"}
        protocols = ",".join(f"{name}:{protocol}" for name, protocol in named.items())
        copies = "1" if self.voters is None else "3"
        return {
            **SETTINGS,
            "node.id": str(self.node),
            "controller.quorum.voters": self.voters or f"{self.node}@localhost:{controller}",
            "listeners": f"{addresses},CONTROLLER://localhost:{controller}",
            "advertised.listeners": addresses,
            "listener.security.protocol.map": protocols,
            "log.dirs": str(self.folder / "data"),
            "offsets.topic.replication.factor": copies,
            "transaction.state.log.replication.factor": copies,
            "share.coordinator.state.topic.replication.factor": copies,
            "transaction.state.log.min.isr": "1" if copies == "1" else "2",
            "share.coordinator.state.topic.min.isr": "1",
            **self._extra,
        }


class KafkaCluster:
    """Several brokers of one cluster, each of which can be killed; for slow tests."""

    def __init__(
        self, folder: Path, count: int = 3, settings: Mapping[str, str] | None = None
    ) -> None:
        self.brokers = [
            KafkaBroker(folder / f"broker-{node}", settings=settings, heap="256m")
            for node in range(1, count + 1)
        ]
        ports = free_ports(3 * count)  # chosen at once, so that no two are the same
        for node, broker in enumerate(self.brokers, 1):
            broker.node, broker.ports = node, ports[3 * node - 3 : 3 * node]
        voters = ",".join(f"{b.node}@localhost:{b.ports[2]}" for b in self.brokers)
        for broker in self.brokers:
            broker.voters = voters

    @property
    def bootstrap_servers(self) -> tuple[str, ...]:
        """Where clients connect: every broker."""
        return tuple(server for b in self.brokers for server in b.bootstrap_servers)

    def start(self) -> "KafkaCluster":
        """Starts all, and waits until all serve."""
        for broker in self.brokers:
            broker.launch()
        for broker in self.brokers:
            broker.wait_until_serving()
        return self

    def close(self) -> None:
        """Ends all for good."""
        for broker in self.brokers:
            broker.close()

    def __enter__(self) -> "KafkaCluster":
        try:
            return self.start()
        except BaseException:
            self.close()
            raise

    def __exit__(self, *exc: object) -> None:
        self.close()


def distribution_or_skip() -> Distribution:
    """Kafka's jars; without them the test is skipped, or fails where they are promised."""
    found = find()
    if isinstance(found, str):
        skip_or_fail("kafka", found)
    return found
