"""Where alerts go: a table or lines for people, JSON lines for programs."""

from collections.abc import Sequence
from typing import IO, Protocol

import msgspec
from rich.console import Console

from deploy.report import (
    Summary,
    Told,
    alert_json,
    alert_line,
    alert_table,
    summary_json,
    summary_line,
)


def plain_console(*, stderr: bool = False) -> Console:
    """A console that shows texts of users as they typed them: no markup, no emoji codes."""
    return Console(stderr=stderr, markup=False, emoji=False, highlight=False)


class Output(Protocol):
    """Takes alerts as they come, and the summary at the end."""

    def alert(self, told: Told) -> None:
        """One state of an alert."""

    def finish(self, summary: Summary) -> None:
        """The run is over."""


class JsonLines:
    """One JSON object a line, flushed at once so that a reader sees an alert when it happens."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream

    def alert(self, told: Told) -> None:
        """Print the alert."""
        self._print(alert_json(told))

    def finish(self, summary: Summary) -> None:
        """Print the last line."""
        self._print(summary_json(summary))

    def _print(self, fields: object) -> None:
        self._stream.write(msgspec.json.encode(fields).decode() + "\n")
        self._stream.flush()


class TableAtEnd:
    """For files: all alerts in one table when the last file has ended."""

    def __init__(self, console: Console, queries: Sequence[str]) -> None:
        self._console = console
        self._queries = queries
        self._told: list[Told] = []

    def alert(self, told: Told) -> None:
        """Keep the alert for the table."""
        self._told.append(told)

    def finish(self, summary: Summary) -> None:
        """Print the table and the summary."""
        self._console.print(alert_table(self._told, self._queries))
        self._console.print(summary_line(summary))


class Lines:
    """For live cameras: a line for each alert as it happens."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def alert(self, told: Told) -> None:
        """Print the alert."""
        self._console.print(alert_line(told), soft_wrap=True)

    def finish(self, summary: Summary) -> None:
        """Print the summary."""
        self._console.print(summary_line(summary))


class Both:
    """Several outputs as one."""

    def __init__(self, outputs: Sequence[Output]) -> None:
        self._outputs = outputs

    def alert(self, told: Told) -> None:
        """Pass it to each."""
        for output in self._outputs:
            output.alert(told)

    def finish(self, summary: Summary) -> None:
        """Pass it to each."""
        for output in self._outputs:
            output.finish(summary)
