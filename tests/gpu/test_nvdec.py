"""NVDEC beside the processor's decoders, on a real card."""

from pathlib import Path

import av.error
import numpy as np
import pytest

from streamer.clip import Clip, ClipFormat
from streamer.config import ReadOptions
from streamer.cut import cut_clips
from streamer.errors import CardDecodingError
from streamer.ffmpeg.card import open_card
from streamer.source import probe, read_frames
from streamer.source_facts import ReadTally
from tests.streamer.media import Video, write_video

FORMAT = ClipFormat(frames=4, width=224, height=224)
PICTURES = 60

pytestmark = pytest.mark.gpu


@pytest.fixture(autouse=True)
def card() -> None:
    try:
        open_card()
    except av.error.FFmpegError as error:
        pytest.skip(f"no card that decodes: {error.strerror}")


def clips_of(film: Path, decoder: str) -> tuple[list[Clip], ReadTally]:
    tally = ReadTally()
    options = ReadOptions("door", FORMAT, decoder=decoder)  # type: ignore[arg-type]
    return list(cut_clips(read_frames(str(film), options, tally), FORMAT)), tally


@pytest.mark.parametrize(
    "video",
    [
        Video(width=640, height=360),
        Video(width=640, height=360, codec="libx265"),
        Video(width=640, height=360, codec="libx265", pixel_format="yuv420p10le"),
        Video(width=640, height=360, rotation=90),
    ],
    ids=["h264", "hevc", "hevc, 10 bits", "turned"],
)
def test_clips_are_those_of_the_processor(tmp_path: Path, video: Video) -> None:
    film = write_video(tmp_path / "film.mp4", video, PICTURES)
    expected, on_processor = clips_of(film, "cpu")
    clips, on_card = clips_of(film, "cuda")
    assert (on_processor.decoder, on_card.decoder) == ("cpu", "cuda")
    assert [(clip.session, clip.index, clip.start) for clip in clips] == [
        (clip.session, clip.index, clip.start) for clip in expected
    ]
    assert clips
    for clip, same in zip(clips, expected, strict=True):
        apart = np.abs(clip.frames.astype(np.int16) - same.frames.astype(np.int16))
        assert apart.mean() < 0.5


def test_what_no_card_takes_falls_back(tmp_path: Path) -> None:
    """H.264 of 4:4:4, which NVDEC has never taken."""
    video = Video(width=640, height=360, pixel_format="yuv444p")
    film = write_video(tmp_path / "film.mp4", video, PICTURES)
    expected, _ = clips_of(film, "cpu")
    clips, tally = clips_of(film, "auto")
    assert (tally.decoder, tally.card_refusals) == ("cpu", 1)
    np.testing.assert_array_equal(
        [clip.frames for clip in clips], [clip.frames for clip in expected]
    )
    with pytest.raises(CardDecodingError):
        clips_of(film, "cuda")


def test_probing_tells_that_it_was_the_card(tmp_path: Path) -> None:
    film = write_video(tmp_path / "film.mp4", Video(), 10)
    facts = probe(str(film), ReadOptions("probe", FORMAT, decoder="auto"))
    assert (facts.decoder, facts.pixel_format) == ("cuda", "nv12")
