import gzip
from pathlib import Path

import pytest
from tokenizers import Tokenizer
from tokenizers.models import WordLevel

from encoder.errors import CheckpointError
from encoder.internvideo2 import tokenizer_file
from encoder.internvideo2.tokenizer_file import (
    CLIP_WORDS,
    END,
    START,
    UNCASED,
    check_tokenizer,
    read_tokenizer,
)
from tests.encoder.internvideo2.vocabularies import clip_merges, small_tokenizer

SENTENCES = ["A Person FALLS down!", "two cars crash; naïve café", "東京 3.14 unaffable", ""]


@pytest.fixture
def lite_tokenizer(repository: Path) -> Tokenizer:
    if not UNCASED.is_file():
        pytest.skip(f"{UNCASED} is not here")
    return Tokenizer.from_file(str(UNCASED))


def test_the_shipped_tokenizer_is_that_of_bert_uncased(lite_tokenizer: Tokenizer) -> None:
    tokenizer = read_tokenizer(UNCASED)
    check_tokenizer(tokenizer, 30522, ends_highest=False)
    # ids that are stated in BERT's own documentation
    assert tokenizer.encode("Hello world").ids == [101, 7592, 2088, 102]
    places = {"[PAD]": 0, "[UNK]": 100, "[MASK]": 103, "the": 1996, "##s": 2015}
    assert {word: tokenizer.token_to_id(word) for word in places} == places


def test_a_vocabulary_reads_as_the_tokenizer_it_belongs_to(
    lite_tokenizer: Tokenizer, tmp_path: Path
) -> None:
    words = lite_tokenizer.get_vocab()
    path = tmp_path / "vocab.txt"
    path.write_text("\n".join(sorted(words, key=words.__getitem__)) + "\n")
    read, wanted = read_tokenizer(path), read_tokenizer(UNCASED)
    for text in SENTENCES:
        assert read.encode(text).ids == wanted.encode(text).ids
    check_tokenizer(read, 30522, ends_highest=False)


def test_clips_merges_are_read(tmp_path: Path) -> None:
    path = tmp_path / "bpe_simple_vocab_16e6.txt.gz"
    path.write_bytes(gzip.compress(clip_merges().encode()))
    tokenizer = read_tokenizer(path)
    check_tokenizer(tokenizer, CLIP_WORDS, ends_highest=True)
    pieces = tokenizer.encode("A CAT's cat,\x07 cats ré ").tokens
    cats = ["ca", "t", "s</w>"]  # no merge leads to the whole word
    cut = ["a</w>", "cat</w>", "'s</w>", "cat</w>", ",</w>", *cats, "r", "Ã", "©</w>"]
    assert pieces == [START, *cut, END]
    assert tokenizer.encode("a\x00").ids == [49406, 320, 49407]  # "a</w>" as in the published one
    plain = tmp_path / "bpe_simple_vocab_16e6.txt"
    plain.write_text(clip_merges())
    assert read_tokenizer(plain).encode("a cat").ids == tokenizer.encode("a cat").ids


def test_a_tokenizer_json_loses_its_padding_and_truncation() -> None:
    tokenizer = read_tokenizer(UNCASED)
    assert len(tokenizer.encode("a").ids) == 3
    assert len(tokenizer.encode("a " * 300).ids) == 302


def test_a_tokenizer_that_does_not_belong_to_the_tower_is_refused(tmp_path: Path) -> None:
    tokenizer = read_tokenizer(small_tokenizer(tmp_path / "tokenizer.json", 600))
    check_tokenizer(tokenizer, 600, ends_highest=True)
    with pytest.raises(CheckpointError, match="knows 600 words and the text tower 601"):
        check_tokenizer(tokenizer, 601, ends_highest=False)
    with pytest.raises(CheckpointError, match="end mark is not its last word"):
        check_tokenizer(read_tokenizer(UNCASED), 30522, ends_highest=True)


def test_a_tokenizer_without_marks_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    Tokenizer(WordLevel({"[UNK]": 0, "a": 1}, unk_token="[UNK]")).save(str(path))
    with pytest.raises(CheckpointError, match="sets no mark before and after a text"):
        read_tokenizer(path)


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "lacks"),
        (b"{}", "no tokenizer"),
        (b"a\nb\n", r"lacks \[CLS\], \[SEP\]"),
        (b"\xff\xfe\x00", "no tokenizer"),
        (gzip.compress(b"hello", mtime=0), "no list of byte pairs"),
        (gzip.compress(b"x\nno-pair\n", mtime=0), "no list of byte pairs"),
        (gzip.compress(b"x" * 70_000_000), "unpacks to more"),
        (b"\x1f\x8bbroken", "no tokenizer"),
    ],
)
def test_files_that_are_no_tokenizer_are_named(tmp_path: Path, data: bytes, sentence: str) -> None:
    path = tmp_path / "file"
    path.write_bytes(data)
    with pytest.raises(CheckpointError, match=f"file is no tokenizer.*{sentence}|{sentence}"):
        read_tokenizer(path)


def test_a_file_that_is_missing_or_huge_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(CheckpointError, match="cannot be read: No such file"):
        read_tokenizer(tmp_path / "none.json")
    (tmp_path / "large").write_bytes(b"x" * 2000)
    monkeypatch.setattr(tokenizer_file, "_LARGEST_FILE", 1000)
    with pytest.raises(CheckpointError, match="too large for a tokenizer"):
        read_tokenizer(tmp_path / "large")
