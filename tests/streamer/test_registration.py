import socket
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.address_policy import AddressPolicy
from streamer.camera_record import CameraRecord, Credentials
from streamer.config import refuse_to_unseal
from streamer.errors import (
    AddressRefusedError,
    EntityInvalidError,
    SourceAccessError,
    SourceAddressError,
    SourceFolderError,
)
from streamer.registration import (
    CameraRegistration,
    keeps_credentials,
    opened_source,
    shown_source,
)

HOME = AddressPolicy(loopback=False, private=True)


def seal(text: str) -> str:
    return text.encode().hex()


def unseal(text: str) -> str:
    return bytes.fromhex(text).decode()


@pytest.fixture(autouse=True)
def names(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name server that knows some hosts; addresses stand for themselves."""
    known = {"camera": "192.168.1.20", "meta": "169.254.169.254", "self": "127.0.0.1"}

    def find(host: str, port: int | None, **_: object) -> list[tuple]:
        if not (address := known.get(host, host if host[0].isdigit() else None)):
            raise socket.gaierror("unknown")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port or 0))]

    monkeypatch.setattr("streamer.address_policy.socket.getaddrinfo", find)


@pytest.fixture
def registration(tmp_path: Path) -> CameraRegistration:
    return CameraRegistration((tmp_path,), HOME, seal)


def record(source: str, credentials: Credentials | None = None) -> CameraRecord:
    return CameraRecord(camera_id="yard", source=source, credentials=credentials)


# -- where the secret goes ----------------------------------------------------------------------


def test_user_info_is_sealed_and_opened_again(registration: CameraRegistration):
    given_url = "rtsp://admin:p%40ss%2F%25@camera:8554/live?profile=2"
    source, credentials = registration.prepare(f" {given_url} ")
    assert source == "rtsp://camera:8554/live?profile=2"
    assert credentials == Credentials(sealed=seal("admin:p@ss/%"))
    assert opened_source(record(source, credentials), unseal, {}) == given_url


def test_a_source_without_a_secret_stays_as_it_is(registration: CameraRegistration):
    assert registration.prepare("rtsp://camera/live") == ("rtsp://camera/live", None)
    assert opened_source(record("rtsp://camera/live"), refuse_to_unseal, {}) == "rtsp://camera/live"
    assert opened_source(record("/film.mp4"), refuse_to_unseal, {}) == "/film.mp4"


def test_a_secret_in_the_environment(registration: CameraRegistration, tmp_path: Path):
    source, credentials = registration.prepare("rtsp://camera/live", "WATCHWORD_CAMERA_YARD")
    assert credentials == Credentials(environment="WATCHWORD_CAMERA_YARD")
    camera = record(source, credentials)
    opened = "rtsp://admin:p%40ss@camera/live"
    assert opened_source(camera, unseal, {"WATCHWORD_CAMERA_YARD": "admin:p@ss"}) == opened
    (tmp_path / "secret").write_text("admin:p@ss\n")
    environ = {"WATCHWORD_CAMERA_YARD_FILE": str(tmp_path / "secret")}
    assert opened_source(camera, unseal, environ) == opened


@pytest.mark.parametrize(
    ("name", "environ", "words"),
    [
        ("WATCHWORD_CAMERA_YARD", {}, "neither is set"),
        ("WATCHWORD_CAMERA_YARD", {"WATCHWORD_CAMERA_YARD_FILE": "/none"}, "'/none'"),
        ("HOME", {"HOME": "/root"}, "only variables WATCHWORD_CAMERA_"),
    ],
)
def test_a_secret_that_is_not_to_be_had(name: str, environ: dict[str, str], words: str):
    camera = record("rtsp://camera/live", Credentials(environment=name))
    with pytest.raises(SourceAccessError, match=words):
        opened_source(camera, unseal, environ)


def test_sealed_without_a_key_says_what_to_set():
    with pytest.raises(SourceAccessError, match=r"secrets\.key_file"):
        opened_source(record("rtsp://camera/", Credentials(sealed="x")), refuse_to_unseal, {})


@pytest.mark.parametrize(
    "name", ["HOME", "WATCHWORD_CAMERA_", "WATCHWORD_CAMERA_yard", "WATCHWORD_CAMERA_A_FILE", ""]
)
def test_only_variables_meant_for_it_may_be_named(registration: CameraRegistration, name: str):
    with pytest.raises(EntityInvalidError, match="credentials_environment"):
        registration.prepare("rtsp://camera/live", name)


@pytest.mark.parametrize(
    ("source", "name", "words"),
    [
        ("rtsp://admin:pa55@camera/", "WATCHWORD_CAMERA_A", "one of both"),
        ("film.mp4", "WATCHWORD_CAMERA_A", "a file or device has none"),
        ("udp://admin:pa55@camera:9", None, "udp knows no user"),
        ("http://camera/?token=***", None, "give the whole URL"),
        ("  ", None, "'source' is empty"),
    ],
)
def test_what_cannot_be_meant(
    registration: CameraRegistration, source: str, name: str | None, words: str
):
    with pytest.raises(EntityInvalidError, match=words) as caught:
        registration.prepare(source, name)
    assert "pa55" not in str(caught.value)


def test_without_a_key_user_info_is_refused_and_not_repeated(tmp_path: Path):
    with pytest.raises(EntityInvalidError, match=r"secrets\.key_file") as caught:
        CameraRegistration((tmp_path,), HOME).prepare("rtsp://admin:pa55@camera/")
    assert "pa55" not in str(caught.value)


def test_a_token_among_the_parameters_is_kept_and_not_shown(registration: CameraRegistration):
    source, _ = registration.prepare("http://camera/x?token=abc&fps=5")
    assert source == "http://camera/x?token=abc&fps=5"
    assert shown_source(record(source)) == "http://camera/x?token=***&fps=5"


@pytest.mark.parametrize(
    ("source", "keeps"),
    [
        ("rtsp://camera/other?x", True),
        ("rtsp://CAMERA:554/live", True),
        ("rtsp://camera:8554/live", False),
        ("rtsps://camera/live", False),
        ("rtsp://attacker/live", False),
        ("/film.mp4", False),
    ],
)
def test_credentials_stay_with_their_camera(source: str, keeps: bool):
    assert keeps_credentials("rtsp://camera/live", source) == keeps


SECRET = st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=8)


@given(
    password=SECRET,
    scheme=st.sampled_from(["rtsp:", "http:", "udp:", "gopher:", "rtsp::", "rtsp", " "]),
)
def test_no_secret_is_stored_in_the_clear_or_said(password: str, scheme: str):
    assert password not in answer(f"{scheme}//admin:{password}@camera/live")


def answer(source: str) -> str:
    """What is stored, or the sentence that refuses it."""
    try:
        return str(CameraRegistration((), HOME, seal).prepare(source))
    except (SourceAddressError, EntityInvalidError) as error:
        return str(error)


# -- where it may lead --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "source", ["http://169.254.169.254/latest", "rtsp://meta/x", "http://self:80/", "rtmp://[::1]/"]
)
def test_where_no_camera_may_lead(registration: CameraRegistration, source: str, monkeypatch):
    if "[" in source:
        monkeypatch.undo()
    with pytest.raises(AddressRefusedError):
        registration.prepare(source)


@pytest.mark.parametrize("source", ["rtsp://off/live", "udp://@239.0.0.1:5000", "udp://:5000"])
def test_a_camera_may_be_off(registration: CameraRegistration, source: str):
    assert registration.prepare(source)[1] is None


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("gopher://camera/", "'gopher://' is no source"),
        ("concat://a|b", "no URL|no source"),
        ("rtsp:///live", "names no host"),
    ],
)
def test_what_is_no_camera(registration: CameraRegistration, source: str, words: str):
    with pytest.raises(SourceAddressError, match=words):
        registration.prepare(source)


def test_files_below_the_roots(registration: CameraRegistration, tmp_path: Path):
    (tmp_path / "a.mp4").touch()
    for source in (f"{tmp_path}/a.mp4", f"file://{tmp_path}/a.mp4", f"{tmp_path}/x/../a.mp4"):
        assert registration.prepare(source) == (f"{tmp_path}/a.mp4", None)
    assert registration.prepare(f"{tmp_path}/later.mp4") == (f"{tmp_path}/later.mp4", None)
    with pytest.raises(SourceFolderError):
        registration.prepare(str(tmp_path))


@pytest.mark.parametrize("source", ["/etc/hostname", "/dev/video0", "file:///etc/hostname"])
def test_other_files_and_devices_are_declared_only(registration: CameraRegistration, source: str):
    with pytest.raises(AddressRefusedError):
        registration.prepare(source)
    assert registration.prepare(source, declared=True)[0] == source.removeprefix("file://")
