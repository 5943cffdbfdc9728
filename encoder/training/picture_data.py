"""What the towers are trained on, computed once: backbone maps of pictures, tokens of texts."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import nn

from encoder.efficientnet import EfficientNetLite0
from encoder.errors import TrainingError
from encoder.training.flickr8k import Flickr8k, read_pictures
from encoder.training.keywords import Keywords, common_keywords
from encoder.training.stages import BackboneStages, open_module, run_batches
from encoder.training.token_store import TokenStore, store_tokens

FROZEN_STAGE = 6  # stages up to this one keep their ImageNet weights; 7 and 8 are fine-tuned
KEYWORDS = 12_000
GEOMETRY_TEXTS = 4_000
_CHUNK = 512  # pictures decoded at a time

Report = Callable[[str], None]


@dataclass(frozen=True, slots=True, eq=False)
class PictureData:
    """Pictures as maps of the frozen stages, texts as MiniLM's hidden states."""

    maps: NDArray[np.float16]  # [2, N, 192, h, w]: as they are, and mirrored
    captions: TokenStore
    captions_of: tuple[NDArray[np.int64], ...]  # per picture, rows of `captions`
    keyword_tokens: TokenStore
    keywords: Keywords
    geometry: TokenStore  # sentences about surveillance videos, for MiniLM's geometry


@dataclass(frozen=True, slots=True)
class Language:
    """The frozen sentence tower and its tokenizer."""

    model: nn.Module
    tokenizer: Tokenizer

    def tokens(self, texts: list[str], cache: Path) -> TokenStore:
        """The hidden states of `texts`, cached."""
        return store_tokens(self.model, self.tokenizer, texts, cache)


def picture_data(
    flickr: Flickr8k, backbone: EfficientNetLite0, language: Language, data: Path, cache: Path
) -> PictureData:
    """Compute, or read from `cache`, everything the picture training reads."""
    captions = [text for texts in flickr.captions for text in texts]
    bounds = np.cumsum([0, *(len(texts) for texts in flickr.captions)])
    keywords = common_keywords(flickr.captions, KEYWORDS)
    return PictureData(
        maps=_frozen_maps(flickr, backbone, cache / "flickr8k-maps.npy"),
        captions=language.tokens(captions, cache),
        captions_of=tuple(np.arange(a, b) for a, b in pairwise(bounds)),
        keyword_tokens=language.tokens(list(keywords.texts), cache),
        keywords=keywords,
        geometry=language.tokens(surveillance_sentences(data)[:GEOMETRY_TEXTS], cache),
    )


def surveillance_sentences(data: Path, part: str = "Train", seed: int = 0) -> list[str]:
    """The sentences of UCF-Crime Annotation, shuffled: the language of real standing queries."""
    path = data / "annotations" / "uca" / f"UCFCrime_{part}.json"
    if not path.is_file():
        raise TrainingError(f"{path} is missing: --data must name the folder with annotations/uca")
    videos = json.loads(path.read_text())
    sentences = sorted({text.strip() for video in videos.values() for text in video["sentences"]})
    order = np.random.default_rng(seed).permutation(len(sentences))
    return [sentences[row] for row in order]


def _frozen_maps(flickr: Flickr8k, backbone: EfficientNetLite0, path: Path) -> NDArray[np.float16]:
    if not path.is_file():
        unfinished = path.with_suffix(".part")
        session = open_module(BackboneStages(backbone, FROZEN_STAGE), ("maps",))
        made: NDArray[np.float16] | None = None
        for start in range(0, len(flickr.paths), _CHUNK):
            pixels = read_pictures(flickr.paths[start : start + _CHUNK])
            for mirrored, view in enumerate((pixels, pixels[:, :, ::-1])):
                for rows, outputs in run_batches(session, view):
                    maps = outputs["maps"]
                    if made is None:
                        shape = (2, len(flickr.paths), *maps.shape[1:])
                        made = np.lib.format.open_memmap(unfinished, "w+", np.float16, shape)
                    made[mirrored, start + rows.start : start + rows.stop] = maps
        unfinished.rename(path)
    maps_on_disk: NDArray[np.float16] = np.load(path)  # in memory: rows are read at random
    return maps_on_disk
