"""The 1B tower at full size, with random weights, on this machine's CPU: minutes, about 9 GB."""

from pathlib import Path

import numpy as np
import pytest
import torch

from encoder.export import FromPixels, data_file, random_frames
from encoder.internvideo2.config import VARIANTS
from encoder.internvideo2.export import VideoExport, export_video, fused_operators, operators_of
from encoder.internvideo2.initialise import random_tower
from encoder.internvideo2.residuals import residual_peaks
from encoder.session import SessionOptions, open_session
from tests.encoder.internvideo2.towers import pixels_for, space_of

GIGABYTE = 10**9


@pytest.mark.slow
def test_the_1b_tower_says_in_onnx_what_it_says_in_torch(tmp_path: Path) -> None:
    config = VARIANTS["stage2-1b"]
    tower, space = random_tower(config), space_of(config)
    frames = random_frames(1, space)
    with torch.inference_mode():
        wanted = FromPixels(tower, space)(frames).numpy()
    np.testing.assert_allclose(np.linalg.norm(wanted, axis=-1), 1, atol=1e-5)
    made = export_video(tower, tmp_path, space, VideoExport(check=False))
    del tower
    assert data_file(made.path).stat().st_size > 4 * GIGABYTE > 2**31 > made.path.stat().st_size
    session = open_session(made.path, SessionOptions(device="cpu"))
    got = session.run({"frames": frames.numpy()})["embedding"]
    np.testing.assert_allclose(got, wanted, rtol=0, atol=1e-4)


@pytest.mark.slow
def test_the_1b_tower_is_exported_for_tensorrt_from_half_precision(tmp_path: Path) -> None:
    config = VARIANTS["stage2-1b"]
    tower = random_tower(config, dtype=torch.bfloat16)
    made = export_video(tower, tmp_path, space_of(config), VideoExport("fused"))
    found = operators_of(made.path)
    assert {name: found[name] for name in fused_operators(config)} == fused_operators(config)
    assert 2 * GIGABYTE < made.bytes < 2.1 * GIGABYTE
    assert data_file(made.path).is_file()
    peaks = residual_peaks(tower, pixels_for(config, batch=1))
    assert len(peaks) == config.depth
    assert all(np.isfinite(peaks))
