"""Where an Apache Kafka for tests comes from, and how one of its Java classes is run.

In this order: the folder `KAFKA_HOME`, the jars that `make kafka` fetches with Maven, Docker.
"""

import os
import shutil
import subprocess
import uuid
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FETCHED = ROOT / ".venv" / "kafka"
LOGGING = ROOT / "tests" / "kafka" / "log4j2.xml"
IMAGE = "apache/kafka:4.3.0"
QUICK_START = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto")


@dataclass(frozen=True)
class Distribution:
    """Kafka's jars and a Java to run them with: this machine's, or Docker's."""

    jars: str  # a folder; inside the image with Docker
    in_docker: bool = False

    def program(self, folder: Path, *java: str) -> "Program":
        """A Java program that may write below `folder`."""
        name = f"watchword-test-{uuid.uuid4().hex[:12]}" if self.in_docker else ""
        arguments = ["java", *QUICK_START, f"-Dlog4j2.configurationFile={LOGGING}"]
        arguments += ["-cp", f"{self.jars}/*", *java]
        if self.in_docker:
            arguments = [*self._docker(folder, name), *arguments]
        return Program(arguments, name)

    def _docker(self, folder: Path, name: str) -> list[str]:
        mounts = [f"--volume={place}:{place}" for place in (folder, LOGGING)]
        user = f"--user={os.getuid()}:{os.getgid()}"
        options = ["--rm", "--network=host", f"--name={name}", user, *mounts]
        return ["docker", "run", *options, "--entrypoint=", IMAGE]


@dataclass
class Program:
    """A command line that ends, or one that is started and then gets signals."""

    arguments: list[str]
    container: str = ""
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def run(self) -> None:
        """Runs it to its end; raises with its output when it failed."""
        done = subprocess.run(self.arguments, capture_output=True, text=True, timeout=120)
        if done.returncode:
            raise RuntimeError(f"{self.arguments} ended with {done.stdout}{done.stderr}")

    def start(self, log: Path) -> None:
        """Starts it; it writes to the end of `log`."""
        with log.open("ab") as end:
            self._process = subprocess.Popen(self.arguments, stdout=end, stderr=end)

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def signal(self, number: int) -> None:
        """Sends a signal to it, in its container where it has one."""
        if not self.is_running or self._process is None:
            return
        if self.container:
            command = ["docker", "kill", f"--signal={number}", self.container]
            subprocess.run(command, capture_output=True, check=True, timeout=60)
        else:
            self._process.send_signal(number)

    def wait(self, seconds: float) -> bool:
        """Waits for its end; whether it came in time."""
        try:
            if self._process is not None:
                self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True


def find() -> Distribution | str:
    """A distribution, or a sentence about why there is none."""
    home = os.environ.get("KAFKA_HOME")
    if home:
        return _with_java(Path(home) / "libs", f"KAFKA_HOME is {home}")
    if (FETCHED / ".stamp").exists() or list(FETCHED.glob("kafka_*.jar")):
        return _with_java(FETCHED, "the jars of `make kafka` are there")
    if shutil.which("docker") and not _fails(["docker", "image", "inspect", IMAGE]):
        return Distribution("/opt/kafka/libs", in_docker=True)
    return f"set KAFKA_HOME, run `make kafka` (Maven and Java), or `docker pull {IMAGE}`"


def _with_java(folder: Path, found: str) -> Distribution | str:
    if not list(folder.glob("kafka_*.jar")):
        return f"{found}, but {folder} holds no kafka_*.jar"
    if _fails(["java", "-version"]):
        return f"{found}, but `java -version` fails: install a Java of 17 or newer"
    return Distribution(str(folder))


def _fails(command: list[str]) -> bool:
    try:
        return subprocess.run(command, capture_output=True, timeout=60).returncode != 0
    except (OSError, subprocess.TimeoutExpired):
        return True
