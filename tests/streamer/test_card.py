"""Decoding on a card, with a card that is played: when it is asked, and what becomes of a no."""

from collections.abc import Callable
from pathlib import Path

import av
import av.error
import numpy as np
import pytest
from av.video.frame import VideoFrame

import streamer.ffmpeg.card
from streamer.address import find_addresses
from streamer.clip import ClipFormat
from streamer.config import Decoder, ReadOptions
from streamer.errors import CardDecodingError, SourceError, UndecodableError
from streamer.ffmpeg import sparing_decoder
from streamer.ffmpeg.card import open_card
from streamer.ffmpeg.painter import Painter
from streamer.frame import Frame
from streamer.resizing import KERNELS
from streamer.source import probe, read_frames
from streamer.source_facts import ReadTally
from tests.streamer.media import SMALL, Video, draw, read_number, write_video

HARDWARE = av.error.ExternalError(-542398533, "Generic error in an external library")


class Card:
    """Plays the card: FFmpeg gets nothing of it, and decodes on the processor as ever."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked = 0  # connections that were opened with it
        self.fault: Exception | None = None
        self.has_decoder = True
        self.takes_picture = True
        self._open = av.open
        monkeypatch.setattr(streamer.ffmpeg.card, "HWAccel", self._make)
        monkeypatch.setattr(streamer.ffmpeg.card, "hwdevices_available", lambda: ["cuda"])
        monkeypatch.setattr(av, "open", self._opened)
        choice = streamer.ffmpeg.card.CardChoice
        takes, look = choice.takes_codec, choice.look_at_first
        monkeypatch.setattr(choice, "takes_codec", lambda of, _: takes(of, self._context()))
        monkeypatch.setattr(choice, "look_at_first", lambda of, _: look(of, self._context()))

    def _make(self, kind: str, allow_software_fallback: bool, options: object) -> "Card":
        assert (kind, allow_software_fallback) == ("cuda", True)
        return self

    def create(self, codec: object) -> None:
        if self.fault is not None:
            raise self.fault

    def _opened(self, *words: object, hwaccel: object = None, **options: object) -> object:
        self.asked += hwaccel is not None
        return self._open(*words, **options)

    def _context(self) -> object:
        class Context:
            name, profile = "h264", "High"
            is_hwaccel = self.has_decoder
            pix_fmt = "cuda" if self.takes_picture else "yuv420p"

        return Context()


@pytest.fixture
def card(monkeypatch: pytest.MonkeyPatch) -> Card:
    return Card(monkeypatch)


@pytest.fixture
def film(tmp_path: Path) -> Path:
    return write_video(tmp_path / "film.mp4", Video(), 20)


def read(film: Path, decoder: Decoder, tally: ReadTally | None = None) -> list[Frame]:
    return list(read_frames(str(film), ReadOptions("door", SMALL, decoder=decoder), tally))


def test_the_processor_never_asks_the_card(card: Card, film: Path) -> None:
    tally = ReadTally()
    assert len(read(film, "cpu", tally)) == 20
    assert (card.asked, tally.decoder, tally.card_refusals) == (0, "cpu", 0)


@pytest.mark.parametrize("decoder", ["auto", "cuda"])
def test_a_card_that_can_decodes(card: Card, film: Path, decoder: Decoder) -> None:
    tally = ReadTally()
    assert len(read(film, decoder, tally)) == 20
    assert (card.asked, tally.decoder, tally.card_refusal) == (1, "cuda", "")


def no_driver(card: Card) -> None:
    card.fault = av.error.PermissionError(1, "Operation not permitted")


def no_memory(card: Card) -> None:
    card.fault = HARDWARE


def no_decoder(card: Card) -> None:
    card.has_decoder = False


def no_profile(card: Card) -> None:
    card.takes_picture = False


REFUSALS = [
    (no_memory, "the card cannot be used (generic error in an external library)"),
    (no_decoder, "the card has no decoder for h264"),
    (no_profile, "the card does not take h264, profile High"),
]


@pytest.mark.parametrize(("break_it", "why"), REFUSALS)
def test_what_the_card_cannot_do_the_processor_does_from_then_on(
    card: Card, film: Path, break_it: Callable[[Card], None], why: str
) -> None:
    break_it(card)
    tally = ReadTally()
    assert len(read(film, "auto", tally)) == 20
    assert (tally.decoder, tally.card_refusals, tally.card_refusal) == ("cpu", 1, why)
    asked = card.asked
    assert len(read(film, "auto", tally)) == 20
    assert (card.asked, tally.card_refusals) == (asked, 1)


def test_where_there_is_no_card_nothing_is_amiss(card: Card, film: Path) -> None:
    no_driver(card)
    tally = ReadTally()
    assert len(read(film, "auto", tally)) == 20
    assert (card.asked, tally.decoder, tally.card_refusals) == (0, "cpu", 0)


@pytest.mark.parametrize(
    ("break_it", "why"), [*REFUSALS, (no_driver, "there is no NVIDIA driver here")]
)
def test_where_it_must_be_the_card_it_is_a_fault_with_a_sentence(
    card: Card, film: Path, break_it: Callable[[Card], None], why: str
) -> None:
    break_it(card)
    with pytest.raises(CardDecodingError) as caught:
        read(film, "cuda")
    assert f"{why}: set the camera's decoder to auto or cpu" in str(caught.value)
    assert "film.mp4" in str(caught.value)
    assert isinstance(caught.value, SourceError)


def test_an_ffmpeg_without_cuda_has_no_card(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streamer.ffmpeg.card, "hwdevices_available", lambda: ["vaapi"])
    with pytest.raises(av.error.PermissionError):
        open_card()


def test_decoders_share_a_context_where_they_may(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []

    class Accelerator:
        def __init__(self, kind: str, allow_software_fallback: bool, options: dict) -> None:
            self._options = options

        def create(self, codec: object) -> None:
            asked.append(self._options)
            if self._options:
                raise av.error.OSError(95, "Operation not supported")

    monkeypatch.setattr(streamer.ffmpeg.card, "HWAccel", Accelerator)
    monkeypatch.setattr(streamer.ffmpeg.card, "hwdevices_available", lambda: ["cuda"])
    assert open_card()._options == {}
    assert asked == [{"primary_ctx": "1"}, {}]


def test_a_file_of_which_the_card_decodes_nothing_is_read_again(
    card: Card, film: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = sparing_decoder.decode

    def decode(packet, reading):
        return [] if reading.is_on_card else real(packet, reading)

    monkeypatch.setattr(sparing_decoder, "decode", decode)
    tally = ReadTally()
    assert [read_number(frame.pixels) for frame in read(film, "auto", tally)] == list(range(20))
    assert (tally.decoder, tally.card_refusals) == ("cpu", 1)
    with pytest.raises(CardDecodingError, match="its pictures do not decode there"):
        read(film, "cuda")


def test_a_camera_whose_card_gives_up_is_read_on_the_processor_next(
    card: Card, film: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = sparing_decoder.decode

    def decode(packet, reading):
        if reading.is_on_card and reading.pictures >= 5:
            raise UndecodableError("not one more")
        return real(packet, reading)

    monkeypatch.setattr(sparing_decoder, "decode", decode)
    tally = ReadTally()
    with pytest.raises(UndecodableError):
        read(film, "auto", tally)
    assert tally.card_refusal == "its pictures do not decode there"
    assert len(read(film, "auto", tally)) == 20
    assert card.asked == 1


def test_probing_tells_where_it_was_decoded(card: Card, film: Path) -> None:
    def decoded(decoder: Decoder) -> tuple[str, str]:
        facts = probe(str(film), ReadOptions("probe", SMALL, decoder=decoder))
        return facts.decoder, facts.card_refusal

    assert decoded("auto") == ("cuda", "")
    assert decoded("cpu") == ("cpu", "")
    card.takes_picture = False
    assert decoded("auto") == ("cpu", "the card does not take h264, profile High")


# -- pictures as they come down from a card -------------------------------------------------------


def pixels_of(picture: VideoFrame, kernel: str, film: Path) -> np.ndarray:
    form = ClipFormat(frames=4, width=64, height=48, kernel=kernel)
    (address,) = find_addresses(str(film))
    return Painter(ReadOptions("door", form), address, ReadTally()).paint(picture)()


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize(
    ("before", "after"),
    [("yuv420p", "nv12"), ("yuv420p10le", "p010le"), ("yuv420p16le", "p016le")],
)
def test_pictures_of_a_card_are_painted_as_those_of_the_processor(
    kernel: str, before: str, after: str, film: Path
) -> None:
    rng = np.random.default_rng(5)
    colour = np.repeat(np.repeat(rng.integers(0, 256, (24, 32, 3), np.uint8), 4, 0), 4, 1)
    for drawn in (colour, draw(1234)):
        there = VideoFrame.from_ndarray(drawn, "rgb24").reformat(format=before)
        down = there.reformat(format=after)  # the same numbers, in another order
        assert down.format.name == after
        np.testing.assert_array_equal(pixels_of(there, kernel, film), pixels_of(down, kernel, film))


def test_pictures_of_full_range_stay_so_on_a_card(film: Path) -> None:
    there = VideoFrame.from_ndarray(draw(1234), "rgb24").reformat(format="yuvj420p")
    luma, blue, red = np.split(there.to_ndarray().reshape(-1), [96 * 128, 96 * 128 * 5 // 4])
    both = np.stack([blue, red], axis=-1).reshape(48, 128)  # [H / 2, W]
    down = VideoFrame.from_ndarray(np.concatenate([luma.reshape(96, 128), both]), "nv12")
    down.color_range = 2
    np.testing.assert_array_equal(pixels_of(there, "area", film), pixels_of(down, "area", film))
