"""A query's text: tidied, refused when it cannot mean anything, doubted when it seems foreign."""

import re
import unicodedata
from dataclasses import dataclass

from grounding.errors import EmptyQueryError, LongQueryError

MAX_CHARACTERS = 500  # about three times what 40 tokens hold; longer texts are pasted by mistake
FOREIGN_LETTER_SHARE = 0.2
LANGUAGE_WARNING = (
    "the query does not look like English, the only language the text model was trained on: "
    "results are unreliable"
)

# Words so common that an English sentence of four words rarely has none of them.
_ENGLISH_WORDS = """
    a an the and or of in on at to from into onto by with without over under near behind
    beside between through across after before while when is are was were be being been has have
    having not no his her their its it he she they them someone somebody something person people
    man men woman women child children boy girl car cars truck bus vehicle road street door two
    three four one walking running standing sitting falling driving holding carrying fighting
    down up off out
"""
# Function words of other languages that are not English words too.
_FOREIGN_WORDS = """
    el la los las una unos del y que por para con sobre está están un hombre mujer coche persona
    le les des et dans sur avec une homme femme voiture der das und ein eine auf mit im ist sind
    mann frau den dem il lo gli di che sulla nella uomo donna os uma não em carro het een van op
    och på som ett nie jest na
"""
_ENGLISH = frozenset(_ENGLISH_WORDS.split())
_FOREIGN = frozenset(_FOREIGN_WORDS.split())
_WORD = re.compile(r"[^\W\d_]+")


@dataclass(frozen=True, slots=True)
class QueryText:
    """A text fit to be encoded, and what its author should be told."""

    text: str
    warnings: tuple[str, ...] = ()


def check_text(text: str) -> QueryText:
    """Tidy a query's text.

    Raises EmptyQueryError or LongQueryError, each with a sentence for the author.
    """
    tidy = " ".join(unicodedata.normalize("NFC", _printable(text)).split())
    if not any(letter.isalnum() for letter in tidy):
        raise EmptyQueryError(
            f"the query {tidy!r} has no words: describe what should be seen, "
            'as in "a car drives on the pavement"'
        )
    if len(tidy) > MAX_CHARACTERS:
        raise LongQueryError(
            f"the query has {len(tidy)} characters, at most {MAX_CHARACTERS} are read: "
            "describe one event in one sentence"
        )
    return QueryText(tidy, () if seems_english(tidy) else (LANGUAGE_WARNING,))


def seems_english(text: str) -> bool:
    """Guess from letters and function words; keywords of one to three words get the benefit."""
    letters = [letter for letter in text if letter.isalpha()]
    if not letters:
        return True
    if sum(not letter.isascii() for letter in letters) > FOREIGN_LETTER_SHARE * len(letters):
        return False
    words = [word.lower() for word in _WORD.findall(text)]
    english = sum(word in _ENGLISH for word in words)
    foreign = sum(word in _FOREIGN for word in words)
    return english >= foreign and (english > 0 or len(words) <= 3)


def _printable(text: str) -> str:
    return "".join(" " if unicodedata.category(letter)[0] == "C" else letter for letter in text)
