"""The whole of `watchword watch`, as a process of its own: time and memory as users have them."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from deploy.bench.figure import Figure
from deploy.errors import BenchError

TIMES_REAL_TIME = 8.0
COST_OF_TWENTY = 3.0
RESIDENT_MEGABYTES = 900.0

QUERIES = (
    "a car driving on the road",
    "a person walking past",
    "two people fighting",
    "a dog running across the yard",
    "smoke rising from a building",
    "a cyclist without a helmet",
    "a truck arriving at the gate",
    "someone falling to the ground",
    "a child alone near the water",
    "a bus stopping at the kerb",
    "a person climbing over a fence",
    "a crowd gathering",
    "a bag left on the floor",
    "a door standing open",
    "a forklift carrying a pallet",
    "a person lying on the ground",
    "a car crash",
    "a motorcycle on the pavement",
    "a bird landing on the roof",
    "a delivery van blocking the way",
)


@dataclass(frozen=True, slots=True)
class Run:
    """One run of the command, from its start to its end."""

    seconds: float
    resident_bytes: int
    summary: dict[str, Any]


def bench_pipeline(path: Path, seconds: float, bundle: str, repeats: int = 3) -> Iterator[Figure]:
    """Runs with 1 and with 20 queries in turns; medians of time, the most memory of any run.

    `seconds` is the file's length. Raises BenchError if a run fails.
    """
    one: list[Run] = []
    twenty: list[Run] = []
    for _ in range(repeats):
        one.append(run_watch(path, QUERIES[:1], bundle))
        twenty.append(run_watch(path, QUERIES, bundle))
    time_of_one = median(run.seconds for run in one)
    time_of_twenty = median(run.seconds for run in twenty)
    megabytes = max(run.resident_bytes for run in (*one, *twenty)) / 1e6
    clips = one[0].summary["clips"]
    yield Figure("1 query, start-up included", time_of_one, "s")
    yield Figure("20 queries, start-up included", time_of_twenty, "s")
    yield Figure("1 query, clips", clips / time_of_one, "clips/s")
    speed = seconds / time_of_one
    yield Figure("1 query, times real time", speed, "x", "at least", TIMES_REAL_TIME)
    ratio = time_of_twenty / time_of_one
    yield Figure("20 queries / 1 query", ratio, "x", "at most", COST_OF_TWENTY)
    yield Figure("resident memory, peak", megabytes, "MB", "at most", RESIDENT_MEGABYTES)


def run_watch(path: Path, queries: Sequence[str], bundle: str) -> Run:
    """Run `watchword watch --json` and wait for it; raises BenchError if it fails."""
    command = [sys.executable, "-m", "deploy", "watch", str(path), "--bundle", bundle, "--json"]
    for query in queries:
        command += ["--query", query]
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        began = time.perf_counter()
        process = subprocess.Popen(command, stdout=out, stderr=err)  # noqa: S603 - our own program
        # Not process.wait(): only wait4 tells the memory of this very child
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        lines, complaints = out.read().decode().splitlines(), err.read().decode()
    if process.returncode:
        raise BenchError(f"the run that was to be measured failed: {complaints.strip()}")
    unit = 1 if sys.platform == "darwin" else 1024
    return Run(seconds, usage.ru_maxrss * unit, json.loads(lines[-1])["summary"])
