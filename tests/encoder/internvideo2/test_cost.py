"""The cost model against section 4.2 of the model's description: GFLOP a clip, at 224 pixels."""

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from encoder.internvideo2.config import VARIANTS
from encoder.internvideo2.cost import attention_share, clip_flops
from encoder.internvideo2.initialise import random_tower
from tests.encoder.internvideo2.towers import DISTILLED, STAGE2, pixels_for

TABLE = {
    "clip-s14": {1: "12.4", 4: "64.0", 8: "166.5", 16: "487.7"},
    "clip-b14": {1: "46.9", 4: "216.2", 8: "509.5", 16: "1328"},
    "clip-l14": {1: "163", 4: "727.9", 8: "1661", 16: "4147"},
    "stage2-1b": {1: "536", 4: "2315.5", 8: "5101", 16: "12090"},
    "stage2-6b": {1: "3084", 4: "12783", 8: "26842", 16: "58826"},
}


@pytest.mark.parametrize("variant", TABLE)
def test_the_published_towers_cost_what_the_table_says(variant: str) -> None:
    for frames, wanted in TABLE[variant].items():
        digits = len(wanted.partition(".")[2])
        found = clip_flops(VARIANTS[variant], frames) / 1e9
        assert found == pytest.approx(float(wanted), abs=0.55 * 10**-digits, rel=0), frames


def test_the_share_of_attention_grows_with_the_frames() -> None:
    shares = {t: round(100 * attention_share(VARIANTS["stage2-1b"], t)) for t in (4, 8, 16)}
    assert shares == {4: 10, 8: 19, 16: 31}


@pytest.mark.parametrize("config", [STAGE2, DISTILLED], ids=["stage2", "distilled"])
def test_torch_counts_the_same(config) -> None:
    tower = random_tower(config)
    plain = sdpa_kernel(SDPBackend.MATH)  # the counter does not know the CPU's fused attention
    with plain, FlopCounterMode(display=False) as counter, torch.no_grad():
        tower(pixels_for(config, batch=1))
    assert clip_flops(config) == counter.get_total_flops()
