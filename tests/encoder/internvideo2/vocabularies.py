"""Vocabularies for tests, in the layouts of the published files."""

from pathlib import Path

from tokenizers import Tokenizer, normalizers, pre_tokenizers, processors
from tokenizers.models import WordLevel

from encoder.internvideo2.tokenizer_file import CLIP_WORDS

MERGES = CLIP_WORDS - 2 * 256 - 2
REAL = ["c a", "ca t</w>", "' s</w>"]
WORDS = ["person", "falls", "car", "red", "green", "blue", "square", "moves", "a", "the"]


def clip_merges() -> str:
    """CLIP's file of merges: a few that tests look at, then pairs that their texts do not hold."""
    rare = [chr(code) for code in (*range(0xA1, 0xAD), *range(0xAE, 0xC3), *range(0xC4, 0x144))]
    letters = [*map(chr, range(0x21, 0x7F)), *rare]
    filler = [f"{a} {b}{end}" for a in rare for b in letters for end in ("", "</w>")]
    wanted = [*REAL, *filler[: MERGES - len(REAL)]]
    assert len(wanted) == MERGES
    return "\n".join(['"bpe_simple_vocab_16e6.txt#version: 0.2', *wanted, "beyond it"])


def small_tokenizer(path: Path, words: int) -> Path:
    """A tokenizer.json of so many words with marks around each text; the end mark is the last."""
    names = ["[UNK]", "[CLS]", *WORDS, *(f"w{n}" for n in range(words - len(WORDS) - 3)), "[SEP]"]
    ids = {word: index for index, word in enumerate(names)}
    tokenizer = Tokenizer(WordLevel(ids, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    marks = [("[CLS]", ids["[CLS]"]), ("[SEP]", ids["[SEP]"])]
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=marks
    )
    tokenizer.save(str(path))
    return path
