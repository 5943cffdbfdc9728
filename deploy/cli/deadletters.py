"""`watchword deadletters`: records a server could not use, and trying them again."""

import base64
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from deploy.cli.entity_commands import ID_LETTERS, Commands, LimitOption, add_group
from deploy.cli.fields import refuse_together
from deploy.cli.server import Desk
from deploy.cli.tables import details, listing, moment
from deploy.client.entity import entity_path, find_entity, shorten
from deploy.errors import UsageError

DEAD_LETTERS = "/v1/deadletters"
SHOWN_BYTES = 64  # of a value or header that is no text
NONE = "No dead letters."

IdArgument = Annotated[
    str, typer.Argument(metavar="ID", help="The dead letter's id, or enough of its beginning.")
]
IdsArgument = Annotated[
    list[str] | None, typer.Argument(metavar="ID", help="Ids, or enough of their beginnings.")
]
TopicOption = Annotated[
    list[str] | None,
    typer.Option("--topic", metavar="NAME", help="Only of this topic, as embeddings.v1."),
]
OutputOption = Annotated[
    Path | None,
    typer.Option("--output", metavar="FILE", help="Write the record's value, as it came."),
]
AllOption = Annotated[bool, typer.Option("--all", help="All that were not replayed yet.")]
YesOption = Annotated[bool, typer.Option("--yes", help="With --all: do not ask.")]


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    about = "Records a server could not use."
    commands: Commands = {"list": list_newest, "show": show, "replay": replay}
    add_group(app, "deadletters", about, commands)


def list_newest(desk: Desk, topic: TopicOption = None, limit: LimitOption = 20) -> None:
    """List the newest dead letters."""
    topics = [_whole(name) for name in topic or ()]
    found = desk.client.walk(DEAD_LETTERS, {"limit": min(limit, 200), "topic": topics})
    desk.tell_all(islice(found, limit), _table)


def show(desk: Desk, letter: IdArgument, output: OutputOption = None) -> None:
    """Show a dead letter: where it lay, what was wrong, and what is in it."""
    found = find_entity(desk.client, DEAD_LETTERS, letter, ID_LETTERS)
    whole = desk.client.get(entity_path(DEAD_LETTERS, found["id"]))
    if output is not None:
        _write(output, whole)
        desk.note(f"{whole['size']} bytes are written to {output}")
    if output is None or desk.as_json:
        desk.tell(whole, _details(whole))


def replay(
    desk: Desk,
    letters: IdsArgument = None,
    topic: TopicOption = None,
    all_: AllOption = False,
    yes: YesOption = False,
) -> None:
    """Publish records again where they lay, for whoever can use them by now."""
    if all_:
        refuse_together(all=all_, ID=bool(letters))
        chosen = _waiting(desk, topic or ())
        if chosen and not yes:
            typer.confirm(f"Replay {_counted(chosen)}?", abort=True, err=True)
    elif letters:
        # All are found before any is replayed: a wrong id replays nothing
        chosen = [find_entity(desk.client, DEAD_LETTERS, one, ID_LETTERS) for one in letters]
    else:
        raise UsageError("nothing to replay: name dead letters by their ids, or give --all")
    for one in chosen:
        done = desk.client.post(f"{entity_path(DEAD_LETTERS, one['id'])}:replay")
        desk.tell(done, f"dead letter {done['id']} is on {_short(done)} again")


def _waiting(desk: Desk, topics: Sequence[str]) -> list[dict[str, Any]]:
    """What can be replayed and was not, the oldest first: records of a camera stay in order."""
    named = [_whole(name) for name in topics]
    found = list(desk.client.walk(DEAD_LETTERS, {"replayed": "false", "topic": named}))
    chosen = [one for one in reversed(found) if one["replayable"]]
    if not chosen and not desk.as_json:
        desk.note("No dead letters to replay.")
    if left := len(found) - len(chosen):
        desk.note(f"{left} cannot be replayed: `watchword deadletters show ID` says why")
    return chosen


def _write(output: Path, letter: dict[str, Any]) -> None:
    if letter["value"] is None:
        why = "there was none" if letter["kept"] else letter["obstacle"]
        raise UsageError(f"the dead letter {letter['id']} has no value to write: {why}")
    try:
        output.write_bytes(base64.b64decode(letter["value"]))
    except OSError as error:
        raise UsageError(f"--output {output} cannot be written: {error.strerror}") from error


def _table(letters: Sequence[dict[str, Any]]) -> object:
    if not letters:
        return NONE
    table = listing(("id", "arrived", "topic", "key", "size", "error"), wide=("key", "error"))
    ids = shorten([one["id"] for one in letters])
    for one in letters:
        table.add_row(
            ids[one["id"]],
            moment(one["arrived_at"]),
            _short(one),
            one["key"],
            _size(one["size"]),
            one["error"] + ", replayed" * (one["replayed_at"] is not None),
        )
    return table


def _details(letter: dict[str, Any]) -> object:
    headers = (f"{one['name']}: {_readable(one['value'])}" for one in letter["headers"])
    return details(
        "dead letter",
        letter["id"],
        (
            ("topic", letter["topic"]),
            ("place", f"partition {letter['partition']}, offset {letter['offset']}"),
            ("key", letter["key"]),
            ("error", letter["error"]),
            ("attempts", letter["attempt"]),
            ("arrived", moment(letter["arrived_at"])),
            ("replayed", moment(letter["replayed_at"])),
            ("size", f"{letter['size']} bytes, SHA-256 {letter['sha256']}"),
            ("replay", letter["obstacle"] or "possible"),
            ("headers", "\n".join(headers)),
            ("fields", _fields(letter["decoded"])),
            ("value", "" if letter["decoded"] else _readable(letter["value"] or "")),
        ),
    )


def _fields(decoded: dict[str, Any] | None) -> str:
    lines = (f"{name}: {_plain(value)}" for name, value in (decoded or {}).items())
    return "\n".join(lines)


def _plain(value: object) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _readable(encoded: str) -> str:
    """Base64 as text where it is some, else the beginning of its bytes."""
    value = base64.b64decode(encoded)
    begun = value[:SHOWN_BYTES]
    more = "..." if len(value) > SHOWN_BYTES else ""
    text = begun.decode(errors="replace")
    return (text if text.isprintable() and "\ufffd" not in text else begun.hex()) + more


def _size(size: int) -> str:
    """Bytes in three digits.

    >>> _size(1_234_567)
    '1.2 MB'
    """
    if size < 1_000:
        return f"{size} B"
    number, unit = (size / 1e3, "kB") if size < 999_500 else (size / 1e6, "MB")
    return f"{number:.1f} {unit}" if number < 10 else f"{number:.0f} {unit}"


def _counted(letters: Sequence[object]) -> str:
    return f"{len(letters)} dead letter{'s' * (len(letters) != 1)}"


def _short(letter: dict[str, Any]) -> str:
    return str(letter["topic"]).removeprefix("watchword.")


def _whole(topic: str) -> str:
    return topic if topic.startswith("watchword.") else f"watchword.{topic}"
