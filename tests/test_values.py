"""Each odd value and body has one result: the tables of docs/values.md, row by row."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from abaft import App
from apps.everything import running
from in_process import Answer, ask

PAGE = (Path(__file__).parent.parent / "docs" / "values.md").read_text()
FIELDS = {
    "int": "whole",
    "float": "real",
    "Decimal": "price",
    "bool": "yes",
    "str": "text",
    "datetime": "at",
    "date": "day",
    "time": "hour",
    "timedelta": "span",
    "UUID": "token",
    "bytes": "blob",
    "Literal": "level",
    "Enum": "colour",
    "Email": "email",
    "Url": "link",
    "dict": "anything",
}
GOOD = b'{"text": "a", "code": "ABC12", '
JSON = (b"content-type", b"application/json")
BODIES: dict[str, tuple[bytes, list[tuple[bytes, bytes]]]] = {
    "a member that is no field": (GOOD + b'"texd": 1}', [JSON]),
    "a member that the server sets": (GOOD + b'"views": 1}', [JSON]),
    "a member twice": (b'{"text": "b", "code": "ABC12", "text": "a"}', [JSON]),
    'half a surrogate pair, `"\\ud800"`': (b'{"text": "\\ud800", "code": "ABC12"}', [JSON]),
    "a byte order mark": (b"\xef\xbb\xbf" + GOOD + b'"yes": true}', [JSON]),
    "bytes that aren't UTF-8": (b'{"text": "\xff", "code": "ABC12"}', [JSON]),
    "a number of 5,000 digits": (GOOD + b'"whole": ' + b"1" * 5000 + b"}", [JSON]),
    "nested 1,000 deep": (GOOD + b'"anything": ' + b'{"a":' * 1000 + b"1" + b"}" * 1001, [JSON]),
    "cut short": (GOOD, [JSON]),
    "two values": (GOOD + b'"yes": true} {}', [JSON]),
    "nothing": (b"", [JSON]),
    "a number": (b"7", [JSON]),
    "`charset=utf-16`": (
        '{"text": "a", "code": "ABC12"}'.encode("utf-16"),
        [(JSON[0], b"application/json; charset=utf-16")],
    ),
    "`text/plain`": (GOOD + b'"yes": true}', [(JSON[0], b"text/plain")]),
    "no `Content-Type`": (GOOD + b'"yes": true}', []),
    "gzip": (
        gzip.compress(GOOD + b'"yes": true}'),
        [JSON, (b"content-encoding", b"gzip")],
    ),
    "over [`max_body_bytes`](settings.md#max_body_bytes)": (b" " * 1_048_577, [JSON]),
}


def rows(heading: str) -> Iterator[list[str]]:
    """The cells of the table under a heading of the page."""
    section = PAGE.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    for line in re.findall(r"^\| (.*) \|$", section, re.M)[1:]:
        yield line.split(" | ")


@pytest.fixture
async def app(database_url: str) -> AsyncIterator[App]:
    async with running(database_url) as made:
        yield made


def told(answer: Answer) -> str:
    """The codes of a refusal."""
    problem = answer.json()
    return " ".join(row["code"] for row in problem.get("errors", ())) or str(problem["code"])


async def test_val_2_each_value_has_its_one_documented_result(app: App) -> None:
    wrong = []
    for name, given, expected in rows("One result each"):
        field = FIELDS[name]
        others = {"text": "a", "code": "ABC12"}
        others.pop(field, None)
        body = json.dumps(others)[:-1] + f', "{field}": {given[1:-1]}}}'
        answer = await ask(app, "POST", b"/api/kinds", [JSON], body.encode())
        if expected.startswith("`"):
            shown, wanted = answer.json().get(field), json.loads(expected[1:-1])
            # Numbers are compared as numbers: 7 is 7.0. True is not 1.
            same = shown == wanted and isinstance(shown, bool) == isinstance(wanted, bool)
            fits = answer.status == 201 and same
        else:
            fits = answer.status == 422 and told(answer) == expected
        if not fits:
            wrong.append(f"{name} {given}: {answer.status} {answer.body.decode()}")
    assert not wrong, "\n".join(wrong)


async def test_val_2_each_body_has_its_one_documented_result(app: App) -> None:
    table = {what: result for what, result in rows("Bodies")}
    assert set(table) == set(BODIES)
    wrong = []
    for what, (body, headers) in BODIES.items():
        answer = await ask(app, "POST", b"/api/kinds", headers, body)
        code = answer.json()["text"] if answer.status == 201 else told(answer)
        result = "201, the last one counts" if code == "a" else f"{answer.status} {code}"
        if result != table[what]:
            wrong.append(f"{what}: {answer.status} {answer.body.decode()}")
    assert not wrong, "\n".join(wrong)


async def test_val_2_a_merge_patch_takes_no_more_than_a_post(app: App) -> None:
    made = await ask(app, "POST", b"/api/kinds", [JSON], GOOD + b'"anything": {"a": 1}}')
    target = f"/api/kinds/{made.json()['id']}".encode()
    for given in (b"NaN", b"1e400", b"9223372036854775808", b'"\\u0000"', b"-1e400"):
        body = b'{"anything": {"b": ' + given + b"}}"
        answer = await ask(app, "PATCH", target, [JSON], body)
        assert answer.status == 422, answer.body
    answer = await ask(app, "PATCH", target, [JSON], b'{"anything": {"b": 2.50, "a": null}}')
    assert answer.json()["anything"] == {"b": 2.5}
