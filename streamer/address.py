"""Camera addresses: what kind they are, what FFmpeg may open for them, and how they are shown."""

import glob
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from streamer.camera_url import CameraUrl, is_broken_url
from streamer.config import ReadOptions
from streamer.errors import SourceAddressError, SourceFolderError, SourceMissingError
from streamer.redaction import redact as redact  # said of everything that is shown of an address
from streamer.redaction import redact_source

Kind = Literal["file", "device", "network"]

# What FFmpeg may open once the scheme is known. A playlist or a redirect can name any URL, so
# none of the network lists holds file, concat, subfile or data.
PROTOCOLS = {
    "rtsp": "rtp,udp,tcp",
    "rtsps": "rtp,srtp,udp,tcp,tls",
    "rtmp": "rtmp,tcp",
    "rtmps": "rtmps,rtmp,tcp,tls",
    "http": "http,https,tcp,tls,crypto",
    "https": "http,https,tcp,tls,crypto",
    "srt": "srt",
    "udp": "udp",
    "file": "file",
    "device": "file",
}

_SCHEME = re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]*)://")


@dataclass(frozen=True, slots=True)
class Address:
    """Where pictures come from; `url` is what FFmpeg opens and may hold credentials."""

    url: str
    scheme: str
    kind: Kind

    @property
    def shown(self) -> str:
        """The address as messages and logs may say it."""
        return redact(self.url)

    @property
    def host(self) -> str:
        """The host name of a network address."""
        return urlsplit(self.url).hostname or ""

    @property
    def port(self) -> int | None:
        """The port of a network address, if it names one."""
        try:
            return urlsplit(self.url).port
        except ValueError:  # "rtsp://camera:port/"
            return None


def find_addresses(source: str) -> list[Address]:
    """The addresses a source stands for: one, or the sorted files of a glob.

    Raises:
        SourceAddressError: no source, no URL, an unknown scheme, or a glob that matches nothing.
        SourceMissingError: no such file or device.
        SourceFolderError: the path is a folder.
    """
    if not source.strip() or "\0" in source:
        raise SourceAddressError("The source is empty: give a file, a glob, a device or a URL.")
    if match := _SCHEME.match(source.strip()):
        return [_url_address(source.strip(), match[1].lower())]
    try:
        return _path_addresses(source)
    except OSError as error:  # a name that is too long, a folder that may not be looked into
        raise SourceAddressError(
            f"'{redact_source(source)}' is no path to a video: {why_no_path(error)}."
        ) from error


def why_no_path(error: OSError) -> str:
    """What the system says against a path."""
    return (error.strerror or type(error).__name__).lower()


def open_options(address: Address, options: ReadOptions) -> dict[str, str]:
    """FFmpeg's options for an address: what it may open, and how long it waits."""
    # FFmpeg's own timeouts are the second net: they end in misleading errors, so PyAV's, which
    # are half as long, must come first.
    patience = 2 * max(options.open_timeout_seconds, options.read_timeout_seconds)
    microseconds = str(int(patience * 1e6))
    chosen = {"protocol_whitelist": PROTOCOLS[address.scheme]}
    match address.scheme:
        case "rtsp" | "rtsps":
            # Sound is not even set up: cameras then send half the packets.
            kinds = "video+audio" if options.sound_too else "video"
            chosen |= {"allowed_media_types": kinds, "timeout": microseconds}
            chosen["rtsp_transport"] = options.rtsp_transport
        case "http" | "https":
            # HLS: begin with the newest segment, not the third last, which lags and comes at once.
            chosen |= {"rw_timeout": microseconds, "live_start_index": "-1"}
            if not options.follow_redirects:
                chosen["max_redirects"] = "0"
        case "rtmp" | "rtmps":
            chosen["rw_timeout"] = microseconds
        case "udp":
            chosen |= {"timeout": microseconds, "overrun_nonfatal": "1", "fifo_size": "50000"}
        case "srt":
            chosen |= {"rw_timeout": microseconds, "connect_timeout": "5000"}
    return chosen


def _url_address(source: str, scheme: str) -> Address:
    if scheme == "file":
        return _file_address(Path(source[len("file://") :]))
    if scheme not in PROTOCOLS or scheme == "device":
        raise SourceAddressError(
            f"'{scheme}://' is no source Watchword reads: use rtsp, rtsps, rtmp, rtmps, http, "
            "https, srt, udp, a device, a file or a glob of files."
        )
    url = CameraUrl.parse(source)
    if not url.host and scheme != "udp":
        raise SourceAddressError(f"'{url.public}' names no host: write {scheme}://HOST/PATH.")
    return Address(url.opened, scheme, "network")


def _path_addresses(source: str) -> list[Address]:
    path = Path(source)
    if is_broken_url(source) and not os.path.lexists(path):
        raise SourceAddressError(  # not repeated: it may hold a password
            "The source is neither a URL nor a file: write SCHEME://HOST/PATH, or the path of a "
            "file."
        )
    if path.is_char_device() or source.startswith("/dev/"):
        return [_device_address(path)]
    if path.exists() or not glob.has_magic(source):
        return [_file_address(path)]
    found = [Path(name) for name in sorted(glob.glob(source, recursive=True))]
    files = [_file_address(path) for path in found if path.is_file()]
    if not files:
        raise SourceAddressError(
            f"No file matches '{redact_source(source)}': check the folder and the pattern."
        )
    return files


def _device_address(path: Path) -> Address:
    if not path.exists():
        raise SourceMissingError(
            f"There is no device '{redact_source(str(path))}': is the camera plugged in?"
        )
    return Address(str(path), "device", "device")


def _file_address(path: Path) -> Address:
    if path.is_dir():
        raise SourceFolderError(
            f"'{path}' is a folder: name a video in it, or all of them as '{path}/*.mp4'."
        )
    if not path.exists():
        raise SourceMissingError(f"There is no file '{redact_source(str(path))}': check the path.")
    # An absolute path cannot be taken for a URL, whatever colons its name holds.
    return Address(str(path.resolve()), "file", "file")
