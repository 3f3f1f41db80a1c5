"""Full-text search on SQL databases: an index beside the table, and the way from it to records.

The index is a table of abaft's own, kept by triggers. Its name holds a digest of what it is made
of, so that another declaration is another index.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any, Protocol

import sqlalchemy as sa
from sqlalchemy.sql.selectable import FromClause

from abaft.base.digest import fingerprint
from abaft.model.spec import Model, Searched
from abaft.model.terms import Term, Terms
from abaft.model.words import LETTERS, LIGATURES, MARKS, SEPARATORS, SIMPLE, SINGLE
from abaft.plan.types import Search

SEARCH = "abaft_search"
_WORDS = (1, MARKS, SEPARATORS, SINGLE, LIGATURES, LETTERS)
"""How words are made; where that changes, the number if by nothing else, all indexes are anew."""
CHARACTERS = 200_000
"""Of a record's texts that are searched, shared by its fields: PostgreSQL's vectors have an end."""

Bind = Callable[[str, Callable[[Terms], Any]], Any]
"""Binds what an encoder makes of the terms, as a parameter of this kind: "text" or "list"."""


class SearchWays(Protocol):
    """How one database keeps an index and asks it."""

    def create(self, model: Model, table: sa.Table, preparer: Any) -> list[str]:
        """The statements that make a model's index of the records already there."""

    def drop(self, name: str) -> list[str]:
        """The statements that do away with the index of this name and what belongs to it."""

    def found(self, model: Model, search: Search, ranked: bool, bind: Bind) -> FromClause[Any]:
        """What is found: the record's key as k0, k1…, the number of the scope, and the rank."""


def index_name(model: Model, kind: str = SEARCH) -> str:
    """The name of the model's index, within what a database allows."""
    made_of = [
        (row.name, model.fields[row.name].column, row.language, row.group) for row in model.searched
    ]
    keys = [model.fields[name].column for name in model.key]
    digest = fingerprint(repr((_WORDS, model.place, keys, made_of)))
    return f"{_prefix(model, kind)}_{digest[:8]}"


def superseded(models: Iterable[Model], names: Iterable[str]) -> list[str]:
    """Indexes of these models' tables that are declared no more."""
    prefixes = {_prefix(model, SEARCH) for model in models}
    wanted = {index_name(model) for model in models if model.searched}
    return [
        name
        for name in names
        if re.fullmatch("_[0-9a-f]{8}", name[-9:]) and name[:-9] in prefixes and name not in wanted
    ]


def _prefix(model: Model, kind: str) -> str:
    return f"{kind}_{model.table[:30]}"


def characters(model: Model) -> int:
    """How many of a field's characters are searched."""
    return CHARACTERS // len(model.searched)


def positive(terms: Terms) -> list[Term]:
    return [term for term in terms.items if not term.negative]


def languages(model: Model) -> list[str]:
    """The languages whose stems a word is sought by."""
    return list(dict.fromkeys(row.language for row in model.searched))


def words_column(model: Model, row: Searched) -> str:
    return f"w{model.searched.index(row)}"


def stems_column(model: Model, row: Searched) -> str:
    """Where the stems are; without a language the words themselves are."""
    place = model.searched.index(row)
    return f"w{place}" if row.language == SIMPLE else f"s{place}"


def index_columns(model: Model) -> list[str]:
    """What the index keeps: for each field its words and, if it has a language, its stems."""
    both = [(words_column(model, row), stems_column(model, row)) for row in model.searched]
    return list(dict.fromkeys(name for pair in both for name in pair))
