"""The forms of answers: one table from media types to what makes them, and what a client wants."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import orjson

from abaft.api.codings import CODINGS, Coding
from abaft.api.negotiate import Media, best_coding, best_media
from abaft.api.table import Table
from abaft.base.errors import NotAcceptable
from abaft.model.spec import Model
from abaft.plan.types import Selection

packb: Callable[[Any], bytes] | None
try:
    import ormsgpack
except ImportError:  # the extra `abaft[msgpack]`
    packb = None
else:
    packb = ormsgpack.packb

_KEPT = 500
_LONGEST = 300
"""Bytes of a header that is kept: what browsers and clients send is shorter."""


class Lines(Protocol):
    """Makes a body record by record, of their JSON texts."""

    def head(self) -> bytes:
        """What comes before all records."""

    def lines(self, texts: Iterable[str]) -> bytes:
        """These records."""


class _Ndjson:
    def head(self) -> bytes:
        return b""

    def lines(self, texts: Iterable[str]) -> bytes:
        # Between a JSON text's tokens a line may end; within its strings none does.
        made = [text.replace("\n", " ") + "\n" for text in texts]
        return "".join(made).encode()


class _Headless(Table):
    def head(self) -> bytes:
        return b""


@dataclass(frozen=True, slots=True, eq=False)
class Form:
    """A form of answers: JSON, what is made of the whole JSON, or lines that may be streamed."""

    name: str
    media: Media
    content_type: bytes
    convert: Callable[[bytes], bytes] | None = None
    lines: Callable[[Selection, Mapping[str, Model]], Lines] | None = None


def _msgpack(body: bytes) -> bytes:
    assert packb is not None
    return packb(orjson.loads(body))


_CSV = b"text/csv; charset=utf-8; header="

JSON_FORM = Form("", Media("application", "json"), b"application/json")
# In the order of preference.
FORMS = (
    JSON_FORM,
    Form(
        "ndjson",
        Media("application", "x-ndjson"),
        b"application/x-ndjson",
        lines=lambda selection, models: _Ndjson(),
    ),
    Form("csv", Media("text", "csv", {"header": "present"}), _CSV + b"present", lines=Table),
    Form("rows", Media("text", "csv", {"header": "absent"}), _CSV + b"absent", lines=_Headless),
    *(
        Form("msgpack", Media("application", name), f"application/{name}".encode(), _msgpack)
        for name in ("vnd.msgpack", "msgpack")
        if packb is not None
    ),
)


@dataclass(frozen=True, slots=True, eq=False)
class Variant:
    """What a client wants: a form and a coding.

    `required` tells that it takes no body without the coding, however small.
    """

    form: Form
    coding: Coding | None
    required: bool = False


PLAIN = Variant(JSON_FORM, None)
"""JSON as it is: what most requests ask for."""


class Negotiation:
    """Chooses among forms and codings; what a client sends is parsed once and kept."""

    def __init__(self, forms: Iterable[Form], *, compress: bool) -> None:
        self._forms = tuple(forms)
        self._medias = [form.media for form in self._forms]
        self._codings = tuple(CODINGS) if compress else ()
        self._kept: dict[tuple[bytes | None, bytes | None], Variant] = {}

    def variant(self, accept: bytes | None, encoding: bytes | None) -> Variant:
        """What Accept and Accept-Encoding ask for. Raises NotAcceptable."""
        place = (accept, encoding)
        found = self._kept.get(place)
        if found is None:
            found = self._chosen(accept, encoding)
            if len(accept or b"") + len(encoding or b"") <= _LONGEST:
                if len(self._kept) >= _KEPT:
                    self._kept.clear()
                self._kept[place] = found
        return found

    def _chosen(self, accept: bytes | None, encoding: bytes | None) -> Variant:
        form = JSON_FORM if accept is None else self._form(accept.decode("latin-1"))
        if encoding is None or not self._codings:
            return PLAIN if form is JSON_FORM else Variant(form, None)
        name, plain = best_coding(encoding.decode("latin-1"), self._codings)
        if name is None:
            if not plain:
                takes = ", ".join([*self._codings, "identity"])
                hint = f"name one of these in Accept-Encoding: {takes}"
                raise NotAcceptable("the answer has no such coding", hint=hint)
            return PLAIN if form is JSON_FORM else Variant(form, None)
        return Variant(form, CODINGS[name], not plain)

    def _form(self, accept: str) -> Form:
        place = best_media(accept, self._medias)
        if place is not None:
            return self._forms[place]
        takes = list(dict.fromkeys(f"{media.type}/{media.subtype}" for media in self._medias))
        hint = f"send Accept: {takes[0]}"
        if packb is None and "msgpack" in accept:
            hint = "MessagePack needs its library: pip install 'abaft[msgpack]'"
        raise NotAcceptable(f"answers are {', '.join(takes)}", hint=hint)


def whole_forms() -> list[Form]:
    """The forms of all but records and their lists: what was done, or was once."""
    return [form for form in FORMS if form.lines is None]
