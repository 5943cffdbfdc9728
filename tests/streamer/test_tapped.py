"""What a tap is given of a source: every packet, and what they are, when that changes too."""

from pathlib import Path

import pytest

from streamer.config import ReadOptions
from streamer.errors import SourceLostError, UndecodableError
from streamer.ffmpeg.decoding import Tapped
from streamer.source import read_frames, tap_packets
from streamer.source_facts import ReadTally
from tests.streamer.coded import NO_B_FRAMES, Coded, write_coded
from tests.streamer.kept import Kept
from tests.streamer.media import SMALL, START, Video, read_number, write_video


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


def test_how_a_stream_is_turned_is_known_of_it_though_nothing_is_decoded(tmp_path: Path):
    path = write_video(tmp_path / "turned.mp4", Video(rotation=90), 25)
    looked_at, recorded = Kept(), Kept()
    list(read_frames(str(path), ReadOptions("yard", SMALL, tap=looked_at)))
    with pytest.raises(SourceLostError):
        list(tap_packets(str(path), ReadOptions("yard", SMALL, tap=recorded)))
    assert recorded.facts[0].display_matrix
    assert recorded.facts == looked_at.facts
    assert len(recorded.packets) == len(looked_at.packets) == 25


def test_packets_of_which_nothing_decodes_do_not_wait_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """As of a file that plays as a camera: it would be held whole."""
    path = write_coded(tmp_path / "film.mp4", Coded(options=NO_B_FRAMES), 100)
    monkeypatch.setattr("streamer.ffmpeg.sparing_decoder.decode", lambda *_: [])
    monkeypatch.setattr("streamer.ffmpeg.decoding.MOST_WAITING_BYTES", 500)
    kept, tally, most = Kept(), ReadTally(), []
    wait = Tapped._wait

    def noting(tapped: Tapped, size: int) -> None:
        wait(tapped, size)
        most.append(sum(packet.size for packet, _ in tapped._waiting))

    monkeypatch.setattr(Tapped, "_wait", noting)
    with pytest.raises(UndecodableError):
        list(read_frames(str(path), ReadOptions("yard", SMALL, tap=kept), tally))
    assert kept.packets == []
    assert len(most) == 100
    assert max(most) <= 500
    assert tally.evidence.packets_dropped == 100
