"""Search on MySQL and MariaDB: a table of words and stems made by Python, with a FULLTEXT index.

The server's own words are of no use: short ones and usual ones aren't indexed, and what parts them
depends on its settings. So each word is written as a token of plain letters that no list knows,
with a space before and after. The index finds the records that have all tokens; the text itself
then tells which of them have them in a row, as a beginning, or not at all, and how often.

Triggers only note what has changed; who commits a write of ours indexes what was noted before
(`store/mysql_search.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from sqlalchemy.sql.selectable import FromClause

from abaft.model.spec import Model, Searched
from abaft.model.terms import Term, Terms
from abaft.model.words import SIMPLE, stemmer
from abaft.plan.types import Search
from abaft.store.sql.mysql_literals import Fragment, text
from abaft.store.sql.search import Bind, index_name, languages, positive

Quote = Callable[[str], str]
LONGEST = 80
"""Characters of a token that InnoDB indexes for certain (innodb_ft_max_token_size is 84)."""
WORD, STEM = "x", "y"
_EVENTS = ("insert", "update", "delete")
_NARROW = 36**3
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


def token(kind: str, place: int, word: str) -> str:
    """A word of a field, in plain letters; another begins as it does where the word does so."""
    plain = word if word.isascii() else "".join(map(_letter, word))
    return f"{kind}{chr(97 + place)}{plain}"


def _letter(letter: str) -> str:
    code = ord(letter)
    if code < 128:
        return letter
    return "_" + _base36(code, 3) if code < _NARROW else "__" + _base36(code, 4)


def _base36(value: int, size: int) -> str:
    digits = ""
    for _ in range(size):
        value, digit = divmod(value, 36)
        digits = _DIGITS[digit] + digits
    return digits


def stems_kind(row: Searched) -> str:
    """Where a field's stems are; without a language they are its words."""
    return WORD if row.language == SIMPLE else STEM


class MysqlSearch:
    """A table of tokens with a FULLTEXT index; without `indexed` searches do without it."""

    def __init__(self, indexed: bool = True) -> None:
        self._indexed = indexed

    def create(self, model: Model, table: sa.Table, preparer: Any) -> list[str]:
        quote, name = preparer.quote, index_name(model)
        columns = [table.c[model.fields[part].column] for part in model.key]
        dialect = preparer.dialect
        keys = ", ".join(
            f"k{place} {column.type.compile(dialect=dialect)} NOT NULL"
            for place, column in enumerate(columns)
        )
        into = ", ".join(f"k{place}" for place, _ in enumerate(columns))
        own = ", ".join(quote(column.name) for column in columns)
        return [
            f"CREATE TABLE {name} ({keys}, stale TINYINT NOT NULL, "
            "terms LONGTEXT CHARACTER SET ascii COLLATE ascii_bin NOT NULL, "
            f"PRIMARY KEY ({into}), KEY stale (stale), FULLTEXT KEY terms (terms)) ENGINE=InnoDB",
            *_triggers(model, preparer.format_table(table), name, quote),
            f"INSERT INTO {name} ({into}, stale, terms) "
            f"SELECT {own}, 1, '' FROM {preparer.format_table(table)}",
        ]

    def drop(self, name: str) -> list[str]:
        triggers = [f"DROP TRIGGER IF EXISTS {name}_{event}" for event in _EVENTS]
        return [*triggers, f"DROP TABLE {name}"]

    def found(self, model: Model, search: Search, ranked: bool, bind: Bind) -> FromClause[Any]:
        scopes = enumerate(fields for _, fields in search.scopes)
        made = _Tokens(model, self._indexed)
        each = [_scope(made, fields, place, ranked, bind) for place, fields in scopes]
        return (sa.union_all(*each) if len(each) > 1 else each[0]).subquery("f")


def _triggers(model: Model, on: str, name: str, quote: Quote) -> list[str]:
    """What notes a record as changed."""
    columns = [quote(model.fields[part].column) for part in model.key]
    watched = [*columns, *(quote(model.fields[row.name].column) for row in model.searched)]
    into = ", ".join(f"k{place}" for place, _ in enumerate(columns))
    new = ", ".join(f"NEW.{column}" for column in columns)
    same = " AND ".join(f"NEW.{column} <=> OLD.{column}" for column in watched)
    gone = " AND ".join(f"k{place} = OLD.{column}" for place, column in enumerate(columns))
    moved = " AND ".join(f"NEW.{column} = OLD.{column}" for column in columns)
    note = (
        f"INSERT INTO {name} ({into}, stale, terms) SELECT {new}, 1, '' FROM DUAL WHERE "
        "{when} ON DUPLICATE KEY UPDATE stale = 1"
    )
    bodies = {
        "insert": note.format(when="true"),
        "update": f"BEGIN DELETE FROM {name} WHERE {gone} AND NOT ({moved}); "
        f"{note.format(when=f'NOT ({same})')}; END",
        "delete": f"DELETE FROM {name} WHERE {gone}",
    }
    return [
        f"CREATE TRIGGER {name}_{event} AFTER {event.upper()} ON {on} FOR EACH ROW {body}"
        for event, body in bodies.items()
    ]


def _scope(
    made: _Tokens, fields: tuple[Searched, ...], place: int, ranked: bool, bind: Bind
) -> sa.Select[Any]:
    keys = [f"k{at}" for at, _ in enumerate(made.model.key)]
    index = sa.table(index_name(made.model), *map(sa.column, keys))
    rank: Any = bind("text", made.rank(fields)) if ranked else sa.literal_column("0")
    found = sa.select(
        *(index.c[key] for key in keys),
        sa.literal_column(str(place)).label("scope"),
        sa.type_coerce(rank, sa.BigInteger).label("rank"),
    )
    return found.where(sa.type_coerce(bind("text", made.condition(fields)), sa.Boolean))


class _Tokens:
    """What a search asks of one model's table of tokens, as SQL text made of its terms."""

    def __init__(self, model: Model, indexed: bool) -> None:
        self.model = model
        self._indexed = indexed

    def condition(self, fields: tuple[Searched, ...]) -> Callable[[Terms], Fragment]:
        """Whether a record is found."""

        def encode(terms: Terms) -> Fragment:
            parts = [self._has(fields, term) for term in terms.items]
            asked = self._asked(fields, terms) if self._indexed else ""
            if asked:
                parts.insert(0, f"match (terms) against ({text(asked)} IN BOOLEAN MODE)")
            return Fragment(f"({' AND '.join(parts)})")

        return encode

    def rank(self, fields: tuple[Searched, ...]) -> Callable[[Terms], Fragment]:
        """The more often, the higher, each time for less: w/(w+2) of the weights of its places.

        MATCH itself goes by how rare a word is in all records: that would tell of hidden ones, and
        change the order of a list while its pages are read.
        """

        def encode(terms: Terms) -> Fragment:
            parts = []
            for term in positive(terms):
                weights = " + ".join(self._weighed(fields, term))
                parts.append(f"1000 * ({weights}) DIV (({weights}) + 2)")
            return Fragment(f"({' + '.join(parts) or '0'})")

        return encode

    def _each(self, term: Term) -> list[list[str]]:
        """The words of a term in a row, or those of which one will do."""
        if term.exact:
            return [[word] for word in term.words]
        stems = [stemmer(language)(term.words[0]) for language in languages(self.model)]
        return [list(dict.fromkeys(stems))]

    def _tokens(self, row: Searched, words: list[str], term: Term) -> list[str]:
        place, kind = self.model.searched.index(row), WORD if term.exact else stems_kind(row)
        return [token(kind, place, word) for word in words]

    def _asked(self, fields: tuple[Searched, ...], terms: Terms) -> str:
        """What the FULLTEXT index is asked: all words, each in any of the fields."""
        wanted: list[str] = []
        for term in positive(terms):
            each = self._each(term)
            for place, words in enumerate(each):
                begun = term.prefix and place == len(each) - 1
                tokens = [name for row in fields for name in self._tokens(row, words, term)]
                # What only begins so may be longer than what is indexed.
                if all(len(name) <= (LONGEST // 2 if begun else LONGEST) for name in tokens):
                    listed = " ".join(f"{name}{'*' * begun}" for name in dict.fromkeys(tokens))
                    wanted.append(f"+({listed})")
        return " ".join(wanted)

    def _has(self, fields: tuple[Searched, ...], term: Term) -> str:
        pieces = (f"locate({text(piece)}, terms)" for piece in self._pieces(fields, term))
        return f"{'NOT ' * term.negative}({' OR '.join(pieces)})"

    def _pieces(self, fields: tuple[Searched, ...], term: Term) -> list[str]:
        """Pieces of the text, of which one must be there for the term to be."""
        each, found = self._each(term), []
        for row in fields:
            if term.exact:
                tokens = [name for words in each for name in self._tokens(row, words, term)]
                whole = "".join(f" {name} " for name in tokens)
                found.append(whole[:-1] if term.prefix else whole)
            else:
                found += [f" {name} " for name in self._tokens(row, each[0], term)]
        return list(dict.fromkeys(found))

    def _weighed(self, fields: tuple[Searched, ...], term: Term) -> list[str]:
        each, counts = self._each(term), []
        for row in fields:
            for place, words in enumerate(each):
                begun = term.prefix and place == len(each) - 1
                for name in self._tokens(row, words, term):
                    piece = f" {name}" if begun else f" {name} "
                    counts.append(f"{row.weight} * {_count(piece)}")
        return list(dict.fromkeys(counts))


def _count(piece: str) -> str:
    left = f"length(replace(terms, {text(piece)}, ''))"
    return f"((length(terms) - {left}) DIV {len(piece)})"
