"""Changing what others may change too: revisions as ETags, If-Match, and merge patches."""

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Protocol, TypeVar

from fastapi import Header

from streamer.errors import EntityChangedError

ATTEMPTS = 5

IfMatch = Annotated[
    str | None,
    Header(
        alias="If-Match",
        description="The ETag that was read: the change is refused (412) if it is another by now.",
        examples=['"7"'],
    ),
]

_TEXT = {"schema": {"type": "string"}}
WITH_ETAG = {"headers": {"ETag": {"description": "Its revision, for If-Match.", **_TEXT}}}
CREATED = {
    "headers": {"Location": {"description": "Where it is.", **_TEXT}, **WITH_ETAG["headers"]}
}


class Revised(Protocol):
    """Something with a revision, which rises with every change."""

    @property
    def revision(self) -> int:
        """How often it was changed, in all."""


Entity = TypeVar("Entity", bound=Revised)


def etag(revision: int) -> str:
    """The ETag of a revision.

    >>> etag(7)
    '"7"'
    """
    return f'"{revision}"'


def require_match(if_match: str | None, revision: int) -> None:
    """Raise EntityChangedError unless the revision is one of those If-Match names."""
    if if_match is None or if_match.strip() == "*":
        return
    if etag(revision) not in [tag.strip() for tag in if_match.split(",")]:
        raise EntityChangedError(
            f"It is at revision {revision} by now, not at {if_match.strip()}: read it again, and "
            "send the change with its ETag."
        )


def change_entity(
    read: Callable[[], Entity],
    change: Callable[[Entity], Entity],
    replace: Callable[[Entity], Entity],
    if_match: str | None,
) -> Entity:
    """Read, change and store; again if somebody came in between and it does not matter which.

    Raises EntityChangedError, and what the three raise.
    """
    for attempt in range(1, ATTEMPTS + 1):
        current = read()
        require_match(if_match, current.revision)
        try:
            return replace(change(current))
        except EntityChangedError:
            if if_match is not None or attempt == ATTEMPTS:
                raise
    raise AssertionError("the last attempt returns or raises")


def merge_patch(current: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """RFC 7396: members of the patch replace, null removes, objects are merged.

    >>> merge_patch({"a": 1, "b": {"c": 2, "d": 3}}, {"a": None, "b": {"c": 4}})
    {'b': {'c': 4, 'd': 3}}
    """
    merged = dict(current)
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        elif isinstance(value, Mapping):
            below = merged.get(name)
            merged[name] = merge_patch(below if isinstance(below, Mapping) else {}, value)
        else:
            merged[name] = value
    return merged
