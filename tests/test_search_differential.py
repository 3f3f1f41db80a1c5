"""Both engines find what plain Python finds, whatever the texts and whatever is asked for."""

# ruff: noqa: RUF001

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from abaft import Actor, Me, Model, allow, field
from abaft.model.terms import Term, terms
from abaft.model.words import stemmer, words
from asking import emptied
from scenarios import Api, serving
from times import times


class Page(Model, key="number", stamps=False):
    """Its note is read in one way or another by most."""

    number: int
    title: str = field(search="english", search_weight=3)
    text: str | None = field(default=None, search="german")
    note: str = field(default="", search="simple")
    open: bool = True
    owner: str = ""

    @allow("read", "create", "delete")
    def everyone(page, me: Me) -> bool:
        return True

    @allow("read", fields=["note"])
    def opened(page, me: Me) -> bool:
        return page.open | me.has_role("keeper")

    @allow("read", fields=["text"])
    def owned(page, me: Me) -> bool:
        return (page.owner == "all") | me.has_role("reader")


WORDS = (  # noqa: SIM905
    "sea seas storm storms stormy run running runs Häuser Haus haus hauses crème creme CRÈME "
    "naïve e-mail 3.14 1e5 0x1F a b ab AND OR NOT NEAR 東京 東 タワー ｆｕｌｌ ﬁsh İstanbul "
    "ΣΊΣΥΦΟΣ Йод йод ёлка straße STRASSE ½ x² don't www.sea.org/storm?x=1 a@b.c <b>sea</b> #sea "
    "sea_storm été thé 한국어 नमस्ते สวัสดี \u0001 — 🌊 sea🌊storm the The of to be"
).split()
JOINS = [" ", "  ", ", ", "\n", "-", "/", "—", ". ", "\u00a0", "\u3000", ""]


@st.composite
def some_text(draw: Any) -> str:
    parts = draw(st.lists(st.sampled_from(WORDS), max_size=9))
    return "".join(part + draw(st.sampled_from(JOINS)) for part in parts)


@st.composite
def some_query(draw: Any) -> str:
    asked = []
    for _ in range(draw(st.integers(1, 4))):
        word = draw(st.sampled_from(WORDS))
        asked.append(
            draw(
                st.sampled_from(
                    [
                        word,
                        f"-{word}",
                        word[: max(1, len(word) // 2)] + "*",
                        f'"{word} {draw(st.sampled_from(WORDS))}"',
                        f'-"{word} {draw(st.sampled_from(WORDS))}"*',
                    ]
                )
            )
        )
    return " ".join(asked)


SYNTAX = st.text(alphabet="sea storm*\"'-()&|!:<>^{}~+,.\\/%_#$@\u0000\t\n", max_size=30)
PAGES = st.lists(
    st.tuples(some_text(), st.none() | some_text(), some_text(), st.booleans(), st.booleans()),
    min_size=1,
    max_size=6,
)
ACTORS = {
    "nobody": frozenset[str](),
    "keeper": frozenset({"keeper"}),
    "both": frozenset({"keeper", "reader"}),
}


@dataclass
class Row:
    number: int
    texts: dict[str, str]
    open: bool
    all: bool

    def readable(self, roles: frozenset[str]) -> list[str]:
        """The texts that this actor may read of this record."""
        found = [self.texts["title"]]
        found += [self.texts["text"]] if self.all or "reader" in roles else []
        found += [self.texts["note"]] if self.open or "keeper" in roles else []
        return found

    def stems(self, roles: frozenset[str]) -> set[str]:
        stems = set(map(stemmer("english"), words(self.texts["title"])))
        if self.all or "reader" in roles:
            stems |= set(map(stemmer("german"), words(self.texts["text"])))
        if self.open or "keeper" in roles:
            stems |= set(words(self.texts["note"]))
        return stems


def holds(row: Row, term: Term, roles: frozenset[str]) -> bool:
    """The reference: whether one term is in one record."""
    if not term.exact:
        sought = {stemmer(name)(term.words[0]) for name in ("english", "german", "simple")}
        return bool(sought & row.stems(roles))
    size = len(term.words)
    for text in row.readable(roles):
        found = words(text)
        for start in range(len(found) - size + 1):
            part = tuple(found[start : start + size])
            ends = part[-1].startswith if term.prefix else part[-1].__eq__
            if part[:-1] == term.words[:-1] and ends(term.words[-1]):
                return True
    return False


def expected(rows: list[Row], query: str, roles: frozenset[str]) -> list[int]:
    asked = terms(query).items
    return [
        row.number
        for row in rows
        if asked and all(holds(row, term, roles) != term.negative for term in asked)
    ]


class Engines:
    """An app on each engine, in a loop of their own."""

    def __init__(self, urls: dict[str, str]) -> None:
        self.loop = asyncio.new_event_loop()
        self.stack = AsyncExitStack()
        self.apis: dict[str, Api] = {}
        for name, url in urls.items():
            self.apis[name] = self.run(self.stack.enter_async_context(serving(url, Page)))

    def run(self, work: Any) -> Any:
        return self.loop.run_until_complete(work)

    def close(self) -> None:
        self.run(self.stack.aclose())
        self.loop.close()

    async def store(self, api: Api, rows: list[Row]) -> None:
        await emptied(api.db, "pages")
        for row in rows:
            owner = "all" if row.all else ""
            await api.db.create(Page, number=row.number, open=row.open, owner=owner, **row.texts)

    async def found(self, api: Api, query: str, roles: frozenset[str]) -> list[int]:
        db = api.app.db(Actor(id="x", roles=roles))
        by_number = [page.number for page in await db.list(Page, search=query, sort="number")]
        ranked = [page.number for page in await db.list(Page, search=query)]
        assert sorted(ranked) == by_number
        assert await db.count(Page, search=query) == len(ranked)
        return by_number


@pytest.fixture(scope="module")
def engines(module_database_urls: dict[str, str]) -> Iterator[Engines]:
    found = Engines(module_database_urls)
    yield found
    found.close()


def compare(engines: Engines, pages: list[Any], queries: list[str]) -> None:
    rows = [
        Row(number, {"title": title, "text": text or "", "note": note}, open_, all_)
        for number, (title, text, note, open_, all_) in enumerate(pages)
    ]
    for name, api in engines.apis.items():
        engines.run(engines.store(api, rows))
        for query in queries:
            for roles in ACTORS.values():
                got = engines.run(engines.found(api, query, roles))
                assert got == expected(rows, query, roles), (name, query, roles)


@settings(max_examples=25, suppress_health_check=list(HealthCheck))
@given(PAGES, st.lists(SYNTAX | st.text(max_size=30), min_size=4, max_size=12))
@pytest.mark.slow
def test_inj_4_any_text_is_a_search(engines: Engines, pages: list[Any], queries: list[str]) -> None:
    compare(engines, pages, queries)


@pytest.mark.slow
@settings(max_examples=times(80), suppress_health_check=list(HealthCheck))
@given(PAGES, st.lists(some_query() | SYNTAX, min_size=4, max_size=12))
def test_inj_4_engines_find_what_plain_python_does(
    engines: Engines, pages: list[Any], queries: list[str]
) -> None:
    compare(engines, pages, queries)
