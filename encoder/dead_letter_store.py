"""What the routes of dead letters need of a store."""

from collections.abc import Sequence
from typing import Protocol

from encoder.stored_dead_letter import DeadLetter, DeadLetterFilter, WholeDeadLetter


class DeadLetterStore(Protocol):
    """The newest dead letters. `by` names who asked; a write is durable on return."""

    def page(self, wanted: DeadLetterFilter, before: int, limit: int) -> Sequence[DeadLetter]:
        """Up to `limit` with sequences below `before`, newest first; 0 begins with the newest."""

    def get(self, letter_id: str) -> WholeDeadLetter:
        """The dead letter with its record.

        Raises:
            EntityNotFoundError: there is none of that id.
        """

    def note_replay(self, letter_id: str, by: str) -> DeadLetter:
        """Note that it was replayed now.

        Raises:
            EntityNotFoundError: it was removed meanwhile.
        """
