"""What stands in messages and logs of an address: never its password, however cameras take it."""

import logging
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from streamer.address import find_addresses
from streamer.address_policy import AddressPolicy
from streamer.errors import StreamerError
from streamer.redaction import redact, redact_source
from streamer.registration import CameraRegistration
from streamer.source_fault import explain_fault, explain_silence, explain_stall
from streamer.source_file import FilePermit

# How cameras are told who asks; {} is the password
PARAMETERS = [
    "rtsp://10.0.0.2:554/user=admin_password={}_channel=1_stream=0.sdp?real_stream",
    "rtsp://10.0.0.2:554/user=admin&password={}&channel=1&stream=0.sdp",
    "rtsp://10.0.0.2/user=admin_password={}",
    "http://10.0.0.2/videostream.cgi?loginuse=admin&loginpas={}",
    "http://10.0.0.2/video?usr=admin&pw={}",
    "http://10.0.0.2/video?usr=admin&pwd={}&fps=5",
    "http://10.0.0.2/video?user=admin&passwd={}",
    "http://10.0.0.2/video?u=admin&p={}",
    "http://10.0.0.2/video?auth={}",
    "http://10.0.0.2/video?access_token={}&fps=5",
    "https://10.0.0.2/webapi?api=x&_sid={}",
    "http://10.0.0.2/video?apikey={}",
    "srt://10.0.0.2:9?passphrase={}",
]
URLS = ["rtsp://admin:{}@10.0.0.2/live", "rtmp://admin:{}@10.0.0.2/live", *PARAMETERS]
MISTYPED = [
    "10.0.0.2:554/user=admin&password={}",
    "10.0.0.2:554/user=admin_password={}_channel=1_stream=0.sdp",
    "10.0.0.2/videostream.cgi?loginuse=admin&loginpas={}",
    "/rtsp:/admin:{}@cam*",
    "rtsp:/admin:{}@cam",
    "rtsp//admin:{}@cam",
    "./rtsp//admin:{}@cam*",
    "admin:{}@10.0.0.2/live",
    "7:{}@10.0.0.2/live*",
    "/dev/admin:{}@cam",
    "file:///nowhere/admin:{}@cam",
]

# No blank: it ends a URL; none of what parts it, which has to be encoded
IN_A_URL = st.text(
    st.characters(codec="ascii", categories=["L", "N", "P", "S"], exclude_characters="/@?#&\\"),
    min_size=4,
).map(lambda text: f"S{text}S")
TYPED = st.text(
    st.characters(codec="utf-8", categories=["L", "N", "P", "S", "Zs"], exclude_characters="&"),
    min_size=4,
).map(lambda text: f"S{text}S")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (
            "rtsp://h/user=admin_password=tlJwpbo6_channel=1_stream=0.sdp?real_stream",
            "rtsp://h/user=admin_password=***_channel=1_stream=0.sdp?real_stream",
        ),
        (
            "rtsp://h/user=admin&password=a_b&channel=2&stream=0.sdp",
            "rtsp://h/user=admin&password=***&channel=2&stream=0.sdp",
        ),
        ("http://h/v?loginuse=a&loginpas=b&x=1", "http://h/v?loginuse=a&loginpas=***&x=1"),
        ("http://h/v?usr=a&pw=b", "http://h/v?usr=a&pw=***"),
        ("http://h/v?u=a&p=b", "http://h/v?u=a&p=***"),
        ("http://h/v?page=a&p=2", "http://h/v?page=a&p=2"),
        ("http://h/v?password=a;b'c\"d", "http://h/v?password=***"),
        ("open 'http://h/v?pwd=b': no", "open 'http://h/v?pwd=***': no"),
        ('{"url":"http://h/v?pwd=b","n":1}', '{"url":"http://h/v?pwd=***","n":1}'),
        ("of 'rtsp:/admin:pa55@cam*'", "of 'rtsp:/***@cam*'"),
        ("http://h/v?bypass=1&compass=2", "http://h/v?bypass=***&compass=***"),
        ("http://h/keyboard=1/passage=2", "http://h/keyboard=1/passage=2"),
        ("a record with key=yard", "a record with key=yard"),
    ],
)
def test_what_is_left_of_a_text(text: str, shown: str) -> None:
    assert redact(text) == shown


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("/rtsp:/admin:pa/55@cam*", "/***@cam*"),
        ("10.0.0.2:554/user=a&password=my pass&x=1", "10.0.0.2:554/user=a&password=***&x=1"),
        ("/films/yard 1.mp4", "/films/yard 1.mp4"),
        ("/films/*@yard.mp4", "/films/*@yard.mp4"),
    ],
)
def test_what_is_left_of_a_source(source: str, shown: str) -> None:
    assert redact_source(source) == shown


@pytest.mark.parametrize("url", URLS)
@given(password=IN_A_URL)
@settings(max_examples=30, deadline=None)
def test_no_password_of_a_url_is_shown_or_said(url: str, password: str) -> None:
    source = url.format(quote(password, safe="") if "@" in url else password)
    (address,) = find_addresses(source)
    said = [address.shown]
    for explain in (explain_silence, explain_stall):
        said.append(str(explain(address)))
    said.append(str(explain_fault(ConnectionRefusedError(source), address)))
    assert "10.0.0.2" in address.shown
    for text in said:
        assert password not in text
        assert quote(password, safe="") not in text


@pytest.mark.parametrize("url", URLS)
@given(password=IN_A_URL)
@settings(max_examples=30, deadline=None)
def test_no_password_of_a_url_is_logged(url: str, password: str) -> None:
    assume(not any(f"{quotes}{end}" in password for quotes in "'\"" for end in ",:;.)]}>"))
    source = url.format(password)
    for text in (
        f"reading {source} failed",
        f"reading '{source}': it broke",
        f'{{"a":"{source}"}}',
    ):
        record = logging.LogRecord("streamer", logging.INFO, "", 0, text, None, None)
        assert password not in redact(record.getMessage())


def said_of(work: Callable[[], object]) -> str:
    try:
        return str(work())
    except StreamerError as error:
        return str(error)


@pytest.mark.parametrize("source", MISTYPED)
@given(password=TYPED)
@settings(max_examples=30, deadline=None)
def test_no_password_of_a_mistyped_url_is_said(source: str, password: str) -> None:
    typed = source.format(password)
    registration = CameraRegistration((Path("/films"),), AddressPolicy(loopback=True, private=True))
    for work in (
        lambda: find_addresses(typed),
        lambda: FilePermit((Path("/films"),)).check(typed),
        lambda: FilePermit(()).check(typed),
        lambda: registration.prepare(typed),
    ):
        assert password not in said_of(work)


def test_a_long_text_is_redacted_at_once() -> None:
    """Not a second for each thousand letters, as a careless expression would take."""
    for part in ("_", "/a", "password=", "?u=a", "_channel=1", "'", "://a"):
        assert redact(part * 20_000)
