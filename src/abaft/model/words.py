"""The words of a text as search sees them: folded, without accents, and their stems.

Both engines are held against this: SQLite indexes what it gives, PostgreSQL does the same in SQL,
by the same expressions.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from functools import cache, lru_cache

import snowballstemmer  # type: ignore[import-untyped]

SIMPLE = "simple"
"""The language of words as they are, without stems."""

LANGUAGES = (
    "arabic", "danish", "dutch", "english", "finnish", "french", "german", "greek", "hungarian",
    "indonesian", "irish", "italian", "lithuanian", "nepali", "norwegian", "portuguese",
    "romanian", "russian", SIMPLE, "spanish", "swedish", "tamil", "turkish",
)  # fmt: skip
"""Those that PostgreSQL 13 and the stemmers in Python have in common."""

LONGEST_WORD = 2_046
LONGEST_STEMMED = 1_000
"""Bytes; PostgreSQL's own limits: longer words aren't indexed, or not stemmed."""

MARKS = (
    r"(?<![\u0438\u0443])\u0306|(?<!\u0456)\u0308"
    r"|[\u0300-\u0305\u0307\u0309-\u036f\u0591-\u05bd\u05bf\u05c1\u05c2\u05c7\u064b-\u0652\u0670"
    r"\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe00-\ufe0f]"
)
"""Accents, of text in NFKD; those that make another letter of a Cyrillic one stay."""

SEPARATORS = (
    r"\u0001-\u002f\u003a-\u0040\u005b-\u0060\u007b-\u00bf\u00d7\u00f7\u02c2-\u02c5\u02d2-\u02ff"
    r"\u037e\u0387\u055a-\u055f\u0589-\u058f\u05be\u05c0\u05c3\u05c6\u05f3-\u060f\u061b-\u061f"
    r"\u066a-\u066d\u06d4\u0700-\u070f\u0964\u0965\u0970\u0e3f\u0e4f\u0e5a\u0e5b\u0f01-\u0f17"
    r"\u104a-\u104f\u10fb\u1360-\u1368\u17d4-\u17db\u1800-\u180a\u200b-\u20cf\u2104-\u2114"
    r"\u2116-\u2118\u214f\u218a-\u2bff\u2e00-\u2e2e\u2e30-\u2e7f\u2ff0-\u3004\u3008-\u3020\u3030"
    r"\u3037\u303d-\u3040\u30a0\u30fb\u3190\u3191\u31c0-\u31e3\u327f\u4dc0-\u4dff\ua490-\ua4cf"
    r"\ue000-\uf8ff\ufd3e-\ufd4f\ufe45\ufe46\ufeff\ufff0-\uffff"
    r"\U0001d000-\U0001d241\U0001d300-\U0001d3ff\U0001f000-\U0001fbef\U000e0000-\U0010fffd"
)
"""What parts words, as ranges for a bracket: all but letters, digits and their marks."""

SINGLE = (
    r"\u0e00-\u0eff\u1000-\u109f\u1780-\u17d3\u2e80-\u2fdf\u3005-\u3007\u3021-\u3029\u3041-\u30ff"
    r"\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
)
"""Letters of writings that part no words: each is a word by itself, several are a phrase."""

LIGATURES = {"ß": "ss", "æ": "ae", "œ": "oe"}
LETTERS = ("øđłħŧı\u03c2", "odlhti\u03c3")
"""What has no accent to lose and is written without it all the same."""

_ASCII = re.compile("[a-z0-9]+")
_MARKS = re.compile(MARKS)
_SEPARATORS = re.compile(f"[\\x00\\ud800-\\udfff{SEPARATORS}]+")
_SINGLE = re.compile(f"([{SINGLE}])")
_TABLE = str.maketrans(dict(zip(*LETTERS, strict=True)) | LIGATURES)


def words(text: str) -> list[str]:
    """The text's words in their order, folded."""
    found = _ASCII.findall(text.lower()) if text.isascii() else _folded(text).split()
    if len(text) > LONGEST_WORD // 4:
        return [word for word in found if len(word.encode()) <= LONGEST_WORD]
    return found


def _folded(text: str) -> str:
    text = unicodedata.normalize("NFKD", text).lower().translate(_TABLE)
    text = unicodedata.normalize("NFC", _MARKS.sub("", text))
    return _SINGLE.sub(r" \1 ", _SEPARATORS.sub(" ", text))


def indexed(text: str, most: int) -> list[str]:
    """The words of a stored text, of which the first `most` characters count."""
    return words(text[:most])


@cache
def stemmer(language: str) -> Callable[[str], str]:
    """What makes the stem of a folded word; words that are met again cost a look-up."""
    if language == SIMPLE:
        return str
    # Its function stemmer() may give the one in C, of whatever version that is.
    stem: Callable[[str], str] = getattr(
        snowballstemmer, f"{language.capitalize()}Stemmer"
    )().stemWord

    @lru_cache(100_000)
    def kept(word: str) -> str:
        return stem(word) or word if len(word.encode()) <= LONGEST_STEMMED else word

    return kept
