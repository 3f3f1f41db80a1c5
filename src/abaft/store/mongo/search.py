"""Search: words and stems are kept in the document, and what is sought becomes a condition on them.

`_words` lists each field's words once, for the index; `_texts` has all in order, each between two
spaces of its own, so that a phrase is a part of it and a word is counted by what lies between.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from bson import Int64

from abaft.model import expr as e
from abaft.model.spec import Model, Searched
from abaft.model.terms import Term, Terms
from abaft.model.words import SIMPLE, indexed, stemmer
from abaft.plan.types import Search
from abaft.store.mongo.conditions import query, test
from abaft.store.mongo.documents import TEXTS, WORDS, Document
from abaft.store.mongo.frame import RANK, Frame
from abaft.store.mongo.template import Bound, Query
from abaft.store.sql.search import characters, languages, positive, stems_column, words_column
from abaft.store.texts import after_prefix

Expression = Any


def kept(model: Model, values: Mapping[str, Any]) -> Document:
    """What the document keeps for the search."""
    found: dict[str, list[str]] = {}
    most = characters(model)
    for row in model.searched:
        words = indexed(values.get(row.name) or "", most)
        found[words_column(model, row)] = words
        if row.language != SIMPLE:
            found[stems_column(model, row)] = [*map(stemmer(row.language), words)]
    return {
        WORDS: {name: sorted(set(words)) for name, words in found.items()},
        TEXTS: {name: "".join(f" {word} " for word in words) for name, words in found.items()},
    }


def find(search: Search, frame: Frame, ranked: bool) -> None:
    """Adds the stages that leave what is found, with its rank."""
    model, pipe = frame.model, frame.pipe
    ways = []
    for where, fields in search.scopes:
        asked = Bound("search", _asked(model, fields))
        # The words come first: an index has them.
        ways.append(asked if where == e.TRUE else {"$and": [asked, query(where, [frame])]})
    pipe.add("$match", ways[0] if len(ways) == 1 else {"$or": ways})
    if ranked:
        scores = [
            (test(where, [frame]), Bound("search", _score(model, fields)))
            for where, fields in search.scopes
        ]
        pipe.add("$set", {RANK: _by_scope(scores)})


def _by_scope(scores: list[tuple[Expression, Any]]) -> Expression:
    found: Expression = Int64(0)
    for where, score in reversed(scores):
        found = {"$cond": [where, score, found]}
    return found


def _stems(model: Model, term: Term) -> list[str]:
    return list(dict.fromkeys(stemmer(language)(term.words[0]) for language in languages(model)))


def _asked(model: Model, fields: tuple[Searched, ...]) -> Callable[[Terms], Query]:
    """What makes the condition of the terms on these fields."""

    def one(term: Term) -> Query:
        if not term.exact:
            stems = _stems(model, term)
            lists = dict.fromkeys(stems_column(model, row) for row in fields)
            return {"$or": [{f"{WORDS}.{name}": {"$in": stems}} for name in lists]}
        return {"$or": [_phrase(words_column(model, row), term) for row in fields]}

    def encode(terms: Terms) -> Query:
        wanted = [one(term) for term in positive(terms)]
        unwanted = [one(term) for term in terms.items if term.negative]
        return {"$and": [*wanted, {"$nor": unwanted}] if unwanted else wanted}

    return encode


def _phrase(place: str, term: Term) -> Query:
    *first, last = term.words
    at = f"{WORDS}.{place}"
    ends: Any = {"$gte": last, "$lt": after_prefix(last)} if term.prefix else {"$eq": last}
    found: list[Query] = [{at: {"$eq": word}} for word in dict.fromkeys(first)]
    found.append({at: {"$elemMatch": ends}})
    if first:
        text = {"$indexOfBytes": [f"${TEXTS}.{place}", {"$literal": _needle(term)}]}
        found.append({"$expr": {"$gte": [text, 0]}})
    return {"$and": found}


def _needle(term: Term) -> str:
    whole = "".join(f" {word} " for word in term.words)
    return whole[:-1] if term.prefix else whole


def _score(model: Model, fields: tuple[Searched, ...]) -> Callable[[Terms], Expression]:
    """The more often, the higher, each time for less: w/(w+2) of the weights of a term's places."""

    def count(place: str, needle: str, weight: int) -> Expression:
        parts = {"$split": [f"${TEXTS}.{place}", {"$literal": needle}]}
        return {"$multiply": [{"$subtract": [{"$size": parts}, 1]}, weight]}

    def one(term: Term) -> Expression:
        if not term.exact:
            found = [
                count(stems_column(model, row), f" {stem} ", row.weight)
                for stem in _stems(model, term)
                for row in fields
            ]
        else:
            needles = [f" {word} " for word in term.words]
            if term.prefix:
                needles[-1] = needles[-1][:-1]
            found = [
                count(words_column(model, row), needle, row.weight)
                for needle in dict.fromkeys(needles)
                for row in fields
            ]
        worth = {"$floor": {"$divide": [{"$multiply": ["$$w", 1000]}, {"$add": ["$$w", 2]}]}}
        return {"$let": {"vars": {"w": {"$add": found}}, "in": {"$toLong": worth}}}

    def encode(terms: Terms) -> Expression:
        return {"$add": [Int64(0), *(one(term) for term in positive(terms))]}

    return encode
