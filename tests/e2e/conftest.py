import io
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from deploy.cli import main
from tests.conftest import ROOT
from tests.e2e.colour_bundle import make_colour_bundle
from tests.e2e.serving import Hook, Serve

SECONDS = 240  # more than any of these runs takes on a busy machine


@dataclass(frozen=True, slots=True)
class Done:
    """A run of `watchword` that has ended."""

    code: int
    out: str
    err: str

    @property
    def objects(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def alerts(self) -> list[dict[str, Any]]:
        return self.objects[:-1]

    @property
    def summary(self) -> dict[str, Any]:
        return self.objects[-1]["summary"]


def watchword(*words: str | Path) -> Done:
    """Run the command line in this process: starting one costs more than most runs."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as ended:
        main([str(word) for word in words])
    return Done(ended.value.code or 0, out.getvalue(), err.getvalue())


def watchword_process(*words: str | Path, seconds: float = SECONDS) -> Done:
    """Run the command line in a process of its own, as a user would."""
    command = [sys.executable, "-W", "error", "-m", "deploy", *map(str, words)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=seconds)
    return Done(done.returncode, done.stdout, done.stderr)


@pytest.fixture(scope="session")
def colours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a bundle that knows red, green and blue."""
    return make_colour_bundle(tmp_path_factory.mktemp("bundles") / "colours")


@pytest.fixture(scope="session")
def lite(repository: Path) -> str:
    """The name of the default bundle."""
    folder = repository / "encoder" / "bundles" / "watchword-lite"
    if not (folder / "manifest.json").is_file():
        pytest.skip(f"{folder} holds no bundle yet")
    return "watchword-lite"


@pytest.fixture
def serve(tmp_path: Path, colours: Path) -> Iterator[Callable[..., Serve]]:
    started: list[Serve] = []

    def start(**settings: Any) -> Serve:
        started.append(Serve(tmp_path, {"bundle": str(colours), **settings}))
        return started[-1]

    yield start
    for one in started:
        one.close()


@pytest.fixture
def hook() -> Iterator[Hook]:
    hook = Hook()
    yield hook
    hook.close()
