"""Reading a registered camera: its secret put in, and where it leads checked, at every opening.

A network camera's host is resolved and judged before each connection, and FFmpeg follows no HTTP
redirect of its own: each is followed here, and judged like the first. What remains unjudged:

* FFmpeg looks the host up once more: a name server that answers differently within milliseconds
  (DNS rebinding) gets past.
* Playlists (HLS) name the hosts of their segments, and those may redirect; RTSP and RTMP servers
  may redirect too. FFmpeg follows, by the protocols of `address.PROTOCOLS` and never to files.

So where cameras are registered by people who are not trusted with the network that the streamer
stands in, the network has to say what the streamer may reach.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TypeVar

from streamer.address import redact
from streamer.camera_record import CameraRecord
from streamer.camera_url import CameraUrl, is_network
from streamer.config import ReadOptions, StreamerPartConfig
from streamer.connection import ReadFrames
from streamer.errors import SourceAddressError, SourceError
from streamer.evidence.played_tap import PlayedTap
from streamer.evidence.recording import recording
from streamer.frame import Frame
from streamer.main_stream import MainStream
from streamer.packet_tap import PacketTap
from streamer.pulse import Deadlines
from streamer.redirect import find_redirect
from streamer.registration import check_host, looked_at, opened_source
from streamer.source_facts import ReadTally
from streamer.source_file import FilePermit

MOST_REDIRECTS = 5

Read = TypeVar("Read")


class CheckedReader:
    """Reads a camera as `read_frames` does, from wherever its record says."""

    def __init__(
        self, record: CameraRecord, config: StreamerPartConfig, read_frames: ReadFrames
    ) -> None:
        self._record = record
        self._config = config
        self._read_frames = read_frames

    def __call__(
        self, source: str, options: ReadOptions, tally: ReadTally | None = None
    ) -> Iterator[Frame]:
        """The frames of the record's source, whose packets are kept as evidence.

        Of a camera with a second source the frames are that one's, and the first is recorded.

        Raises:
            SourceError: it cannot be read, or AddressRefusedError: may not be.
        """
        tally = tally if tally is not None else ReadTally()
        with recording(self._record, self._config.evidence, tally.evidence) as tap:
            if tap is not None and self._record.sub_source is not None:
                yield from self._read_beside_main(options, tally, tap)
                return
            options = options if tap is None else replace(options, tap=tap)
            for frame in self._read(source, options, tally):
                yield frame
                if tap is not None:
                    tap.shown(frame.at, frame.clock_source == "file")

    def _read_beside_main(
        self, options: ReadOptions, tally: ReadTally, tap: PlayedTap
    ) -> Iterator[Frame]:
        def read_main(gate: PacketTap) -> Iterator[float]:
            from streamer.source import tap_packets  # PyAV: only where cameras are read

            main = replace(options, tap=gate, follow_redirects=False)
            url = opened_source(self._record, self._config.unseal, self._config.environ)
            yield from self._follow(
                CameraUrl.parse(url), lambda url: tap_packets(url, main, tally.evidence)
            )

        camera_id, config = self._record.camera_id, self._config
        deadlines = Deadlines(config.open_timeout_seconds, config.read_timeout_seconds)
        tap.shown(time.time(), is_file=False)  # it is live whatever comes, and no picture tells
        with MainStream(
            camera_id, read_main, tap, tally.evidence, config.back_off, deadlines
        ) as main_stream:
            for frame in self._read(self._record.source, options, tally):
                main_stream.check()
                yield frame

    def _read(self, source: str, options: ReadOptions, tally: ReadTally | None) -> Iterator[Frame]:
        if not is_network(source):
            roots = None if self._record.declared else self._config.file_roots
            path = FilePermit(roots).check(source)
            return self._read_frames(path, options, tally)
        record = looked_at(self._record)
        opened = opened_source(record, self._config.unseal, self._config.environ)
        options = replace(options, follow_redirects=False)
        return self._follow(
            CameraUrl.parse(opened), lambda url: self._read_frames(url, options, tally)
        )

    def _follow(self, url: CameraUrl, read: Callable[[str], Iterator[Read]]) -> Iterator[Read]:
        """What is read from where the URL leads."""
        for _ in range(MOST_REDIRECTS + 1):
            check_host(url, self._config.address_policy)
            shown = False
            try:
                for one in read(url.opened):
                    shown = True
                    yield one
                return
            except SourceError as error:
                target = None if shown else self._target(url, error)
                if target is None:
                    raise
            url = target
        raise SourceAddressError(
            f"'{redact(self._record.source)}' redirects more than {MOST_REDIRECTS} times: register "
            "where it leads instead."
        )

    def _target(self, url: CameraUrl, error: SourceError) -> CameraUrl | None:
        # FFmpeg calls a redirect that it may not follow an input/output error
        if url.scheme not in ("http", "https") or type(error) is not SourceError:
            return None
        return find_redirect(url, self._config.open_timeout_seconds)
