"""What real RTSP cameras send is kept so that all of it decodes, at the times it was seen."""

from collections.abc import Iterator
from pathlib import Path

import av
import pytest

from streamer.config import ReadOptions
from streamer.evidence.played_tap import PlayedTap
from streamer.evidence.recorder import EvidenceRecorder
from streamer.evidence.shelf import open_shelf
from streamer.source import read_frames
from tests.streamer import rtsp_house
from tests.streamer.evidence.recording import config_of, segments_in
from tests.streamer.media import SMALL
from tests.streamer.rtsp_house import LARGER, RESIZABLE, House

KINDS = ("H264", "HEVC", "MJPEG", "B_FRAMES", "VARIABLE", "FEWER")


@pytest.fixture(scope="module")
def house() -> Iterator[House]:
    rtsp_house.need_gstreamer()
    house = House()
    yield house
    house.kill()


def kept_pictures(folder: Path) -> list[tuple[float, int]]:
    """When each picture was seen, by the evidence, and its width."""
    found = []
    for segment in segments_in(open_shelf(str(folder))):
        with av.open(str(folder / segment.name)) as container:
            for picture in container.decode(video=0):
                assert not picture.is_corrupt
                # A segment begins a second after its file's zero
                found.append((segment.start + float(picture.time or 0.0) - 1.0, picture.width))
    return found


def record(house: House, name: str, folder: Path, seconds: float) -> list[float]:
    """Reads for so long; when its pictures were seen."""
    config = config_of(folder)
    recorder = EvidenceRecorder(name, config, open_shelf(config.url))
    tap = PlayedTap(recorder)
    seen: list[float] = []
    frames = read_frames(house.url(name), ReadOptions(name, SMALL, decode="all", tap=tap))
    for frame in frames:
        tap.shown(frame.at, frame.clock_source == "file")
        seen.append(frame.at)
        if frame.at - seen[0] >= seconds:
            break
        if name == "resizable" and len(seen) == 15:
            house.set(name, "size", "caps", LARGER)
    frames.close()  # type: ignore[attr-defined]
    tap.end()
    recorder.close()
    assert recorder.tally.faults == 0, recorder.tally
    return seen


@pytest.mark.parametrize("kind", KINDS)
def test_all_of_it_decodes_at_the_times_it_was_seen(
    kind: str, house: House, tmp_path: Path
) -> None:
    name = kind.lower().replace("_", "-")
    house.mount(name, getattr(rtsp_house, kind))
    seen = record(house, name, tmp_path, 3.0)
    kept = [at for at, _ in kept_pictures(tmp_path)]
    assert kept == sorted(kept)
    # The first pictures may come before a key frame, the last ones be still inside the decoder
    assert len(kept) >= len(seen) - 10
    for at in kept[5:-5]:  # what a clock is corrected by is no jump in the evidence
        assert min(abs(at - other) for other in seen) < 0.1
    # As many by the evidence as were seen, up to each of them
    first = min(range(len(seen)), key=lambda number: abs(seen[number] - kept[5]))
    for number, at in enumerate(kept[5:-5]):
        if first + number < len(seen):
            assert abs(at - seen[first + number]) < 0.15


def test_a_camera_that_changes_its_size(house: House, tmp_path: Path) -> None:
    house.mount("resizable", RESIZABLE)
    record(house, "resizable", tmp_path, 4.0)
    widths = [width for _, width in kept_pictures(tmp_path)]
    assert set(widths) == {128, 256}
    assert widths == sorted(widths)
    for segment in segments_in(open_shelf(str(tmp_path))):  # one size in each
        with av.open(str(tmp_path / segment.name)) as container:
            assert len({picture.width for picture in container.decode(video=0)}) == 1
