"""Packets as they come from a camera, on clocks that only go as the script says."""

import logging
import struct
from collections.abc import Iterator
from fractions import Fraction
from types import SimpleNamespace
from typing import cast

import pytest

from streamer.address import Address
from streamer.clip import ClipFormat
from streamer.clock import MediaClock
from streamer.config import ReadOptions
from streamer.ffmpeg.decoding import Reading
from streamer.ffmpeg.opening import Opened
from streamer.ffmpeg.packet_dates import DatedPackets
from streamer.live_clock import AGREEING_SECONDS
from streamer.packet_times import Stamp
from streamer.source_facts import ReadTally

WALL = 1_700_000_000.0
FPS = 25
SECOND = 90_000
READY = 50  # packets that FFmpeg read ahead


class Script:
    """Both clocks, and the packets of a camera that was opened two seconds ago."""

    def __init__(self, packets: int, delay: float = 0.2, says: float | None = 0.0) -> None:
        self.monotonic_seconds = 2.0
        self._packets, self._delay, self._says = packets, delay, says

    def time(self) -> float:
        return WALL + self.monotonic_seconds

    def monotonic(self) -> float:
        return self.monotonic_seconds

    def demux(self, _stream: object) -> Iterator[object]:
        for number in range(self._packets):
            if number >= READY:
                due = number / FPS + self._delay
                # Waited for, by more than what counts as lying ready
                self.monotonic_seconds = max(due, self.monotonic_seconds + 0.02)
            yield ScriptedPacket(number, self._told(number))

    def _told(self, number: int) -> float | None:
        """A report comes with the hundredth packet."""
        return None if self._says is None or number < 100 else WALL + self._says + number / FPS


class ScriptedPacket:
    """What is looked at of a packet to date it."""

    size = 1

    def __init__(self, number: int, told: float | None) -> None:
        self.pts = self.dts = number * SECOND // FPS
        self._told = told

    def has_sidedata(self, kind: str) -> bool:
        return kind == "prft" and self._told is not None

    def get_sidedata(self, _kind: str) -> bytes:
        assert self._told is not None
        return struct.pack("=q", round(self._told * 1e6))


@pytest.fixture
def date(monkeypatch: pytest.MonkeyPatch):
    def date(script: Script) -> list[Stamp]:
        monkeypatch.setattr("streamer.ffmpeg.packet_dates.time", script)
        stream = SimpleNamespace(time_base=Fraction(1, SECOND), start_time=0)
        container = SimpleNamespace(demux=script.demux, start_time_realtime=None)
        source = SimpleNamespace(
            container=container,
            stream=stream,
            seconds=2.0,
            is_undated=False,
            media_clock=lambda: MediaClock(1 / SECOND, 0, float(FPS)),
        )
        address = Address("rtsp://camera/live", "rtsp", "network")
        options = ReadOptions("yard", ClipFormat(frames=1, width=1, height=1))
        reading = Reading(address, options, ReadTally())
        return [stamp for _, _, stamp in DatedPackets(cast(Opened, source), reading)]

    return date


def test_what_was_read_ahead_is_dated_when_it_was_sent(date) -> None:
    stamps = date(Script(100, says=None))
    at = [stamp.at - WALL for stamp in stamps]
    assert at == pytest.approx([0.2 + number / FPS for number in range(100)], abs=0.02)
    assert {stamp.clock_source for stamp in stamps} == {"arrival"}


def test_the_cameras_time_is_slewed_to_and_then_exact(date) -> None:
    stamps = date(Script(400))
    at = [stamp.at - WALL for stamp in stamps]
    # What is called the camera's time is it, by so much
    errors = [abs(seconds - number / FPS) for number, seconds in enumerate(at)]
    told = [number for number, stamp in enumerate(stamps) if stamp.clock_source == "rtp"]
    assert max(errors[number] for number in told) <= AGREEING_SECONDS
    assert set(range(250, 400)) <= set(told)
    assert errors[-1] == pytest.approx(0.0, abs=0.01)
    assert {stamp.clock_source for stamp in stamps[:100]} == {"arrival"}
    assert {stamp.timeline for stamp in stamps} == {0}


def test_a_camera_whose_clock_is_wrong_is_dated_by_arrival(
    date, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        stamps = date(Script(400, says=-3600.0))
    at = [stamp.at - WALL for stamp in stamps]
    assert at == pytest.approx([0.2 + number / FPS for number in range(400)], abs=0.02)
    assert {stamp.clock_source for stamp in stamps} == {"arrival"}
    (said,) = [record.message for record in caplog.records]
    assert "its clock is 3600.2 s slow" in said
