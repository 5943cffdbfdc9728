"""A file that is read at the fastest pace: what may be asked of it, and of nothing else."""

from streamer.camera_url import is_network
from streamer.config import Pace
from streamer.errors import EntityInvalidError
from streamer.source_file import is_device


def check_film(source: str, pace: Pace, start: float | None, loop: bool) -> None:
    """Let the pace and the start (UTC seconds) of a camera pass if it can be read like that.

    Raises:
        EntityInvalidError: it cannot; the sentence says what to leave out.
    """
    if pace == "own":
        if start is not None:
            raise EntityInvalidError(
                "'start' says when a file at the pace 'fastest' begins, and at its own pace a file "
                "plays from now on: set 'pace' to 'fastest', or leave 'start' out."
            )
        return
    if is_network(source) or is_device(source):
        raise EntityInvalidError(
            "'pace' is 'fastest', and only a file can be read faster than it plays: leave 'pace' "
            "out, or name a file."
        )
    if loop:
        raise EntityInvalidError(
            "'loop' plays a file for ever and 'pace' 'fastest' reads it once: give one of both."
        )
    if start is not None and start < 0:
        raise EntityInvalidError("'start' lies before 1970: give the time when the file begins.")
