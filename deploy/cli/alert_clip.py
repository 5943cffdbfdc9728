"""`watchword alerts clip`: an alert's video, as a file."""

from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from deploy.cli.server import Desk
from deploy.errors import UsageError

OutputOption = Annotated[
    Path, typer.Option("--output", "-o", metavar="FILE", help="Where to write it, as clip.mp4.")
]


def save_clip(desk: Desk, path: str, output: Path) -> None:
    """Write the clip at a path of the server to a file, and tell where in it the alert begins.

    Raises:
        UsageError: the file cannot be written.
        ApiError: the server does not give it.
    """
    whole = False
    try:
        with desk.client.file(path) as (headers, pieces), output.open("wb") as file:
            for piece in pieces:
                file.write(piece)
            size = file.tell()
            whole = True
    except OSError as error:
        raise UsageError(f"--output {output} cannot be written: {error.strerror}") from error
    finally:
        if not whole:
            with suppress(OSError):
                output.unlink()
    offset = float(headers.get("X-Watchword-Offset-Seconds", "0"))
    complete = headers.get("X-Watchword-Clip-Complete") == "true"
    more = "" if complete else "; more of it is still to come"
    told = {"file": str(output), "bytes": size, "offset_seconds": offset, "complete": complete}
    desk.tell(told, f"{output}: {size / 1e6:.1f} MB, the alert begins at {offset:.1f} s{more}")
