"""What a broker's test stand does when its ports are held, with a script for Kafka."""

from pathlib import Path

import pytest

from tests.kafka_broker import KafkaBroker, PortTakenError
from tests.kafka_distribution import Distribution, Program

TAKEN = "echo 'java.net.BindException: Address already in use'; exit 1"
SERVES = "echo 'Kafka Server started'; exec sleep 60"


class Script(Distribution):
    """Finds the ports held at the first starts, and free from then on."""

    def program(self, folder: Path, *java: str) -> Program:
        if "kafka.Kafka" not in java:
            return Program(["true"])
        held = len(list(folder.glob("start-*"))) < int(self.jars)
        mark = folder / f"start-{len(list(folder.glob('start-*')))}"
        return Program(["sh", "-c", f"touch {mark}; {TAKEN if held else SERVES}"])


def test_who_comes_back_waits_for_its_ports(tmp_path: Path) -> None:
    broker = KafkaBroker(tmp_path, distribution=Script("2"))
    ports = broker.ports
    try:
        broker.restart()
        assert broker.is_running
        assert broker.ports == ports
    finally:
        broker.close()


def test_ports_that_stay_held_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.kafka_broker.PORT_SECONDS", 0.0)
    with pytest.raises(PortTakenError, match="already in use"):
        KafkaBroker(tmp_path, distribution=Script("9")).restart()
