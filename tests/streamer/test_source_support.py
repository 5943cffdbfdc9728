"""What the FFmpeg of this machine can read, asked without reading anything."""

from streamer.ffmpeg.support import decodable, ffmpeg_version, speakable


def test_decoders():
    assert decodable(["h264", "hevc", "mjpeg", "no-such-codec"]) == {"h264", "hevc", "mjpeg"}


def test_an_encoder_alone_is_no_decoder():
    assert decodable(["libx264"]) == set()


def test_schemes():
    assert speakable(["rtsp", "https", "udp", "gopherx"]) == {"rtsp", "https", "udp"}


def test_a_version_is_told():
    assert ffmpeg_version()
