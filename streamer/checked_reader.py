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

from collections.abc import Iterator
from dataclasses import replace

from streamer.address import redact
from streamer.camera_record import CameraRecord
from streamer.camera_url import CameraUrl, is_network
from streamer.config import ReadOptions, StreamerPartConfig
from streamer.connection import ReadFrames
from streamer.errors import SourceAddressError, SourceError
from streamer.evidence.recording import recording
from streamer.frame import Frame
from streamer.redirect import find_redirect
from streamer.registration import check_host, opened_source
from streamer.source_facts import ReadTally
from streamer.source_file import FilePermit

MOST_REDIRECTS = 5


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

        Raises:
            SourceError: it cannot be read, or AddressRefusedError: may not be.
        """
        tally = tally if tally is not None else ReadTally()
        with recording(self._record, self._config.evidence, tally.evidence) as tap:
            options = options if tap is None else replace(options, tap=tap)
            for frame in self._read(source, options, tally):
                yield frame
                if tap is not None:
                    tap.shown(frame.at, frame.clock_source == "file")

    def _read(self, source: str, options: ReadOptions, tally: ReadTally | None) -> Iterator[Frame]:
        if not is_network(source):
            roots = None if self._record.declared else self._config.file_roots
            path = FilePermit(roots).check(source)
            return self._read_frames(path, options, tally)
        opened = opened_source(self._record, self._config.unseal, self._config.environ)
        return self._read_network(CameraUrl.parse(opened), options, tally)

    def _read_network(
        self, url: CameraUrl, options: ReadOptions, tally: ReadTally | None
    ) -> Iterator[Frame]:
        options = replace(options, follow_redirects=False)
        for _ in range(MOST_REDIRECTS + 1):
            check_host(url, self._config.address_policy)
            shown = False
            try:
                for frame in self._read_frames(url.opened, options, tally):
                    shown = True
                    yield frame
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
