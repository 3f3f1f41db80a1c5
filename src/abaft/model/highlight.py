"""Marks what a search has found in a text, as HTML that holds no other tags."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from html import escape

from abaft.model.terms import Term, Terms
from abaft.model.words import stemmer, words

MARKED = 10_000
"""Characters of a text that are looked through."""
SNIPPET = 240
"""Characters that are shown at most, but for the rest of a word."""
_BEFORE = 60
_ASCII = re.compile("[A-Za-z0-9]+")

Span = tuple[int, int]


def highlight(text: str, terms: Terms, language: str, languages: Iterable[str]) -> str | None:
    """The text around the first match with `<mark>` around all; None where nothing matches."""
    spans = _spans(text)
    found = [(word, place) for place, at in enumerate(spans) for word in words(text[at[0] : at[1]])]
    wanted = [term for term in terms.items if not term.negative]
    hits = _matches(found, wanted, language, languages)
    if not hits:
        return None
    return _snippet(text, spans, sorted(hits))


def _spans(text: str) -> list[Span]:
    """Where words are; what is written without spaces is a word each letter, as in `words`."""
    if text.isascii():
        return [found.span() for found in _ASCII.finditer(text)]
    spans: list[Span] = []
    start: int | None = None
    for place, char in enumerate(text):
        kind = _kind(char)
        if kind != "in" and start is not None and kind != "mark":
            spans.append((start, place))
            start = None
        if kind == "single":
            spans.append((place, place + 1))
        elif kind == "in" and start is None:
            start = place
    if start is not None:
        spans.append((start, len(text)))
    return spans


@lru_cache(20_000)
def _kind(char: str) -> str:
    """What a character is to words: within one, one by itself, between two, or a mark on one."""
    if words("a" + char) == ["a"]:
        return "between" if len(words(f"a{char}a")) == 2 else "mark"
    alone = words("a" + char)[0] == "a"
    return "single" if alone else "in"


def _matches(
    found: list[tuple[str, int]], wanted: list[Term], language: str, languages: Iterable[str]
) -> set[int]:
    """The numbers of the spans that hold what is sought."""
    stems = {stemmer(one)(term.words[0]) for one in languages for term in wanted if not term.exact}
    stem = stemmer(language)
    hits = {place for word, place in found if stems and stem(word) in stems}
    for term in wanted:
        if term.exact:
            hits |= _phrase(found, term)
    return hits


def _phrase(found: list[tuple[str, int]], term: Term) -> set[int]:
    size, hits = len(term.words), set[int]()
    *first, last = term.words
    for start in range(len(found) - size + 1):
        row = found[start : start + size]
        end = row[-1][0]
        ends = end.startswith(last) if term.prefix else end == last
        if ends and [word for word, _ in row[:-1]] == first:
            hits |= {place for _, place in row}
    return hits


def _snippet(text: str, spans: list[Span], hits: list[int]) -> str:
    low, high = _window(text, spans, hits[0])
    parts, at = ["…" if low else ""], low
    for start, end in _joined([spans[place] for place in hits]):
        if start < at:
            continue
        if end > high:
            break
        parts += [escape(text[at:start]), "<mark>", escape(text[start:end]), "</mark>"]
        at = end
    parts += [escape(text[at:high]), "…" if high < len(text) else ""]
    return "".join(parts)


def _joined(spans: list[Span]) -> list[Span]:
    """Letters that are words by themselves are marked together."""
    joined: list[Span] = []
    for start, end in spans:
        if joined and joined[-1][1] == start:
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((start, end))
    return joined


def _window(text: str, spans: list[Span], first: int) -> Span:
    """From a little before the first match, beginning and ending with whole words."""
    if len(text) <= SNIPPET:
        return 0, len(text)
    start, end = spans[first]
    low = max(0, min(start - _BEFORE, len(text) - SNIPPET))
    high = max(end, low + SNIPPET)
    lows = [s for s, _ in spans[max(0, first - 2 * _BEFORE) : first + 1] if s >= low]
    highs = [e for _, e in spans[first : first + 2 * SNIPPET] if e <= high]
    return (lows[0] if low else 0), (high if high >= len(text) else highs[-1])
