from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from torch import Tensor, nn

from encoder.training.text_library import TextLibrary
from encoder.training.token_store import MAX_TOKENS, store_tokens
from encoder.training.towers import TextHead, TowerSettings

SETTINGS = TowerSettings(dims=16, text_dims=6, hidden=8, heads=2)
TEXTS = ["a car", "car car car a car", "a"]


class CountingModel(nn.Module):
    """Stands in for MiniLM: every token becomes its id and its place; counts its calls."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        self.calls += 1
        places = torch.arange(ids.shape[1]).expand_as(ids)
        return torch.stack([ids, places, *[mask] * 4], dim=-1).float()


def tokenizer() -> Tokenizer:
    made = Tokenizer(WordLevel({"a": 1, "car": 2, "[UNK]": 0}, unk_token="[UNK]"))
    made.pre_tokenizer = Whitespace()
    return made


def test_a_text_keeps_its_states_whatever_it_was_batched_with(tmp_path: Path) -> None:
    store = store_tokens(CountingModel(), tokenizer(), TEXTS, tmp_path)
    hidden, mask = store.batch(np.array([1, 2]))
    assert mask.sum(1).tolist() == [5.0, 1.0]
    assert hidden[0, :, 0].tolist() == [2, 2, 2, 1, 2]
    assert hidden[1, 0, 0] == 1
    assert not hidden[1, 1:].any()


def test_states_are_computed_once(tmp_path: Path) -> None:
    model = CountingModel()
    first = store_tokens(model, tokenizer(), TEXTS, tmp_path)
    calls = model.calls
    second = store_tokens(model, tokenizer(), TEXTS, tmp_path)
    assert model.calls == calls
    np.testing.assert_array_equal(first.hidden, second.hidden)


def test_long_texts_are_cut(tmp_path: Path) -> None:
    store = store_tokens(CountingModel(), tokenizer(), ["car " * 100], tmp_path)
    assert len(store.hidden) == MAX_TOKENS


def test_means_are_unit_means_of_real_tokens(tmp_path: Path) -> None:
    store = store_tokens(CountingModel(), tokenizer(), TEXTS, tmp_path)
    wanted = torch.from_numpy(store.hidden[:2].astype(np.float32)).mean(0)
    torch.testing.assert_close(store.means()[0], wanted / wanted.norm())


def test_the_library_gives_filled_in_and_new_texts_alike(tmp_path: Path) -> None:
    model, head = CountingModel(), TextHead(SETTINGS)
    filled = TextLibrary(model, tokenizer(), head)
    filled.fill(TEXTS, store_tokens(model, tokenizer(), TEXTS, tmp_path))
    calls = model.calls
    tokens = filled.tokens("car car car a car")
    assert model.calls == calls
    fresh = TextLibrary(model, tokenizer(), head).tokens("car car car a car")
    np.testing.assert_allclose(tokens, fresh, atol=1e-6)
    assert filled.pooled(TEXTS).shape == (3, 16)
