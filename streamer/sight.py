"""What is seen of a camera, counted over all its connections."""

from collections import Counter
from dataclasses import dataclass, field

from streamer.cut import Outcome
from streamer.source_facts import ReadTally


@dataclass(slots=True, eq=False)
class Sight:
    """Counts that go on from one connection to the next, and where the newest one stands.

    Whoever reads a connection keeps it up to date; the camera looks at it whenever it is told of
    something. `shown_at` (monotonic) and `is_file` are of the newest connection.
    """

    tally: ReadTally = field(default_factory=ReadTally)
    outcomes: Counter[Outcome] = field(default_factory=Counter)
    beginnings: Counter[str] = field(default_factory=Counter)  # sessions by why they began
    lost: int = 0  # clips whose pixels were gone before they could be told
    watched_since: float = 0.0  # UTC seconds; what clips say of themselves
    not_before: float = 0.0  # UTC seconds; no session begins earlier
    newest_at: float = 0.0  # UTC seconds; of the newest frame
    newest_pts: float = 0.0  # seconds into the source: how far it has been read
    shown_at: float | None = None  # of the first picture
    is_file: bool = False

    def begin(self) -> None:
        """A connection is about to be made."""
        self.shown_at, self.is_file = None, False
