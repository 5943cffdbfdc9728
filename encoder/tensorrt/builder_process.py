"""The builder's process: `python -m encoder.tensorrt.builder_process ORDER`.

It writes a line of JSON for each thing that happens, and ends when its parent does: the parent
holds the other end of its standard input.
"""

import os
import sys
import threading
from typing import IO

import msgspec

from encoder.errors import EncoderError
from encoder.tensorrt.build import BuildOrder, build_plan
from encoder.tensorrt.progress import Built, Failure, Line, write_line

FAILED = 1


def run(order: BuildOrder, out: IO[bytes]) -> int:
    """Carry an order out and tell of it; the exit code."""

    def tell(line: Line) -> None:
        out.write(write_line(line))
        out.flush()

    try:
        tell(Built(plan_bytes=build_plan(order, tell)))
    except EncoderError as error:
        tell(Failure(kind=type(error).__name__, sentence=str(error)))
        return FAILED
    return 0


def end_with_parent(parent: IO[bytes]) -> None:
    """End this process once `parent` is closed, from a thread: a build cannot be asked to stop."""

    def wait() -> None:
        parent.read()
        os._exit(FAILED)

    threading.Thread(target=wait, name="the parent", daemon=True).start()


def main(arguments: list[str]) -> int:
    """The whole process."""
    end_with_parent(sys.stdin.buffer)
    return run(msgspec.json.decode(arguments[0], type=BuildOrder), sys.stdout.buffer)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
