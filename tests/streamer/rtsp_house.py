"""A house full of RTSP cameras (GStreamer), and what they send."""

import json
import subprocess
from pathlib import Path

from tests.requirements import skip_or_fail

PYTHON = "/usr/bin/python3"
_IMPORTS = (
    'import gi; gi.require_version("GstRtspServer", "1.0"); import gi.repository.GstRtspServer'
)
_BALL = "videotestsrc is-live=true pattern=ball"
_RAW = "video/x-raw,format=I420,width=128,height=96"
_X264 = "x264enc tune=zerolatency speed-preset=ultrafast key-int-max=10"
_PAY = "rtph264pay name=pay0 pt=96 config-interval=-1"


def _pipeline(*steps: str) -> str:
    return f"( {' ! '.join(steps)} )"


H264 = _pipeline(_BALL, f"{_RAW},framerate=10/1", _X264, _PAY)
HEVC = _pipeline(
    _BALL,
    f"{_RAW},framerate=10/1",
    "x265enc tune=zerolatency speed-preset=ultrafast key-int-max=10",
    "rtph265pay name=pay0 pt=96 config-interval=-1",
)
MJPEG = _pipeline(_BALL, f"{_RAW},framerate=10/1", "jpegenc", "rtpjpegpay name=pay0 pt=26")
B_FRAMES = _pipeline(
    _BALL,
    f"{_RAW},framerate=10/1",
    "x264enc bframes=2 b-adapt=false speed-preset=ultrafast key-int-max=10 rc-lookahead=2",
    _PAY,
)
VARIABLE = _pipeline(_BALL, f"{_RAW},framerate=20/1", "identity drop-probability=0.5", _X264, _PAY)
# 25 pictures a second by what the stream says of itself, 21 that come
FEWER = _pipeline(
    _BALL, f"{_RAW},framerate=21/1", 'capssetter caps="video/x-raw,framerate=25/1"', _X264, _PAY
)
SOUND = "( audiotestsrc is-live=true ! alawenc ! rtppcmapay name=pay0 pt=8 )"
STOPPABLE = _pipeline(_BALL, f"{_RAW},framerate=10/1", "valve name=valve", _X264, _PAY)
RESIZABLE = _pipeline(
    _BALL,
    "video/x-raw,format=I420,framerate=10/1",
    "videoscale",
    "capsfilter name=size caps=video/x-raw,width=128,height=96",
    _X264,
    _PAY,
)
LARGER = "video/x-raw,width=256,height=144"


class House:
    """A server of its own process; `mount` makes cameras, `kill` is kill -9."""

    def __init__(self, *credentials: str, port: int = 0) -> None:
        script = str(Path(__file__).with_name("rtsp_cameras.py"))
        self.process = subprocess.Popen(
            [PYTHON, script, str(port), *credentials],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline())

    def mount(self, name: str, pipeline: str) -> str:
        """The address of a camera."""
        self._tell("mount", f"/{name}", pipeline)
        return self.url(name)

    def set(self, name: str, element: str, key: str, text: str) -> None:
        """Change what plays there."""
        self._tell("set", f"/{name}", element, key, text)

    def cut(self, name: str) -> None:
        """Hang up on everybody."""
        self._tell("cut", f"/{name}")

    def url(self, name: str, user_info: str = "", port: int | None = None) -> str:
        at = f"{user_info}@" if user_info else ""
        return f"rtsp://{at}127.0.0.1:{port or self.port}/{name}"

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()

    def _tell(self, *words: str) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(words) + "\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "ok\n"


def need_gstreamer() -> None:
    """Skips the test, or fails where it is promised, without GStreamer's RTSP server."""
    try:
        subprocess.run([PYTHON, "-c", _IMPORTS], check=True, capture_output=True, timeout=60)
    except (OSError, subprocess.SubprocessError):
        skip_or_fail("rtsp", f"{PYTHON} cannot import gi.repository.GstRtspServer")
