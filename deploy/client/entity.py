"""Things of a server by their ids, and ids as people type and read them: by their beginning."""

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from deploy.errors import UsageError

if TYPE_CHECKING:
    from deploy.client.api import ApiClient

SEARCHED = 2_000  # of what a server lists; alerts are listed newest first
SHORTEST = 6


def entity_path(path: str, entity_id: str) -> str:
    """The path of one thing, whatever was typed for its id.

    >>> entity_path("/v1/cameras", "a/b")
    '/v1/cameras/a%2Fb'
    """
    return f"{path}/{quote(entity_id, safe='')}"


def find_entity(client: "ApiClient", path: str, typed: str, whole: int) -> dict[str, Any]:
    """The one thing whose id is, or begins with, what was typed; a whole id has `whole` letters.

    Raises UsageError when none or several begin so.
    """
    if len(typed) >= whole:
        return client.get(entity_path(path, typed))
    what = path.rsplit("/", 1)[-1]
    if not typed:
        raise UsageError(f"an empty id names none of the {what}")
    listed = islice(client.walk(path), SEARCHED)
    found = list(islice((item for item in listed if item["id"].startswith(typed)), 3))
    if not found:
        raise UsageError(f"none of the {what} has an id that begins with {typed!r}")
    if len(found) > 1 and found[0]["id"] != typed:  # by id, a whole one comes first
        some = ", ".join(item["id"][: len(typed) + 6] for item in found)
        raise UsageError(f"{typed!r} is not enough: several {what} begin so ({some}, ...)")
    return found[0]


def find_ids(client: "ApiClient", path: str, typed: Iterable[str], whole: int) -> list[str]:
    """The ids that were typed, whole; patterns with `*` are passed on."""
    return [
        one if "*" in one or len(one) >= whole else find_entity(client, path, one, whole)["id"]
        for one in typed
    ]


def shorten(ids: Sequence[str]) -> dict[str, str]:
    """The beginning of each id that no other of them shares, all of one length.

    >>> shorten(["0123456789", "0123457777"])
    {'0123456789': '0123456', '0123457777': '0123457'}
    """
    distinct = set(ids)
    length = SHORTEST
    while len({one[:length] for one in distinct}) < len(distinct):
        length += 1
    return {one: one[:length] for one in ids}
