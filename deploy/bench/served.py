"""A `watchword serve` to be measured: a process of its own, with a folder and a port of its own."""

import json
import os
import queue
import subprocess
import sys
import threading
import uuid
from pathlib import Path
from typing import Any

import yaml

from deploy.errors import BenchError

SERVES = "serves at "  # the log line that tells the address begins so
PATIENCE_SECONDS = 120.0


class Served:
    """Starts the server and reads its log (JSON lines, kept in `log`); `url` is where it answers.

    With `only` the process runs these parts, beside others that have the same folder. Raises
    BenchError if it does not come up.
    """

    def __init__(self, folder: Path, settings: dict[str, Any], only: str = "") -> None:
        self.folder = folder
        self.only = only
        self.log: list[str] = []
        self.url = ""
        chosen: dict[str, Any] = {"data_folder": str(folder / "data"), **settings}
        chosen["server"] = {"port": 0, **chosen.get("server", {})}
        chosen["log"] = {"format": "json"}
        self.config = folder / f"serve-{uuid.uuid4().hex[:8]}.yml"
        self.config.write_text(yaml.safe_dump(chosen), encoding="utf-8")
        self.start()

    def start(self) -> None:
        """Start it, or start it again on the same data, and wait for its address."""
        command = [sys.executable, "-W", "error", "-m", "deploy", "serve"]
        paths = [str(Path(__file__).resolve().parents[2]), os.environ.get("PYTHONPATH", "")]
        self.process = subprocess.Popen(  # noqa: S603 - our own program
            [*command, "--config", str(self.config), *(["--only", self.only] if self.only else [])],
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        told: queue.Queue[str] = queue.Queue()
        reader = threading.Thread(target=self._read_log, args=(self.process, told), daemon=True)
        reader.start()
        try:
            self.url = told.get(timeout=PATIENCE_SECONDS)
        except queue.Empty:
            self.url = ""
        if not self.url:
            self.process.kill()
            raise BenchError(f"`watchword serve` did not come up: {''.join(self.log)[-2000:]}")

    def end(self) -> int:
        """SIGTERM, as an orchestrator ends it; its exit code."""
        self.process.terminate()
        return self.process.wait(PATIENCE_SECONDS)

    def close(self) -> None:
        """End it at once if it still runs."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def _read_log(self, process: "subprocess.Popen[str]", told: "queue.Queue[str]") -> None:
        assert process.stderr is not None
        for line in process.stderr:
            self.log.append(line)
            if SERVES in line and line.startswith("{"):
                told.put(json.loads(line)["message"].split(SERVES)[1].split()[0])
        process.stderr.close()
        told.put("")
