"""What this machine's FFmpeg can read."""

import shutil
from collections.abc import Callable, Iterator

from deploy.doctor.check import Check, fail, ok, warn

# What cameras send, by the decoders of FFmpeg that will do
CODECS = {
    "H.264": ("h264",),
    "HEVC": ("hevc",),
    "MJPEG": ("mjpeg",),
    "AV1": ("libdav1d", "libaom-av1"),  # FFmpeg's own needs a card
}
NEEDED = {"H.264"}
SCHEMES = ("rtsp", "rtmp", "http", "https", "udp", "srt")
NEEDED_SCHEMES = {"rtsp", "http"}
_WHEELS = "reinstall PyAV from its wheel: pip install --force-reinstall --no-cache-dir av"


def check_media() -> Iterator[Check]:
    """Decoders and protocols, of the libraries that PyAV brought."""
    try:
        from streamer.ffmpeg.support import decodable, ffmpeg_version, speakable
    except ImportError as error:
        yield fail("video", f"PyAV cannot be loaded: {error}", _WHEELS)
        return
    here = decodable(name for names in CODECS.values() for name in names)
    missing = [codec for codec, names in CODECS.items() if not here & set(names)]
    version = ffmpeg_version()
    yield codecs_found(version, missing)
    yield schemes_found([scheme for scheme in SCHEMES if scheme not in speakable(SCHEMES)])


def codecs_found(version: str, missing: list[str]) -> Check:
    """What is decoded."""
    found = f"FFmpeg {version} decodes {', '.join(one for one in CODECS if one not in missing)}"
    if not missing:
        return ok("video codecs", found)
    lacking = f"{found}; not {', '.join(missing)}"
    if NEEDED & set(missing):
        return fail("video codecs", lacking, _WHEELS)
    return warn("video codecs", lacking, f"choose another codec in such cameras, or {_WHEELS}")


def schemes_found(missing: list[str]) -> Check:
    """How cameras can be reached."""
    found = ", ".join(scheme for scheme in SCHEMES if scheme not in missing)
    if not missing:
        return ok("protocols", found)
    lacking = f"{found}; not {', '.join(missing)}"
    if NEEDED_SCHEMES & set(missing):
        return fail("protocols", lacking, _WHEELS)
    fix = (
        "have such cameras send another, or build PyAV with an FFmpeg that speaks it "
        "(pip install --no-binary av av)"
    )
    return warn("protocols", lacking, fix)


def check_ffmpeg(which: Callable[[str], str | None] = shutil.which) -> Check:
    """The program: never needed, sometimes handy."""
    path = which("ffmpeg")
    return ok("ffmpeg", path or "not installed, and not needed: PyAV brings its libraries")
