import sys

import pytest

from deploy.doctor.media import check_ffmpeg, check_media, codecs_found, schemes_found


def test_the_libraries_here():
    codecs, protocols = check_media()
    assert codecs.status == "ok"
    assert "H.264, HEVC, MJPEG, AV1" in codecs.found
    assert protocols.found.startswith("rtsp, rtmp, http, https, udp")
    assert protocols.status != "fail"


def test_a_codec_that_is_missing():
    few = codecs_found("8.0", ["AV1"])
    assert (few.status, few.found) == ("warn", "FFmpeg 8.0 decodes H.264, HEVC, MJPEG; not AV1")
    assert codecs_found("8.0", ["H.264"]).status == "fail"


def test_a_protocol_that_is_missing():
    assert (schemes_found(["srt"]).status, schemes_found([]).status) == ("warn", "ok")
    assert schemes_found(["rtsp"]).status == "fail"


def test_pyav_that_cannot_be_loaded(monkeypatch: pytest.MonkeyPatch):
    # Importing it raises ImportError
    monkeypatch.setitem(sys.modules, "streamer.ffmpeg.support", None)
    (check,) = check_media()
    assert (check.status, check.found.startswith("PyAV cannot be loaded")) == ("fail", True)


def test_the_program_may_be_absent():
    assert check_ffmpeg(lambda _: None).status == "ok"
    assert check_ffmpeg(lambda _: "/usr/bin/ffmpeg").found == "/usr/bin/ffmpeg"
