"""Which cameras are live, and which are films: for the one kind the clock on the wall goes on."""

from collections.abc import Collection, Iterable

from encoder.embedding import ClipEmbedding


class CameraKinds:
    """The kind of each camera, by its newest clip.

    A film is over once somebody says so, until more comes of it.
    """

    def __init__(self) -> None:
        self._live: set[str] = set()
        self._films: dict[str, bool] = {}  # whether they are over

    @property
    def live(self) -> Collection[str]:
        """The live cameras."""
        return self._live

    def is_over(self, camera_id: str) -> bool:
        """Whether it is a film of which nothing more comes."""
        return self._films.get(camera_id, False)

    def note(self, embedding: ClipEmbedding) -> bool:
        """Take in a clip; whether it is of a live camera."""
        is_live = embedding.clock_source != "file"
        self.set(embedding.camera_id, is_live)
        return is_live

    def set(self, camera_id: str, is_live: bool) -> None:
        """It is of this kind; a film goes on."""
        self.forget(camera_id)
        if is_live:
            self._live.add(camera_id)
        else:
            self._films[camera_id] = False

    def end_films(self, cameras: Iterable[str]) -> list[str]:
        """Those of the cameras that are films are over; which of them were not before, sorted."""
        ended = sorted(one for one in cameras if self._films.get(one) is False)
        self._films |= dict.fromkeys(ended, True)
        return ended

    def forget(self, camera_id: str) -> None:
        """Nothing is known of it."""
        self._live.discard(camera_id)
        self._films.pop(camera_id, None)
