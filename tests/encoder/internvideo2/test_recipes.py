import numpy as np
import pytest

from encoder.internvideo2.config import VARIANTS
from encoder.internvideo2.recipes import IMAGENET_MEAN, IMAGENET_STD, RECIPES, space_of
from streamer.resizing import KERNELS

STAGE2 = VARIANTS["stage2-1b"]


def test_sg_detrs_two_normalisations_are_one_step() -> None:
    pixels = np.random.default_rng(0).random((5, 3))
    once = (pixels - IMAGENET_MEAN) / IMAGENET_STD
    twice = (once * 0.225 + 0.45 - IMAGENET_MEAN) / IMAGENET_STD
    recipe = RECIPES["sg-detr"]
    np.testing.assert_allclose((pixels - recipe.mean) / recipe.std, twice, atol=1e-12)
    assert np.abs(twice - once).max() > 0.01  # it is not the identity


def test_the_evaluation_normalises_by_imagenet() -> None:
    recipe = RECIPES["evaluation"]
    assert (recipe.mean, recipe.std) == (IMAGENET_MEAN, IMAGENET_STD)


def test_the_recipes_are_spaces_of_their_own() -> None:
    spaces = {name: space_of(name, "internvideo2-x", STAGE2, 2.0) for name in RECIPES}
    assert spaces["sg-detr"].id != spaces["evaluation"].id
    for name, space in spaces.items():
        assert space.model == f"internvideo2-x-{name}"
        assert space.kernel in KERNELS
        assert (space.dims, space.frames_per_clip, space.width, space.height) == (512, 4, 224, 224)
        assert space.clip_format.instants == RECIPES[name].instants


@pytest.mark.parametrize("name", ["sg-detr", "evaluation"])
def test_a_recipe_says_what_it_is_not(name: str) -> None:
    assert RECIPES[name].limit.endswith(".")
