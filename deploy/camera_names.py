"""Camera ids for sources that were typed without one."""

import re
from collections.abc import Sequence
from pathlib import PurePath
from urllib.parse import urlsplit

LONGEST = 63
_SCHEME = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*://")


def name_cameras(sources: Sequence[str]) -> list[str]:
    """A distinct id for each source: a file's name, a stream's host and last part of its path.

    >>> name_cameras(["Gate 1.mp4", "yard/gate-1.avi", "rtsp://admin:x@10.0.0.7/live"])
    ['gate-1', 'gate-1-2', '10-0-0-7-live']
    """
    names: list[str] = []
    for source in sources:
        name, number = _slug(_readable(source)), 1
        candidate = name
        while candidate in names:
            number += 1
            candidate = f"{name[: LONGEST - len(str(number)) - 1]}-{number}"
        names.append(candidate)
    return names


def _readable(source: str) -> str:
    if _SCHEME.match(source):
        url = urlsplit(source)
        # never the user info: an id is shown everywhere
        return f"{url.netloc.rpartition('@')[2].partition(':')[0]} {PurePath(url.path).stem}"
    return PurePath(source).stem


def _slug(text: str) -> str:
    slug = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:LONGEST].strip("-")
    return slug or "camera"
