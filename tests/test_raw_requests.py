"""Whatever bytes arrive, the answer is a problem of theirs and never a defect of ours (VAL-1)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote_from_bytes

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from abaft import App
from abaft.api.filters import OPERATORS
from abaft.base.errors import Fault
from apps.everything import TOKEN, make_app, running, seed
from in_process import ask

SCHEMA = make_app("sqlite:///unused.db").schema
COLLECTIONS = sorted(SCHEMA.collections)
METHODS = ["GET", "HEAD", "OPTIONS", "POST", "PATCH", "PUT", "DELETE", "TRACE", "BREW"]
STATUSES = {fault.status for fault in Fault.__subclasses__()} - {500}
KEYS = ["id", "1", "hall,1", "c0", ",", ",,", "%2C", "%", "%zz", "%ff", "%00", ".", "..", "null"]
TEXTS = [
    "",
    "0",
    "-0",
    "1e400",
    "null",
    "true",
    "false",
    "a,b",
    '"',
    '"a',
    "9" * 40,
    "\0",
    "é",
    "%",
]

names = sorted(
    {
        name
        for model in SCHEMA.collections.values()
        for name in (*model.fields, *model.one, *model.many)
    }
)
octets = st.binary(max_size=40)
word = st.one_of(st.sampled_from([text.encode() for text in TEXTS]), octets)
path_word = st.one_of(
    st.sampled_from([key.encode() for key in KEYS]),
    octets.map(lambda given: quote_from_bytes(given).encode()),
    octets,
)
targets = st.builds(
    lambda *parts: b"/api/" + b"/".join(parts),
    st.one_of(st.sampled_from([name.encode() for name in COLLECTIONS]), path_word),
    path_word,
)
fields = st.builds(".".join, st.lists(st.sampled_from(names), min_size=1, max_size=3))
parameters = st.one_of(
    fields,
    st.builds("{}[{}]".format, fields, st.sampled_from([*OPERATORS, "bogus", ""])),
    st.sampled_from(["sort", "expand", "fields", "limit", "cursor", "offset", "count", "[", "a]"]),
).map(str.encode)
values = st.one_of(word, fields.map(str.encode), st.builds(b"-".__add__, fields.map(str.encode)))
escaped = st.one_of(word, values).map(lambda given: quote_from_bytes(given).encode())
queries = st.one_of(
    octets,
    st.lists(st.builds(b"%b=%b".__mod__, st.tuples(parameters, escaped)), max_size=4).map(
        b"&".join
    ),
)
header_names = st.sampled_from(
    b"accept authorization content-length content-type content-encoding if-match if-none-match "
    b"cookie host x-anything".split()
)
MEDIA = (
    b"application/json",
    b"application/json; charset=utf-8",
    b"application/merge-patch+json",
    b"text/html",
)
header_values = st.one_of(
    octets,
    st.sampled_from(MEDIA),
    st.sampled_from([b"*", b'"a", W/"b"', b"-1", b"7", b"Bearer \xff", TOKEN.encode(), b"gzip"]),
)
headers = st.lists(st.tuples(header_names, header_values), max_size=4)
bodies = st.one_of(
    octets,
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(names) | st.text(max_size=5), inner, max_size=4)
        ),
        max_leaves=12,
    ).map(lambda made: repr_json(made)),
)


def repr_json(made: Any) -> bytes:
    """JSON of it, NaN and lone surrogates as they come."""
    match made:
        case dict():
            inner = (repr_json(k) + b":" + repr_json(v) for k, v in made.items())
            return b"{" + b",".join(inner) + b"}"
        case list():
            return b"[" + b",".join(map(repr_json, made)) + b"]"
        case str():
            return b'"' + made.encode("utf-8", "surrogatepass").replace(b'"', b"'") + b'"'
        case None:
            return b"null"
        case bool():
            return b"true" if made else b"false"
    return repr(made).encode()


@pytest.fixture
async def app(database_url: str) -> AsyncIterator[App]:
    async with running(database_url) as made:
        await seed(made)
        yield made


async def check(app: App, method: str, target: bytes, given: Any, body: bytes) -> None:
    answer = await ask(app, method, target, given, body)
    shown = f"{method} {target!r} {given!r} {body!r}: {answer}"
    assert answer.status in {200, 201, 204, 304} | STATUSES, shown
    if answer.status >= 400 and method != "HEAD" and target.startswith(b"/api/"):
        problem = answer.json()
        assert problem["status"] == answer.status, shown
        assert answer.headers["content-type"] == "application/problem+json", shown


def bounded(count: int) -> Any:
    return settings(max_examples=count, suppress_health_check=list(HealthCheck), deadline=None)


requests = st.tuples(
    st.sampled_from(METHODS),
    st.builds(lambda target, query: target + b"?" + query, targets, queries),
    headers,
    bodies,
)
json_requests = st.tuples(
    st.sampled_from(["POST", "PATCH", "PUT"]),
    st.one_of(targets, st.sampled_from([f"/api/{name}".encode() for name in COLLECTIONS])),
    st.just([(b"content-type", b"application/json"), (b"authorization", TOKEN.encode())]),
    bodies,
)
lists = st.tuples(
    st.just("GET"),
    st.builds(
        lambda name, query: f"/api/{name}?".encode() + query, st.sampled_from(COLLECTIONS), queries
    ),
    st.just([(b"authorization", TOKEN.encode())]),
    st.just(b""),
)


@given(st.lists(st.one_of(requests, json_requests, lists), min_size=1, max_size=10))
@bounded(60)
@pytest.mark.slow
async def test_val_1_no_bytes_make_a_defect(app: App, sent: list[Any]) -> None:
    for one in sent:
        await check(app, *one)


@pytest.mark.slow
@given(st.lists(st.one_of(requests, json_requests, lists), min_size=1, max_size=20))
@bounded(400)
async def test_val_1_no_bytes_make_a_defect_at_length(app: App, sent: list[Any]) -> None:
    for one in sent:
        await check(app, *one)
