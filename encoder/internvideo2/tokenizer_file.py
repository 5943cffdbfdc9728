"""Tokenizers from the files users have: tokenizer.json, BERT's vocab.txt, CLIP's list of merges.

Sources: Devlin et al., "BERT" (NAACL 2019); Radford et al., "CLIP" (ICML 2021), byte-level pairs.
No torch here.
"""

import gzip
import zlib
from collections.abc import Callable
from pathlib import Path

from tokenizers import Regex, Tokenizer, normalizers, pre_tokenizers, processors
from tokenizers.models import BPE, WordPiece

from encoder.errors import CheckpointError

CLIP_WORDS, UNCASED_WORDS = 49408, 30522
START, END = "<start_of_text>", "<end_of_text>"  # CLIP's marks, of the two largest ids
_MERGES = CLIP_WORDS - 2 * 256 - 2
_CLIP_PIECES = r"""'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"""
_LARGEST_FILE = 64_000_000  # bytes; the published ones have 3
_BERT_MARKS = ("[CLS]", "[SEP]", "[UNK]", "[PAD]")
# The vocabulary of bert-base-uncased is that of bert-large-uncased; this bundle's tokenizer has it
UNCASED = Path(__file__).parents[1] / "bundles" / "watchword-lite" / "tokenizer.json"


def read_tokenizer(path: Path) -> Tokenizer:
    """A tokenizer that neither pads nor cuts and sets the special marks.

    Reads a Hugging Face tokenizer.json, BERT's vocab.txt (uncased), or open_clip's
    bpe_simple_vocab_16e6.txt.gz, told apart by what they hold.
    Raises CheckpointError if the file is none of them, or sets no mark before and after a text.
    """
    data = _read(path)
    reader = _reader_of(data)
    try:
        tokenizer = reader(data)
    except Exception as error:  # the library raises plain Exception
        raise CheckpointError(f"{path} is no tokenizer: {error}") from error
    tokenizer.no_padding()
    tokenizer.no_truncation()
    if len(tokenizer.encode("").ids) != 2:
        raise CheckpointError(
            f"the tokenizer {path} sets no mark before and after a text: take the model's own"
        )
    return tokenizer


def check_tokenizer(tokenizer: Tokenizer, words: int, *, ends_highest: bool) -> None:
    """Raises CheckpointError unless a text tower of so many words can read what it gives.

    `ends_highest`: the tower looks for the end mark as the largest id (MobileCLIP).
    """
    known = tokenizer.get_vocab_size()
    if known != words:
        raise CheckpointError(
            f"the tokenizer knows {known} words and the text tower {words}: give the tokenizer"
            " file of this model with --tokenizer"
        )
    if ends_highest and tokenizer.encode("").ids[-1] != words - 1:
        raise CheckpointError(
            "the tokenizer's end mark is not its last word, and this text tower finds the end of a"
            " text by that: give the tokenizer file of this model with --tokenizer"
        )


def _read(path: Path) -> bytes:
    try:
        if path.stat().st_size > _LARGEST_FILE:
            raise CheckpointError(f"{path} is too large for a tokenizer: name a tokenizer.json")
        return path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}") from error


def _reader_of(data: bytes) -> Callable[[bytes], Tokenizer]:
    if data[:2] == b"\x1f\x8b" or data.startswith((b'"bpe_simple', b"#version")):
        return _clip
    return _hugging_face if data.lstrip()[:1] == b"{" else _bert


def _hugging_face(data: bytes) -> Tokenizer:
    return Tokenizer.from_str(data.decode())


def _bert(data: bytes) -> Tokenizer:
    """WordPiece over a vocabulary, a word a line."""
    words = {line.rstrip("\r\n"): index for index, line in enumerate(data.decode().splitlines())}
    if missing := [mark for mark in _BERT_MARKS if mark not in words]:
        raise ValueError(f"the vocabulary lacks {', '.join(missing)}")
    tokenizer = Tokenizer(WordPiece(words, unk_token="[UNK]", max_input_chars_per_word=100))  # noqa: S106
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    _set_marks(tokenizer, ("[CLS]", words["[CLS]"]), ("[SEP]", words["[SEP]"]))
    return tokenizer


def _clip(data: bytes) -> Tokenizer:
    """CLIP's byte pairs: 256 bytes, 256 that end a word, the merges, two marks."""
    lines = _unpacked(data).decode().split("\n")[1 : _MERGES + 1]
    merges = [(first, second) for first, _, second in (line.partition(" ") for line in lines)]
    if not merges or not all(first and second for first, second in merges):
        raise ValueError("it is no list of byte pairs")
    letters = _byte_letters()
    pieces = [*letters, *(f"{letter}</w>" for letter in letters)]
    pieces += [first + second for first, second in merges]
    words = {piece: index for index, piece in enumerate([*pieces, START, END])}
    model = BPE(words, merges, unk_token=END, end_of_word_suffix="</w>")
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizers.Sequence(
        [
            normalizers.NFC(),
            normalizers.BertNormalizer(
                clean_text=True, handle_chinese_chars=False, strip_accents=False, lowercase=True
            ),
        ]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_CLIP_PIECES), behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    _set_marks(tokenizer, (START, words[START]), (END, words[END]))
    return tokenizer


def _unpacked(data: bytes) -> bytes:
    """The file's text, of which a hostile one may not have more than it should."""
    if data[:2] != b"\x1f\x8b":
        return data
    text = zlib.decompressobj(wbits=31).decompress(data, _LARGEST_FILE)
    if len(text) == _LARGEST_FILE:
        raise gzip.BadGzipFile("it unpacks to more than any tokenizer")
    return text


def _byte_letters() -> list[str]:
    """The 256 bytes as visible letters, in the order of their ids: visible ones first."""
    visible = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    hidden = [byte for byte in range(256) if byte not in visible]
    return [*map(chr, visible), *(chr(256 + place) for place in range(len(hidden)))]


def _set_marks(tokenizer: Tokenizer, start: tuple[str, int], end: tuple[str, int]) -> None:
    tokenizer.add_special_tokens([start[0], end[0]])
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{start[0]} $A {end[0]}", special_tokens=[start, end]
    )
