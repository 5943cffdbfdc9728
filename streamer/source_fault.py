"""What FFmpeg's errors mean to a user. Read by class name, so that PyAV is not imported here."""

import socket

from streamer.address import Address
from streamer.config import ReadOptions
from streamer.errors import (
    NotAVideoError,
    NoVideoTrackError,
    SourceAccessError,
    SourceAddressError,
    SourceError,
    SourceFolderError,
    SourceLostError,
    SourceMissingError,
    SourceRefusedError,
    SourceStalledError,
    SourceTimeoutError,
    SourceUnknownHostError,
    UndecodableError,
    UnsupportedSourceError,
)

_ACCESS = {"HTTPUnauthorizedError", "HTTPForbiddenError"}
_UNSUPPORTED = {
    "ProtocolNotFoundError",
    "DemuxerNotFoundError",
    "DecoderNotFoundError",
    "OptionNotFoundError",
    "PatchWelcomeError",
}
_TIMEOUT = {"ExitError", "TimeoutError"}
_LOST = {"ConnectionResetError", "ConnectionAbortedError", "BrokenPipeError", "EOFError"}


def explain_fault(error: Exception, address: Address, started: bool = False) -> SourceError:
    """The error of this package that says what FFmpeg's means for this address.

    `started` says that pictures had come: silence then is a stall, not a camera that is off.
    A host that does not resolve is looked up once more: FFmpeg calls it an input/output error.
    """
    name, shown = type(error).__name__, f"'{address.shown}'"
    if started and name in _TIMEOUT:
        return explain_stall(address)
    if address.kind == "network":
        return _explain_network(name, address, shown, error)
    if name in ("FileNotFoundError", "NotADirectoryError"):
        return SourceMissingError(f"There is no file {shown}: check the path.")
    if name == "IsADirectoryError":
        return SourceFolderError(f"{shown} is a folder: name a video in it.")
    if name == "PermissionError":
        return SourceAccessError(f"{shown} may not be read: check its permissions.")
    if name in _UNSUPPORTED:
        return _unsupported(shown, error)
    if name == "InvalidDataError" or isinstance(error, (ValueError, EOFError)):
        return _not_a_video(shown)
    return SourceError(f"{shown} cannot be read: {_reason(error)}.")


def explain_no_video(address: Address, kinds: set[str]) -> SourceError:
    """The error for a source whose tracks are of other kinds, or that has none at all."""
    if not kinds:
        return _not_a_video(f"'{address.shown}'")
    return NoVideoTrackError(
        f"'{address.shown}' has no video track ({', '.join(sorted(kinds))}): "
        "name a source with pictures."
    )


def explain_silence(address: Address) -> SourceTimeoutError:
    """The error for a source that does not answer."""
    return SourceTimeoutError(
        f"'{address.shown}' did not answer in time: check the camera, the network and the firewall."
    )


def explain_stall(address: Address) -> SourceStalledError:
    """The error for a source whose pictures ceased."""
    return SourceStalledError(
        f"'{address.shown}' stopped sending pictures: check the camera and the network."
    )


def explain_undecodable(address: Address) -> UndecodableError:
    """The error for a source of which not one picture decodes."""
    return UndecodableError(
        f"Not one picture of '{address.shown}' could be decoded: it is damaged, or its codec is "
        "not what it says; try to play it with ffplay."
    )


def explain_nothing_read(address: Address, options: ReadOptions, decoded: int) -> SourceError:
    """The error for a file that gave no frame; `decoded` pictures lay outside --from and --to."""
    begin, end = options.from_seconds, options.to_seconds
    if not begin and not (decoded and end is not None):
        return explain_undecodable(address)
    until = "its end" if end is None else f"{end:g} s"
    return SourceAddressError(
        f"'{address.shown}' has no picture between {begin or 0:g} s and {until}: "
        "check --from and --to against its length."
    )


def _explain_network(name: str, address: Address, shown: str, error: Exception) -> SourceError:
    if name in _ACCESS:
        return SourceAccessError(f"{shown} refused the credentials: check user and password.")
    if name == "ConnectionRefusedError":
        return SourceRefusedError(
            f"{shown} refused the connection: is the camera on, and is the port right?"
        )
    if name == "HTTPNotFoundError":
        return SourceMissingError(f"{shown} does not exist on that host: check the path.")
    if name in _TIMEOUT:
        return explain_silence(address)
    if name in _UNSUPPORTED:
        return _unsupported(shown, error)
    if name == "OSError" and not _resolves(address):
        return SourceUnknownHostError(
            f"The host of {shown} does not resolve: check the name and the DNS server."
        )
    if name in _LOST:
        return SourceLostError(f"The connection to {shown} broke: {_reason(error)}.")
    if name == "InvalidDataError":
        return NotAVideoError(f"{shown} answers, but not with a video: check the path.")
    return SourceError(f"{shown} cannot be read: {_reason(error)}.")


def _not_a_video(shown: str) -> NotAVideoError:
    return NotAVideoError(
        f"{shown} is not a video, or too damaged to open: try to play it with ffplay."
    )


def _unsupported(shown: str, error: Exception) -> UnsupportedSourceError:
    return UnsupportedSourceError(
        f"{shown} needs something this build of PyAV lacks ({_reason(error)}): relay it as "
        "RTSP, or install PyAV built against a fuller FFmpeg."
    )


def _reason(error: Exception) -> str:
    # Only FFmpeg's word for the error: its full text repeats the URL, credentials and all.
    return str(getattr(error, "strerror", None) or type(error).__name__).lower()


def _resolves(address: Address) -> bool:
    try:
        socket.getaddrinfo(address.host, address.port)
    except (OSError, UnicodeError):
        return False
    return True
