"""What a tap is given of a source: every packet, and what they are, when that changes too."""

from pathlib import Path

from streamer.config import ReadOptions
from streamer.source import read_frames
from tests.streamer.coded import NO_B_FRAMES, Coded, write_coded
from tests.streamer.kept import Kept
from tests.streamer.media import SMALL, START, read_number


def test_every_packet_of_a_file_is_tapped_whatever_is_decoded(tmp_path: Path):
    path = write_coded(tmp_path / "film.mp4", Coded(), 100)
    kept = Kept()
    options = ReadOptions("yard", SMALL, start=START, decode="keyframes", tap=kept)
    frames = list(read_frames(str(path), options))
    assert len(frames) == 2
    assert len(kept.packets) == 100
    assert sum(is_keyframe for _, is_keyframe, _ in kept.packets) == 2
    assert sorted(at for _, _, at in kept.packets)[99] > START + 3.9
    assert {frame.at for frame in frames} <= {at for _, _, at in kept.packets}
    (facts,) = kept.facts
    assert (facts.codec, facts.width, facts.height) == ("h264", 128, 96)
    assert facts.extradata
    assert kept.ended == 1


def test_another_size_is_told_before_the_packets_that_have_it(tmp_path: Path):
    large = write_coded(tmp_path / "large.ts", Coded(options=NO_B_FRAMES), 50)
    small = write_coded(tmp_path / "small.ts", Coded(options=NO_B_FRAMES, size=(64, 48)), 50)
    both = tmp_path / "both.ts"
    both.write_bytes(large.read_bytes() + small.read_bytes())
    order: list[object] = []

    class Noting(Kept):
        def begin(self, stream) -> None:
            super().begin(stream)
            order.append((stream.width, stream.height))

        def packet(self, data, pts, dts, is_keyframe, at) -> None:
            super().packet(data, pts, dts, is_keyframe, at)
            order.append(is_keyframe)

    kept = Noting()
    frames = [
        read_number(frame.pixels)
        for frame in read_frames(str(both), ReadOptions("yard", SMALL, decode_threads=1, tap=kept))
    ]
    assert frames[:50] == list(range(50))
    assert frames[-40:] == list(range(10, 50))
    sizes = [(facts.width, facts.height) for facts in kept.facts]
    assert sizes == [(128, 96), (64, 48)]
    assert kept.facts[1].extradata is None, "what the stream brought at first is over"
    assert order[order.index((64, 48)) + 1] is True, "a key frame is the first of them"


def test_a_reader_that_is_closed_ends_the_tap(tmp_path: Path):
    kept = Kept()
    path = write_coded(tmp_path / "film.mp4", Coded(), 100)
    frames = read_frames(str(path), ReadOptions("yard", SMALL, tap=kept))
    next(frames)
    frames.close()  # type: ignore[attr-defined]
    assert kept.ended == 1
