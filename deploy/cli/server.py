"""The options of every command that asks a server, and what it tells with."""

import inspect
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Concatenate, ParamSpec

import msgspec
import typer
from rich.console import Console
from rich.text import Text

from deploy.cli.output import plain_console
from deploy.errors import UsageError

if TYPE_CHECKING:
    from deploy.client.api import ApiClient

DEFAULT_SERVER = "http://127.0.0.1:8080"
TOKEN_BYTES = 4096  # a longer file holds something else

P = ParamSpec("P")

ServerOption = Annotated[
    str,
    typer.Option("--server", metavar="URL", envvar="WATCHWORD_SERVER", help="Which server to ask."),
]
TokenOption = Annotated[
    str | None,
    typer.Option(
        "--token",
        metavar="TOKEN",
        envvar="WATCHWORD_TOKEN",
        help="Its token. Others on this machine see what is typed here: prefer --token-file.",
    ),
]
TokenFileOption = Annotated[
    Path | None,
    typer.Option(
        "--token-file", metavar="FILE", envvar="WATCHWORD_TOKEN_FILE", help="A file that holds it."
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]

# In the order they stand in --help, after a command's own
_SHARED: tuple[tuple[str, Any, Any], ...] = (
    ("server", ServerOption, DEFAULT_SERVER),
    ("token", TokenOption, None),
    ("token_file", TokenFileOption, None),
    ("as_json", JsonOption, False),
)


@dataclass(frozen=True, slots=True)
class Desk:
    """Where a command asks, and where it tells."""

    client: "ApiClient"
    as_json: bool

    def tell(self, item: Mapping[str, Any], shown: object) -> None:
        """One thing: JSON for programs, `shown` for people."""
        if self.as_json:
            print_json(item)
        else:
            _told(plain_console(), shown)

    def tell_all(
        self, items: Iterable[Mapping[str, Any]], shown: Callable[[list[dict[str, Any]]], object]
    ) -> None:
        """Many things: a JSON line each as it comes, or all of them in one table."""
        if self.as_json:
            for item in items:
                print_json(item)
        else:
            _told(plain_console(), shown([dict(item) for item in items]))

    def note(self, sentence: str) -> None:
        """A word to the person beside the answer, on standard error."""
        plain_console(stderr=True).print(sentence, soft_wrap=True)


def print_json(item: Mapping[str, Any]) -> None:
    """One line, at once: a reader sees it when it happens."""
    sys.stdout.write(msgspec.json.encode(item).decode() + "\n")
    sys.stdout.flush()


def asks_server(command: Callable[Concatenate[Desk, P], None]) -> Callable[..., None]:
    """Give a command the options of a server; it is called with the desk in their place."""

    @wraps(command)
    def with_server(
        *,
        server: str,
        token: str | None,
        token_file: Path | None,
        as_json: bool,
        **options: Any,
    ) -> None:
        from deploy.client.api import ApiClient  # httpx: other commands need not wait for it

        with ApiClient(server, read_token(token, token_file)) as client:
            command(Desk(client, as_json), **options)  # type: ignore[call-arg]

    own = list(inspect.signature(command).parameters.values())[1:]
    shared = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=option)
        for name, option, default in _SHARED
    ]
    keywords = [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in own]
    with_server.__signature__ = inspect.Signature([*keywords, *shared])  # type: ignore[attr-defined]
    with_server.__annotations__ = {one.name: one.annotation for one in (*own, *shared)}
    return with_server


def read_token(token: str | None, token_file: Path | None) -> str | None:
    """The token that was given, or that stands in the file; a token outweighs a file.

    Raises UsageError if the file cannot be read or holds no token.
    """
    if token or token_file is None:
        return (token or "").strip() or None
    try:
        with token_file.open("rb") as file:
            text = file.read(TOKEN_BYTES + 1).decode()
    except OSError as error:
        raise UsageError(f"--token-file {token_file} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"--token-file {token_file} holds no text") from error
    if not text.strip() or len(text) > TOKEN_BYTES:
        raise UsageError(f"--token-file {token_file} holds no token: it is empty or too long")
    return text.strip()


def _told(console: Console, shown: object) -> None:
    console.print(shown, soft_wrap=isinstance(shown, str | Text))  # a line is wrapped by no one
