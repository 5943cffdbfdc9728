"""How long a commit is waited for before it is taken for lost."""

FIRST_SECONDS = 3.0


class Patience:
    """Short at first, twice as long after each miss in succession, never more than `most` seconds.

    kafka-python loses a request now and then, which a short wait makes cheap. A broker that is
    merely slow is waited for longer each time, and once it is known to be slow, from the first.
    """

    def __init__(self, most: float) -> None:
        self._most = most
        self.seconds = min(FIRST_SECONDS, most)

    def missed(self) -> None:
        """Nothing came in that time."""
        self.seconds = min(2 * self.seconds, self._most)

    def kept(self, took: float) -> None:
        """A commit succeeded within so many seconds."""
        self.seconds = min(max(FIRST_SECONDS, 2 * took), self._most)
