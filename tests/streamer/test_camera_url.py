from urllib.parse import quote, unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.address import redact
from streamer.camera_url import CameraUrl, is_network, is_url
from streamer.errors import SourceAddressError


@pytest.mark.parametrize(
    ("text", "user_info", "public", "place"),
    [
        ("rtsp://camera/live", None, "rtsp://camera/live", ("rtsp", "camera", 554)),
        ("RTSP://Camera:8554", None, "rtsp://Camera:8554", ("rtsp", "camera", 8554)),
        ("rtsp://admin@camera/", "admin", "rtsp://camera/", ("rtsp", "camera", 554)),
        ("rtsp://a:b%40%2F@camera/x", "a:b@/", "rtsp://camera/x", ("rtsp", "camera", 554)),
        ("rtsp://a:p@ss@camera/x", "a:p@ss", "rtsp://camera/x", ("rtsp", "camera", 554)),
        ("http://:@camera/x?y=/@", None, "http://camera/x?y=/@", ("http", "camera", 80)),
        ("http://[::1]:81/x", None, "http://[::1]:81/x", ("http", "[::1]", 81)),
        ("https://h?a=1#b", None, "https://h?a=1#b", ("https", "h", 443)),
        ("udp://@239.0.0.1:5000", None, "udp://239.0.0.1:5000", ("udp", "239.0.0.1", 5000)),
        ("udp://:5000", None, "udp://:5000", ("udp", "", 5000)),
    ],
)
def test_the_parts_of_a_url(text: str, user_info: str | None, public: str, place: tuple):
    url = CameraUrl.parse(text)
    assert (url.user_info, url.public, url.place) == (user_info, public, place)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("camera/live", "is no URL"),
        ("rtsp://admin:pa55/word@camera/live", "is no URL"),
        ("rtsp://admin:55/pa55word@camera/live", "'/' as %2F"),
        ("rtsp://admin:55?pa55word@camera/live", r"'\?' as %3F"),
        ("http://pa55[::1]/", "is no URL"),
        ("http://[::1]pa55/", "is no URL"),
        ("http://good\\@pa55/", "is no URL"),
        ("http://camera/pa55 word", "is no URL"),
        ("rtsp://camera/pa55\r\nOPTIONS *", "is no URL"),
        ("http://kämera/pa55", "is no URL"),
        ("http://camera:0/pa55", "Port 0"),
        ("http://camera:65536/pa55", "Port 65536"),
        ("rtsp://admin:%E9pa55@camera/", "not UTF-8"),
        ("rtsp://ad%3Amin:pa55@camera/", "':'"),
    ],
)
def test_what_parsers_might_read_differently_is_refused_and_not_repeated(text: str, words: str):
    with pytest.raises(SourceAddressError, match=words) as caught:
        CameraUrl.parse(text)
    assert "pa55" not in str(caught.value)


NAMES = st.text(st.characters(codec="utf-8", exclude_characters=":"), min_size=1)


@given(user=NAMES, password=st.text(st.characters(codec="utf-8"), min_size=1))
def test_user_info_survives_sealing_and_opening(user: str, password: str):
    given_url = f"rtsp://{quote(user, safe='')}:{quote(password, safe='')}@camera:8554/live?x=1"
    url = CameraUrl.parse(given_url)
    assert url.user_info == f"{user}:{password}"
    assert url.public == "rtsp://camera:8554/live?x=1"
    opened = urlsplit(url.opened)
    assert (unquote(opened.username or ""), unquote(opened.password or "")) == (user, password)
    assert (opened.hostname, opened.port) == ("camera", 8554)
    assert CameraUrl.parse(url.opened) == url
    assert redact(url.opened) == "rtsp://***@camera:8554/live?x=1"


@given(st.text(max_size=40).map(lambda rest: "http://" + rest))
def test_the_host_that_is_checked_is_the_host_that_is_dialled(text: str):
    try:
        url = CameraUrl.parse(text)
    except SourceAddressError:
        return
    opened = urlsplit(url.opened)
    assert (opened.hostname or "") == url.host.strip("[]").lower()
    assert opened.port == url.port


@pytest.mark.parametrize(
    ("location", "opened"),
    [
        ("/b", "http://u:p@camera/b"),
        ("b?c", "http://u:p@camera/a/b?c"),
        ("http://camera:80/b", "http://u:p@camera:80/b"),
        ("http://camera:81/b", "http://camera:81/b"),
        ("https://camera/b", "https://camera/b"),
        ("http://other/b", "http://other/b"),
        ("http://x:y@other/b", "http://x:y@other/b"),
    ],
)
def test_a_redirect_takes_credentials_along_to_the_same_server_only(location: str, opened: str):
    assert CameraUrl.parse("http://u:p@camera/a/a").redirected(location).opened == opened


def test_what_is_a_url():
    assert is_url("rtsp://camera/live")
    assert is_network("rtsp://camera/live")
    assert is_url("FILE:///film.mp4")
    assert not is_network("FILE:///film.mp4")
    assert not is_url("film: part 1.mp4")
