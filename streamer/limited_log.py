"""Logging that a fault which repeats cannot flood."""

import logging
import threading
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import NamedTuple

MOST_KINDS = 1000  # remembered at a time; the oldest is told and forgotten


class _Key(NamedTuple):
    """What makes messages alike."""

    level: int
    message: str
    about: Hashable


@dataclass(slots=True)
class _Kind:
    """Messages that are alike: when the next may be said, and how many were not."""

    next_at: float
    left_out: int = 0
    last: tuple[object, ...] = ()  # what the last of them said


class LimitedLog:
    """Says a message at most once in so many seconds; the next one tells how many more there were.

    Messages are alike when their format, their level and what they are `about` are the same.
    Nothing is lost silently: `close` tells of those that no later message told of.
    """

    def __init__(
        self,
        logger: logging.Logger,
        seconds: float = 1.0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._logger = logger
        self._seconds = seconds
        self._monotonic = monotonic
        self._kinds: dict[_Key, _Kind] = {}
        self._lock = threading.Lock()

    def warning(self, message: str, *args: object, about: Hashable = None) -> None:
        """Say something that was dealt with."""
        self._say(logging.WARNING, message, args, about)

    def error(self, message: str, *args: object, about: Hashable = None) -> None:
        """Say something that somebody should see to."""
        self._say(logging.ERROR, message, args, about)

    def close(self) -> None:
        """Tell of what was left out."""
        with self._lock:
            kinds, self._kinds = self._kinds, {}
        for key, kind in kinds.items():
            self._tell_rest(key, kind)

    def _say(self, level: int, message: str, args: tuple[object, ...], about: Hashable) -> None:
        key = _Key(level, message, about)
        with self._lock:
            now, kind = self._monotonic(), self._kinds.pop(key, None)
            left_out = kind.left_out if kind else 0
            if kind is not None and now < kind.next_at:
                kind.left_out, kind.last = left_out + 1, args
                self._kinds[key] = kind
                return
            self._kinds[key] = _Kind(now + self._seconds)
            forgotten = self._forget()
        self._tell(key, args, left_out)
        for other, kind in forgotten:
            self._tell_rest(other, kind)

    def _forget(self) -> list[tuple[_Key, _Kind]]:
        """The kinds heard of longest ago, when there are too many."""
        oldest = list(self._kinds)[: max(0, len(self._kinds) - MOST_KINDS)]
        return [(key, self._kinds.pop(key)) for key in oldest]

    def _tell_rest(self, key: _Key, kind: _Kind) -> None:
        if kind.left_out:
            self._tell(key, kind.last, kind.left_out - 1)

    def _tell(self, key: _Key, args: tuple[object, ...], more: int) -> None:
        if more:
            message = key.message if args else key.message.replace("%", "%%")
            self._logger.log(key.level, message + " (%d more like it)", *args, more)
        else:
            self._logger.log(key.level, key.message, *args)
