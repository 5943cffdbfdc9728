"""Of a file that is read at the fastest pace nothing is recorded: it is there."""

from pathlib import Path

import pytest

from streamer.camera_record import CameraRecord
from streamer.config import Pace
from streamer.evidence.recording import recording
from streamer.evidence.tally import EvidenceTally
from tests.streamer.evidence.recording import config_of


@pytest.mark.parametrize(("pace", "is_recorded"), [("own", True), ("fastest", False)])
def test_a_film_is_its_own_evidence(pace: Pace, is_recorded: bool, tmp_path: Path) -> None:
    record = CameraRecord(camera_id="yard", source="/videos/a.mp4", pace=pace)
    config = config_of(tmp_path / "evidence")
    with recording(record, config, EvidenceTally()) as tap:
        assert (tap is not None) is is_recorded
