"""What a search's text asks for: words, exact words in a row, words begun, and what must not be."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from abaft.model.words import words

_TERM = re.compile(r'(?P<minus>-?)(?:"(?P<phrase>[^"]*)(?:"(?P<star>\*?)|$)|(?P<word>[^\s"]+))')


@dataclass(frozen=True, slots=True)
class Term:
    """One thing to find: a word by its stem, or exact words in a row, the last maybe begun only."""

    words: tuple[str, ...]
    exact: bool = False
    prefix: bool = False
    negative: bool = False


@dataclass(frozen=True, slots=True)
class Terms:
    """All that a record must have, and must not; empty where no word is to be found."""

    items: tuple[Term, ...] = ()

    def parts(self) -> tuple[str, ...]:
        """What kinds of terms there are: that much of a search is of its shape."""
        exact = {term.exact for term in self.items}
        return tuple(name for name, kind in (("stems", False), ("words", True)) if kind in exact)


@lru_cache(2_000)
def terms(text: str) -> Terms:
    """What a text asks for; any text is right, and one without a word to find asks for nothing."""
    found = tuple(term for part in _TERM.finditer(text) if (term := _term(part)) is not None)
    return Terms(found) if any(not term.negative for term in found) else Terms()


def _term(part: re.Match[str]) -> Term | None:
    quoted = part["word"] is None
    text = part["phrase"] if quoted else part["word"]
    found = tuple(words(text))
    if not found:
        return None
    prefix = bool(part["star"]) if quoted else text.endswith("*")
    # What is written as one but holds several words, such as e-mail, is a phrase.
    return Term(found, quoted or prefix or len(found) > 1, prefix, bool(part["minus"]))
