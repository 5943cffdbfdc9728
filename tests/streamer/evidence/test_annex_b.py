"""Packets of MP4 and FLV become packets as streams carry them."""

from pathlib import Path

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.evidence.annex_b import AnnexB
from tests.streamer.evidence.recording import make_video
from tests.streamer.media import Video

START_CODE = b"\x00\x00\x00\x01"


def packets_of(path: Path) -> tuple[bytes, list[tuple[bytes, bool]]]:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        found = [(bytes(one), one.is_keyframe) for one in container.demux(stream) if one.size]
        return stream.codec_context.extradata or b"", found


@pytest.mark.parametrize(("codec", "name"), [("libx264", "h264"), ("libx265", "hevc")])
def test_it_is_what_the_stream_itself_decodes(codec: str, name: str, tmp_path: Path) -> None:
    options = {"x265-params": "log-level=none"} if name == "hevc" else {}
    path = make_video(tmp_path / "video.mp4", Video(codec=codec), 25, options)
    extradata, packets = packets_of(path)
    assert extradata[0] == 1  # lengths, and parameter sets apart
    annex_b = AnnexB(name, extradata)
    assert annex_b.parameters.startswith(START_CODE)
    decoder = av.CodecContext.create(name, "r")  # knows nothing of the stream
    pictures = []
    for data, is_keyframe in packets:
        converted = annex_b.convert(data, is_keyframe)
        assert converted.startswith(START_CODE)
        assert converted.startswith(annex_b.parameters) == is_keyframe
        pictures += decoder.decode(av.Packet(converted))
    pictures += decoder.decode(None)
    assert len(pictures) == 25


def test_what_has_start_codes_stays_as_it_is(tmp_path: Path) -> None:
    extradata, packets = packets_of(make_video(tmp_path / "video.ts", Video(), 25))
    annex_b = AnnexB("h264", extradata)
    for data, is_keyframe in packets:
        assert annex_b.convert(data, is_keyframe) == data  # its key frames bring the parameters


def test_other_codecs_stay_as_they_are() -> None:
    assert AnnexB("mjpeg", None).convert(b"anything", True) == b"anything"


@given(st.sampled_from(["h264", "hevc"]), st.binary(max_size=60), st.binary(max_size=80))
def test_garbage_raises_nothing(codec: str, extradata: bytes, packet: bytes) -> None:
    for record in (extradata, b"\x01" + extradata):
        assert isinstance(AnnexB(codec, record).convert(packet, True), bytes)
