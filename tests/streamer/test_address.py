from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.address import PROTOCOLS, find_addresses, open_options, redact
from streamer.clip import ClipFormat
from streamer.config import ReadOptions
from streamer.errors import SourceAddressError, SourceFolderError, SourceMissingError

OPTIONS = ReadOptions("yard", ClipFormat(4, 64, 48))


@pytest.mark.parametrize("scheme", [s for s in PROTOCOLS if s not in ("file", "device")])
def test_every_network_scheme_is_known_and_cannot_reach_files(scheme: str):
    (address,) = find_addresses(f"{scheme.upper()}://user:secret@camera.local:8554/live")
    assert address.scheme == scheme
    assert address.kind == "network"
    assert address.host == "camera.local"
    allowed = open_options(address, OPTIONS)["protocol_whitelist"].split(",")
    assert not {"file", "concat", "subfile", "data", "concatf", "pipe"} & set(allowed)


def test_a_file_may_only_open_files(tmp_path: Path):
    film = tmp_path / "film: part 1.mp4"
    film.touch()
    (address,) = find_addresses(str(film))
    assert address.kind == "file"
    assert open_options(address, OPTIONS) == {"protocol_whitelist": "file"}


def test_rtsp_goes_over_tcp_and_without_sound():
    (address,) = find_addresses("rtsp://camera/live")
    options = open_options(address, OPTIONS)
    assert options["rtsp_transport"] == "tcp"
    assert options["allowed_media_types"] == "video"
    assert int(options["timeout"]) >= 2e6 * OPTIONS.open_timeout_seconds


def test_redirects_are_followed_unless_somebody_else_does():
    (address,) = find_addresses("http://camera/live")
    assert "max_redirects" not in open_options(address, OPTIONS)
    checked = replace(OPTIONS, follow_redirects=False)
    assert open_options(address, checked)["max_redirects"] == "0"


def test_a_glob_is_its_files_in_order(tmp_path: Path):
    for name in ("b.mp4", "a.mp4", "c.txt"):
        (tmp_path / name).touch()
    (tmp_path / "folder.mp4").mkdir()
    found = find_addresses(f"{tmp_path}/*.mp4")
    assert [Path(address.url).name for address in found] == ["a.mp4", "b.mp4"]


def test_a_file_whose_name_looks_like_a_glob_is_that_file(tmp_path: Path):
    (tmp_path / "cam[1].mp4").touch()
    (address,) = find_addresses(f"{tmp_path}/cam[1].mp4")
    assert address.url.endswith("cam[1].mp4")


def test_a_file_url_is_a_file(tmp_path: Path):
    (tmp_path / "a.mp4").touch()
    (address,) = find_addresses(f"file://{tmp_path}/a.mp4")
    assert address.kind == "file"


@pytest.mark.parametrize(
    ("source", "error", "words"),
    [
        ("", SourceAddressError, "empty"),
        ("  ", SourceAddressError, "empty"),
        ("concat://a|b", SourceAddressError, "'concat://' is no source"),
        ("device://x", SourceAddressError, "no source"),
        ("rtsp:///live", SourceAddressError, "names no host"),
        ("/nowhere/film.mp4", SourceMissingError, "no file '/nowhere/film.mp4'"),
        ("/nowhere/*.mp4", SourceAddressError, "No file matches"),
        ("/dev/video99", SourceMissingError, "no device"),
        ("/", SourceFolderError, "is a folder"),
    ],
)
def test_wrong_addresses_say_what_to_do(source: str, error: type[Exception], words: str):
    with pytest.raises(error, match=words.replace("*", r"\*")):
        find_addresses(source)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("rtsp://admin:pa55@10.0.0.2/live", "rtsp://***@10.0.0.2/live"),
        ("rtsp://admin:p@ss@10.0.0.2/live", "rtsp://***@10.0.0.2/live"),
        ("rtsp://admin:p'ss@10.0.0.2/live", "rtsp://***@10.0.0.2/live"),
        ("open 'http://u:p@h/x' failed", "open 'http://***@h/x' failed"),
        ("'http://h' is not for a@b.example", "'http://h' is not for a@b.example"),
        ("udp://@:5000", "udp://@:5000"),
        ("http://h/x?user=a&password=b&fps=5", "http://h/x?user=a&password=***&fps=5"),
        ("http://h/x?access_token=b", "http://h/x?access_token=***"),
        ("srt://h:9?passphrase=12345678", "srt://h:9?passphrase=***"),
        ("rtsp://10.0.0.2/live", "rtsp://10.0.0.2/live"),
        ("mail a@b.example", "mail a@b.example"),
    ],
)
def test_credentials_are_never_shown(text: str, shown: str):
    assert redact(text) == shown


@given(
    st.text(
        st.characters(codec="ascii", exclude_characters="/ @?#", categories=["L", "N", "P"]),
        min_size=4,
    )
)
def test_no_password_survives(password: str):
    secret = f"S{password}S"
    assert secret not in redact(f"rtsp://admin:{secret}@camera/live")
