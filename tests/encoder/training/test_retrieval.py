import torch

from encoder.training.retrieval import recall_at


def test_every_text_finds_its_own_picture_among_unit_axes() -> None:
    axes = torch.eye(4)
    assert recall_at(axes, axes, torch.arange(4), (1,)) == {1: 1.0}


def test_a_rank_counts_the_pictures_ahead() -> None:
    text = torch.tensor([[1.0, 0.0]])
    pictures = torch.tensor([[0.9, 0.1], [1.0, 0.0], [0.0, 1.0]])
    assert recall_at(text, pictures, torch.tensor([0]), (1, 2)) == {1: 0.0, 2: 1.0}


def test_a_tower_that_says_the_same_of_all_pictures_gains_nothing() -> None:
    texts, pictures = torch.ones(10, 3), torch.ones(100, 3)
    assert recall_at(texts, pictures, torch.arange(10), (1, 10)) == {1: 0.0, 10: 0.0}
