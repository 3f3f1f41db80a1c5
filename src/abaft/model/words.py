"""The words of a text as search sees them: folded, without accents, and their stems.

Both engines are held against this: SQLite indexes what it gives, PostgreSQL does the same in SQL,
by the same expressions.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from functools import cache, lru_cache
from importlib import import_module

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
    r"\u0e47-\u0e4c\u0e4e\u0eba\u0ec8-\u0ecc\u1037\u1039\u103a\u1715\u1734\u17b4\u17b5\u17c9-\u17d3"
    r"\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\u302e\u302f\ufe00-\ufe0f]"
)
"""Accents and marks of tone, of text in NFKD; what makes another letter of a Cyrillic one stays."""

SEPARATORS = (
    r"\u0001-\u002f\u003a-\u0040\u005b-\u0060\u007b-\u00bf\u00d7\u00f7\u02c2-\u02c5\u02d2-\u02eb"
    r"\u02ed\u02ef-\u02ff\u0375\u03f6\u0482\u055a-\u055f\u0589-\u058f\u05be\u05c0\u05c3\u05c6"
    r"\u05f3-\u060f\u061b-\u061f\u066a-\u066d\u06d4\u06dd-\u06de\u06e9\u06fd-\u06fe\u0700-\u070f"
    r"\u07f6-\u07f9\u07fe-\u07ff\u0830-\u083e\u085e\u0888\u0890-\u0891\u08e2\u0964-\u0965\u0970"
    r"\u09f2-\u09fb\u09fd\u0a76\u0af0-\u0af1\u0b70\u0b72-\u0b77\u0bf0-\u0bfa\u0c77-\u0c7f\u0c84"
    r"\u0d4f\u0d58-\u0d5e\u0d70-\u0d79\u0df4\u0e3f\u0e4f\u0e5a-\u0e5b\u0f01-\u0f17\u0f1a-\u0f1f"
    r"\u0f2a-\u0f34\u0f36\u0f38\u0f3a-\u0f3d\u0f85\u0fbe-\u0fc5\u0fc7-\u0fda\u104a-\u104f"
    r"\u109e-\u109f\u10fb\u1360-\u137c\u1390-\u1399\u1400\u166d-\u166e\u1680\u169b-\u169c"
    r"\u16eb-\u16ed\u1735-\u1736\u17d4-\u17d6\u17d8-\u17db\u17f0-\u180a\u180e\u1940-\u1945"
    r"\u19da-\u19ff\u1a1e-\u1a1f\u1aa0-\u1aa6\u1aa8-\u1aad\u1b5a-\u1b6a\u1b74-\u1b7e\u1bfc-\u1bff"
    r"\u1c3b-\u1c3f\u1c7e-\u1c7f\u1cc0-\u1cc7\u1cd3\u200b-\u20c0\u2104-\u212e\u213a-\u214d\u214f"
    r"\u218a-\u2bff\u2ce5-\u2cea\u2cf9-\u2cff\u2d70\u2e00-\u2e2e\u2e30-\u3004\u3008-\u3020\u3030"
    r"\u3037\u303d-\u303f\u30a0\u30fb\u3190-\u3191\u31c0-\u31e3\u3248-\u327f\u4dc0-\u4dff"
    r"\ua490-\ua4c6\ua4fe-\ua4ff\ua60d-\ua60f\ua673\ua67e\ua6f2-\ua716\ua720-\ua721\ua789-\ua78a"
    r"\ua828-\ua82b\ua830-\ua839\ua874-\ua877\ua8ce-\ua8cf\ua8f8-\ua8fa\ua8fc\ua92e-\ua92f\ua95f"
    r"\ua9c1-\ua9cd\ua9de-\ua9df\uaa5c-\uaa5f\uaa77-\uaa79\uaade-\uaadf\uaaf0-\uaaf1\uab5b"
    r"\uab6a-\uab6b\uabeb\ue000-\uf8ff\ufbb2-\ufdff\ufe45-\ufe46\ufeff-\ufffd\U00010100-\U0001013f"
    r"\U00010175-\U000101fc\U000102e1-\U000102fb\U00010320-\U00010323\U0001039f\U000103d0"
    r"\U0001056f\U00010857-\U0001085f\U00010877-\U0001087f\U000108a7-\U000108af"
    r"\U000108fb-\U000108ff\U00010916-\U0001091f\U0001093f\U000109bc-\U000109bd"
    r"\U000109c0-\U000109ff\U00010a40-\U00010a58\U00010a7d-\U00010a7f\U00010a9d-\U00010a9f"
    r"\U00010ac8\U00010aeb-\U00010af6\U00010b39-\U00010b3f\U00010b58-\U00010b5f"
    r"\U00010b78-\U00010b7f\U00010b99-\U00010baf\U00010cfa-\U00010cff\U00010e60-\U00010e7e"
    r"\U00010ead\U00010f1d-\U00010f26\U00010f51-\U00010f59\U00010f86-\U00010f89"
    r"\U00010fc5-\U00010fcb\U00011047-\U00011065\U000110bb-\U000110c1\U000110cd"
    r"\U00011140-\U00011143\U00011174-\U00011175\U000111c5-\U000111c8\U000111cd\U000111db"
    r"\U000111dd-\U000111f4\U00011238-\U0001123d\U000112a9\U0001144b-\U0001144f"
    r"\U0001145a-\U0001145d\U000114c6\U000115c1-\U000115d7\U00011641-\U00011643"
    r"\U00011660-\U0001166c\U000116b9\U0001173a-\U0001173f\U0001183b\U000118ea-\U000118f2"
    r"\U00011944-\U00011946\U000119e2\U00011a3f-\U00011a46\U00011a9a-\U00011a9c"
    r"\U00011a9e-\U00011aa2\U00011c41-\U00011c45\U00011c5a-\U00011c71\U00011ef7-\U00011ef8"
    r"\U00011fc0-\U00011fff\U00012470-\U00012474\U00012ff1-\U00012ff2\U00013430-\U00013438"
    r"\U00016a6e-\U00016a6f\U00016af5\U00016b37-\U00016b3f\U00016b44-\U00016b45"
    r"\U00016b5b-\U00016b61\U00016e80-\U00016e9a\U00016fe2\U0001bc9c\U0001bc9f-\U0001bca3"
    r"\U0001cf50-\U0001d15d\U0001d16a-\U0001d16c\U0001d173-\U0001d17a\U0001d183-\U0001d184"
    r"\U0001d18c-\U0001d1a9\U0001d1ae-\U0001d241\U0001d245-\U0001d9ff\U0001da37-\U0001da3a"
    r"\U0001da6d-\U0001da74\U0001da76-\U0001da83\U0001da85-\U0001da8b\U0001e14f\U0001e2ff"
    r"\U0001e8c7-\U0001e8cf\U0001e95e-\U0001fbca\U000e0001-\U000e007f\U000f0000-\U0010fffd"
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
    # Its function stemmer() may give the one in C, of whatever version that is. All languages come
    # with the first, which an app without a search does not wait for.
    made = getattr(import_module("snowballstemmer"), f"{language.capitalize()}Stemmer")
    stem: Callable[[str], str] = made().stemWord

    @lru_cache(20_000)
    def kept(word: str) -> str:
        return stem(word) or word if len(word.encode()) <= LONGEST_STEMMED else word

    # Numbers have no stem, and there is no end of them.
    return lambda word: word if word.isascii() and word.isdigit() else kept(word)
