"""Accept and Accept-Encoding by RFC 9110, 12.5: which form and which coding a client gets."""

from __future__ import annotations

import zlib

import ormsgpack
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from abaft.api.codings import CODINGS
from abaft.api.forms import FORMS, PLAIN, Negotiation, whole_forms
from abaft.api.negotiate import best_coding, best_media
from abaft.base.errors import NotAcceptable

NAMES = [form.name or "json" for form in FORMS]
MEDIAS = [form.media for form in FORMS]


def chosen(accept: str) -> str | None:
    place = best_media(accept, MEDIAS)
    return None if place is None else NAMES[place]


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        ("", "json"),
        (" , ", "json"),
        ("*/*", "json"),
        ("application/json", "json"),
        ("APPLICATION/JSON", "json"),
        ("application/*", "json"),
        ("text/*", "csv"),
        ("text/csv", "csv"),
        ("text/csv;header=present", "csv"),
        ("text/csv; header=absent", "rows"),
        ('text/csv ; header="absent" ; q=0.5', "rows"),
        ("text/csv; charset=utf-8", "csv"),
        ("text/csv; charset=UTF-8; header=absent", "rows"),
        ("text/csv; charset=iso-8859-1", None),
        ("text/csv; header=perhaps", None),
        ("application/x-ndjson", "ndjson"),
        ("application/msgpack", "msgpack"),
        ("application/vnd.msgpack", "msgpack"),
        # Quality first, then the closest name, then our order.
        ("application/json;q=0.5, text/csv", "csv"),
        ("application/json;q=0.5, text/csv;q=0.4", "json"),
        ("text/csv, application/json", "json"),
        ("text/csv, */*", "csv"),
        ("application/json, text/plain, */*", "json"),
        ("text/csv;q=0.9, */*;q=0.8", "csv"),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8", "json"),
        # The closest range decides, even where it refuses.
        ("*/*, application/json;q=0", "ndjson"),
        ("application/*;q=0, */*", "csv"),
        ("text/csv;q=0.3, text/csv;header=absent;q=0.4", "rows"),
        ("text/csv, text/csv;header=present;q=0", "rows"),
        ("application/json;q=0", None),
        ("*/*;q=0", None),
        ("*/*;q=0.000, text/csv;q=0.001", "csv"),
        # What means nothing here is passed over, but refuses nothing either.
        ("application/json;odata=verbose", "json"),
        ("application/json;odata=verbose;q=0, */*", "json"),
        ('application/json;profile="a,b;q=0"', "json"),
        # What can't be read is as if it weren't there.
        ("text/html", None),
        ("application/problem+json", None),
        ("json", None),
        ("*/json", None),
        ("text/csv;q=2, application/json;q=0.1", "json"),
        ("text/csv;q=x, application/json;q=0.1", "json"),
        ("text/csv;q=0.1234, application/json;q=0.1", "json"),
        ('"', None),
    ],
)
def test_the_form_that_accept_asks_for(accept: str, form: str | None) -> None:
    assert chosen(accept) == form


@given(st.text(st.sampled_from('*/;,=q01."\\ tcsvexapinjo-'), max_size=60))
def test_any_accept_is_read(accept: str) -> None:
    assert chosen(accept) in [*NAMES, None]
    best_coding(accept, ["zstd", "gzip"])


@pytest.mark.parametrize(
    ("accept", "coding", "plain"),
    [
        ("", None, True),
        ("gzip", "gzip", True),
        ("x-gzip", "gzip", True),
        ("GZIP", "gzip", True),
        ("gzip, deflate, br, zstd", "zstd", True),
        ("gzip;q=1.0, zstd;q=0.5", "gzip", True),
        ("zstd;q=0, gzip", "gzip", True),
        ("gzip;q=0", None, True),
        ("*", "gzip", True),
        ("*;q=0.5, gzip;q=0", None, True),
        ("identity", None, True),
        ("identity, gzip;q=0.5", None, True),
        ("identity;q=0.5, gzip", "gzip", True),
        ("gzip, identity;q=0", "gzip", False),
        ("gzip, *;q=0", "gzip", False),
        ("identity;q=0", None, False),
        ("*;q=0", None, False),
        ("identity;q=0.1, *;q=0", None, True),
        ("br", None, True),
        ("br, identity;q=0", None, False),
        ("gzip;q=high", None, True),
    ],
)
def test_the_coding_that_accept_encoding_asks_for(
    accept: str, coding: str | None, plain: bool
) -> None:
    assert best_coding(accept, ["zstd", "gzip"]) == (coding, plain)


def test_what_was_asked_before_is_not_parsed_again() -> None:
    negotiation = Negotiation(FORMS, compress=True)
    first = negotiation.variant(b"text/csv", b"gzip")
    assert negotiation.variant(b"text/csv", b"gzip") is first
    for plain in ((None, None), (b"*/*", None), (b"application/json", b"identity")):
        assert negotiation.variant(*plain) is PLAIN
    for place in range(2_000):
        negotiation.variant(f"text/csv;x={place}".encode(), None)
    assert len(negotiation._kept) <= 500
    negotiation.variant(b"text/csv;" + b"x" * 10_000, None)
    assert max(len(accept or b"") for accept, _ in negotiation._kept) < 1_000


def test_a_refusal_names_the_forms() -> None:
    with pytest.raises(NotAcceptable, match="application/x-ndjson, text/csv") as told:
        Negotiation(FORMS, compress=True).variant(b"image/png", None)
    assert told.value.hint == "send Accept: application/json"
    with pytest.raises(NotAcceptable, match=r"^answers are application/json, application/vnd"):
        Negotiation(whole_forms(), compress=True).variant(b"text/csv", None)
    with pytest.raises(NotAcceptable, match="coding"):
        Negotiation(FORMS, compress=True).variant(None, b"br, identity;q=0")
    # Somebody in front compresses: what is asked for isn't ours to refuse.
    assert Negotiation(FORMS, compress=False).variant(None, b"gzip, identity;q=0") is PLAIN


def test_without_the_library_the_hint_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("abaft.api.forms.packb", None)
    rest = [form for form in FORMS if form.name != "msgpack"]
    with pytest.raises(NotAcceptable) as told:
        Negotiation(rest, compress=True).variant(b"application/msgpack", None)
    assert told.value.hint is not None
    assert "pip install 'abaft[msgpack]'" in told.value.hint


@given(st.lists(st.binary(max_size=2_000), max_size=6), st.sampled_from(sorted(CODINGS)))
def test_each_part_of_a_coded_stream_can_be_read_as_it_comes(parts: list[bytes], name: str) -> None:
    flow = CODINGS[name].flow()
    reader = {
        "gzip": lambda: zlib.decompressobj(31),
        "zstd": lambda: zstandard.ZstdDecompressor().decompressobj(),
    }[name]()
    for part in parts:
        assert reader.decompress(flow.add(part)) == part
    assert reader.decompress(flow.end()) == b""
    assert CODINGS[name].compress(b"x" * 5_000) != b"x" * 5_000


def test_messagepack_has_the_values_of_the_json() -> None:
    [form] = [form for form in FORMS if form.media.subtype == "vnd.msgpack"]
    assert form.convert is not None
    body = b'{"a":[1,-9223372036854775808,18446744073709551615,0.1,null,true,"\xc3\xa9"],"b":{}}'
    assert ormsgpack.unpackb(form.convert(body)) == {
        "a": [1, -(2**63), 2**64 - 1, 0.1, None, True, "é"],
        "b": {},
    }
