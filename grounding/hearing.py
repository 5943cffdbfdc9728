"""How long nothing was heard of each camera, by a clock that runs whether clips come or not."""

from collections.abc import Callable, Iterable


class Hearing:
    """Counts each camera's silence from when something of it was read last."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._heard: dict[str, float] = {}

    def hear(self, cameras: Iterable[str]) -> None:
        """Count the cameras' silence from now on."""
        self._heard |= dict.fromkeys(cameras, self._clock())

    def silent(self, seconds: float) -> list[str]:
        """The cameras of which nothing was heard for so long."""
        before = self._clock() - seconds
        return [camera for camera, at in self._heard.items() if at <= before]

    def forget(self, cameras: Iterable[str]) -> None:
        """Nothing more is expected of the cameras."""
        for camera in cameras:
            self._heard.pop(camera, None)
