"""Training presets: the published figures, and a schedule that follows them."""

import pytest

from grounding.sgdetr import recipes
from grounding.sgdetr.recipes import Schedule

ALL = [
    recipes.qvhighlights,
    recipes.pretraining,
    recipes.qvhighlights_finetuning,
    recipes.charades,
    recipes.charades_finetuning,
    recipes.tacos,
    recipes.tacos_finetuning,
    recipes.tvsum,
    recipes.youtube,
]


@pytest.mark.parametrize("make", ALL)
def test_rates_rise_from_start_to_peak_and_then_only_fall(make):
    recipe = make()
    rates = [recipe.schedule.rate(epoch) for epoch in range(recipe.epochs)]
    warm = recipe.schedule.warmup_epochs
    assert rates[0] == recipe.schedule.start
    assert rates[:warm] == sorted(rates[:warm])
    assert rates[warm:] == sorted(rates[warm:], reverse=True)
    assert max(rates) <= recipe.schedule.peak == 5e-4


def test_milestones_halve_the_rate_of_qvhighlights():
    schedule = recipes.qvhighlights().schedule
    assert schedule.rate(45) == schedule.rate(99) == 5e-4
    assert schedule.rate(100) == 2.5e-4
    assert schedule.rate(125) == 1.25e-4


def test_milestones_inside_the_warm_up_count_after_it():
    """TVSum's milestones (12, 18) lie before the end of its warm-up (20)."""
    assert Schedule(0.0, 1.0, 20, (12, 18), 0.5).rate(20) == 0.25


def test_all_runs_share_clipping_and_the_saliency_heads_decay():
    for make in ALL:
        recipe = make()
        assert (recipe.clip_norm, recipe.saliency_weight_decay, recipe.patience) == (0.1, 0.1, 250)


def test_data_sets_bring_their_own_network():
    assert recipes.charades().model.atss_top_k == 18
    assert recipes.tacos().model.pooling_layers == 1
    assert recipes.tvsum().model.selector is False
    assert recipes.tvsum().losses.spans is False
    assert recipes.qvhighlights().model.truncate_truth is True


def test_fine_tuning_differs_where_the_paper_says():
    scratch, tuned = recipes.qvhighlights(), recipes.qvhighlights_finetuning()
    assert (scratch.weight_decay, tuned.weight_decay) == (0.1, 1e-4)
    assert scratch.averaging is None
    assert tuned.averaging.first_epoch == 37
