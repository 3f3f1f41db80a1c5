"""DOS-3: each parser of what clients send takes about twice the time for twice the text.

Those of `filter` and `search` are in tests/test_filter_limits.py and tests/test_search.py.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from abaft import Many, Me, Model, Settings, allow
from abaft.api import negotiate, references
from abaft.api.codings import CODINGS
from abaft.api.parse import Parser
from abaft.api.preferences import preferences
from abaft.base.errors import Fault
from abaft.guard.sign import Signer
from abaft.model.build import build

pytestmark = pytest.mark.slow

HUGE = 10**7
# But for what their number bounds in any case: filters, and relations in a row.
UNLIMITED = Settings(
    max_expand_paths=HUGE, max_aggregates=HUGE, max_sort_fields=HUGE,
    max_in_values=HUGE, max_filter_length=HUGE, max_filter_terms=HUGE,
)  # fmt: skip


class Node(Model):
    name: str = ""
    number: int = 0
    nodes: Many[Node]

    @allow("read", "create", "update", "delete")
    def anybody(node, me: Me) -> bool:
        return True


SCHEMA = build([Node])
NODE = SCHEMA.models["Node"]


def page(query: str) -> None:
    """What a list's query string goes through; a parser of its own keeps nothing from before."""
    with suppress(Fault):
        Parser(SCHEMA, UNLIMITED, Signer((b"x" * 32,))).page(NODE, query.encode())


def accepted(header: str) -> None:
    negotiate.best_media(header, [negotiate.Media("application", "json")])


def coded(header: str) -> None:
    negotiate.best_coding(header, list(CODINGS))


def referred(body: Any) -> None:
    with suppress(Fault):
        room = references.Room(HUGE)
        references.in_body(body, lambda reference: 1, "", room)
    references.named("", body)


# What takes a text, and the text of so many parts.
KINDS: dict[str, tuple[Callable[[Any], Any], Callable[[int], Any]]] = {
    "expand": (page, lambda n: "expand=" + ",".join(["nodes"] * n)),
    "expand of nothing": (page, lambda n: "expand=" + "," * n),
    "expand of options": (page, lambda n: f"expand=nodes({';'.join(['count'] * n)})"),
    "expand that opens": (page, lambda n: "expand=" + "nodes(" * n),
    "expand of quotes": (page, lambda n: "expand=nodes(filter=" + "'" * n + ")"),
    "expand nested": (page, lambda n: "expand=" + "nodes(expand=" * (n // 40) + ")" * (n // 40)),
    "path": (page, lambda n: "expand=" + ".".join(["nodes"] * n)),
    "fields": (page, lambda n: "fields=" + ",".join(["name"] * n)),
    "sort": (page, lambda n: "sort=" + ",".join(f"-n{i}" for i in range(n))),
    "groups": (page, lambda n: "aggregate=" + ",".join(f"a{i}:count" for i in range(n))),
    "group that opens": (page, lambda n: "aggregate=count&group=" + "lower(" * n),
    "parameters": (page, lambda n: "&".join(f"name[ne]={i}" for i in range(n))),
    "values": (page, lambda n: "number[in]=" + ",".join(map(str, range(n)))),
    "escapes": (page, lambda n: "name=" + "%41" * n),
    "accept": (accepted, lambda n: ",".join(["text/x;q=0.1"] * n)),
    "accept of quotes": (accepted, lambda n: '"' * n),
    "accept of escapes": (accepted, lambda n: 'a/b;c="' + "\\" * n),
    "accept of parameters": (accepted, lambda n: "a/b" + ";c=d" * n),
    "accept of spaces": (accepted, lambda n: "a/b" + " " * n + "x"),
    "codings": (coded, lambda n: "gzip;q=0.1," * n),
    "prefer": (preferences.__wrapped__, lambda n: b"a=b;c=d," * n),
    "prefer of spaces": (preferences.__wrapped__, lambda n: b"a" + b" " * n + b"!"),
    "prefer of quotes": (preferences.__wrapped__, lambda n: b'a="' * n),
    "references": (referred, lambda n: [{"$ref": f"p{i}.id"} for i in range(n)]),
    "reference of dots": (referred, lambda n: {"$ref": "p" + ".a" * n + "!"}),
    "reference of opens": (
        lambda path: references.named(path, None), lambda n: "{p" * n + ".id" * n,
    ),
    "reference of a path": (lambda path: references.named(path, None), lambda n: "{p.a" + ".a" * n),
}  # fmt: skip


def seconds(take: Callable[[Any], Any], given: Any) -> float:
    times = []
    for _ in range(4):
        start = time.thread_time()
        take(given)
        times.append(time.thread_time() - start)
    return min(times)


@pytest.mark.parametrize("kind", KINDS)
def test_dos_3_twice_the_text_takes_twice_the_time(kind: str) -> None:
    take, make = KINDS[kind]
    # As many parts as fit into the longest URL, and four times as many: sixteen times is too long.
    small, large = seconds(take, make(2_000)), seconds(take, make(8_000))
    assert large < 9 * max(small, 0.002), f"{small:.4f} s, then {large:.4f} s for four times it"
