"""Ids of what is registered: cameras are named by people, everything else by the server."""

import difflib
import re
import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol, TypeVar

from streamer.errors import EntityInvalidError, EntityNotFoundError

ENTITY_ID = r"^[a-z0-9][a-z0-9-]{0,62}$"
_PAGE = 200


def check_camera_id(camera_id: str) -> str:
    """The id; raises EntityInvalidError if it cannot name a camera."""
    if not re.fullmatch(ENTITY_ID.strip("^$"), camera_id):
        shown = camera_id if len(camera_id) <= 80 else camera_id[:80] + "..."
        raise EntityInvalidError(
            f"'{shown}' cannot name a camera: use 1 to 63 lower-case letters, digits and '-', "
            "beginning with a letter or digit."
        )
    return camera_id


def make_id() -> str:
    """A new id: 12 hexadecimal digits."""
    return secrets.token_hex(6)


Entity = TypeVar("Entity", covariant=True)


class Listed(Protocol[Entity]):
    """A store, as far as ids are looked up in it."""

    def get(self, entity_id: str, /) -> Entity:
        """The entity; raises EntityNotFoundError."""

    def page(self, after: str, limit: int) -> Sequence[Entity]:
        """Up to `limit` entities with ids after `after`, in the order of ids."""


def check_known(
    patterns: Iterable[str], what: str, store: Listed[Entity], id_of: Callable[[Entity], str]
) -> None:
    """Refuse an id without `*` that nothing has: what it names would never be seen.

    Raises EntityInvalidError, with the nearest id there is.
    """
    for pattern in patterns:
        if "*" in pattern:
            continue
        try:
            store.get(pattern)
        except EntityNotFoundError as error:
            known = list(_ids(store, id_of))
            raise EntityInvalidError(_unknown(pattern, what, known)) from error


def _unknown(name: str, what: str, known: Sequence[str]) -> str:
    sentence = f"There is no {what} '{name}'"
    if near := difflib.get_close_matches(name, known, n=1):
        return f"{sentence}: is '{near[0]}' meant?"
    if not known:
        return f"{sentence}: none is registered yet, add it first."
    return f"{sentence}: add it first, or name them with a pattern, as in '{name[:8]}*'."


def _ids(store: Listed[Entity], id_of: Callable[[Entity], str]) -> Iterator[str]:
    after = ""
    while page := store.page(after, _PAGE):
        ids = [id_of(entity) for entity in page]
        yield from ids
        after = ids[-1]
