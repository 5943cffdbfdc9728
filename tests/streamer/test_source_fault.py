import pytest

from streamer import errors
from streamer.address import Address
from streamer.errors import SourceError
from streamer.source_fault import explain_fault

CAMERA = Address("rtsp://admin:pa55word@127.0.0.1/live", "rtsp", "network")
FILE = Address("/films/a.mp4", "file", "file")


def fault(name: str, text: str = "Some error") -> Exception:
    """An error as PyAV would raise it: its class's name is what counts."""
    error: Exception = type(name, (Exception,), {"strerror": text})(f"{text}: {CAMERA.url}")
    return error


@pytest.mark.parametrize(
    ("name", "expected", "reason"),
    [
        ("HTTPUnauthorizedError", errors.SourceAccessError, "auth"),
        ("HTTPForbiddenError", errors.SourceAccessError, "auth"),
        ("HTTPNotFoundError", errors.SourceMissingError, "unknown"),
        ("ConnectionRefusedError", errors.SourceRefusedError, "refused"),
        ("ExitError", errors.SourceTimeoutError, "timeout"),
        ("TimeoutError", errors.SourceTimeoutError, "timeout"),
        ("ProtocolNotFoundError", errors.UnsupportedSourceError, "unknown"),
        ("ConnectionResetError", errors.SourceLostError, "eof"),
        ("InvalidDataError", errors.NotAVideoError, "decode"),
        ("HTTPServerError", errors.SourceError, "unknown"),
        ("OSError", errors.SourceError, "unknown"),  # the host resolves: it was something else
    ],
)
def test_network_faults(name: str, expected: type[SourceError], reason: str):
    explained = explain_fault(fault(name), CAMERA)
    assert type(explained) is expected
    assert explained.reason == reason
    assert "pa55word" not in str(explained)
    assert "rtsp://***@127.0.0.1/live" in str(explained)


def test_silence_after_pictures_is_a_stall():
    explained = explain_fault(fault("ExitError"), CAMERA, started=True)
    assert isinstance(explained, errors.SourceStalledError)
    assert explained.reason == "stall"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("FileNotFoundError", errors.SourceMissingError),
        ("IsADirectoryError", errors.SourceFolderError),
        ("PermissionError", errors.SourceAccessError),
        ("InvalidDataError", errors.NotAVideoError),
        ("DecoderNotFoundError", errors.UnsupportedSourceError),
        ("BugError", errors.SourceError),
    ],
)
def test_file_faults(name: str, expected: type[SourceError]):
    explained = explain_fault(fault(name), FILE)
    assert type(explained) is expected
    assert "/films/a.mp4" in str(explained)


def test_every_source_error_has_a_reason_the_metrics_know():
    known = {"eof", "timeout", "stall", "auth", "decode", "clock_jump", "refused", "dns", "unknown"}
    found = [each for each in vars(errors).values() if isinstance(each, type)]
    assert all(each.reason in known for each in found if issubclass(each, SourceError))


def test_the_drawn_tree_names_every_error():
    names = [name for name, each in vars(errors).items() if isinstance(each, type)]
    assert all(name in (errors.__doc__ or "") for name in names if name.endswith("Error"))
