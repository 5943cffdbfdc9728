"""The command line as a person runs it, in this process."""

import json
from dataclasses import dataclass
from typing import Any

import pytest

from deploy.cli.app import main


@dataclass(frozen=True, slots=True)
class Ran:
    """What a command left."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[Any]:
        return [json.loads(line) for line in self.out.splitlines()]


class Terminal:
    """Runs commands against one server, 80 columns wide."""

    def __init__(self, capsys: pytest.CaptureFixture[str], url: str) -> None:
        self._capsys = capsys
        self.url = url

    def run(self, *words: str) -> Ran:
        """Run `watchword` with these words."""
        with pytest.raises(SystemExit) as ended:
            main(words)
        told = self._capsys.readouterr()
        return Ran(int(ended.value.code or 0), told.out, told.err)

    def ask(self, *words: str, code: int = 0) -> Ran:
        """Run a command that asks the server, and ends as it should."""
        ran = self.run(*words, "--server", self.url)
        assert ran.code == code, ran
        return ran
