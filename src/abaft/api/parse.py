"""From a path and a query string to an intent; what has no value in it is parsed once and kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import unquote

from abaft.api import cursor as cursors
from abaft.api.expands import WHOLE, Bind, Picked, pick_of
from abaft.api.filters import LIST_PARAMETERS
from abaft.api.list_form import Form, ListForms, deleted_of
from abaft.api.parameters import (
    bad,
    gathered,
    names_of,
    refusal,
    refuse,
    repeated,
    split_query,
    word,
)
from abaft.api.searches import kinds_of
from abaft.base.errors import BadRequest, NotFound, Problem, nearest
from abaft.base.frozen import frozen
from abaft.base.settings import Settings
from abaft.guard.sign import Signer
from abaft.model.spec import DELETED, Model, Schema
from abaft.plan.resolve import key_condition
from abaft.plan.types import Pick, ReadIntent, ReadShape

KEPT = 2_000
ONE_PARAMETERS = ("expand", "fields")
_VALUES = ("limit", "cursor", "offset")


@frozen
class Page:
    """A list as asked for."""

    intent: ReadIntent
    limit: int
    form: Form

    @property
    def placed(self) -> bool:
        """Whether a cursor or an offset was given."""
        shape = self.intent.shape
        return shape.offset or shape.after is not None


class Parser:
    """Parses the requests of one schema."""

    def __init__(self, schema: Schema, settings: Settings, signer: Signer) -> None:
        self.schema = schema
        self.settings = settings
        self.signer = signer
        self._lists = ListForms(schema, settings)
        self._forms: dict[Any, Form] = {}
        self._ones: dict[tuple[str, bytes], tuple[ReadShape, tuple[Bind, ...]]] = {}
        self._written: dict[tuple[str, bytes, tuple[str, ...]], Pick] = {}
        self._afters: dict[tuple[ReadShape, tuple[bool, ...]], ReadShape] = {}

    def one(self, model: Model, key: Mapping[str, Any], query: bytes) -> ReadIntent:
        """The intent of reading one record."""
        shape, binds = self._one_form(model, query)
        if not binds:
            return ReadIntent(shape, key)
        values = dict(key)
        for bind in binds:
            values |= bind()
        return ReadIntent(shape, values)

    def _one_form(self, model: Model, query: bytes) -> tuple[ReadShape, tuple[Bind, ...]]:
        place = (model.name, query)
        form = self._ones.get(place)
        if form is None:
            also = (DELETED,) if model.soft_delete else ()
            problems: list[Problem] = []
            picked, asked = self._picked(model, query, also, problems)
            shape = ReadShape(model.name, "one", key_condition(model), pick=picked.pick)
            with gathered(problems):
                shape = replace(shape, deleted=deleted_of(model, asked))
            refuse(problems)
            if len(self._ones) >= KEPT:
                del self._ones[next(iter(self._ones))]
            form = self._ones[place] = shape, picked.binds
        return form

    def pick(self, model: Model, query: bytes, also: tuple[str, ...] = ()) -> Pick:
        """What a write is to show; parameters but for `fields`, `expand` and `also` are faults."""
        if not query:
            return WHOLE
        place = (model.name, query, also)
        pick = self._written.get(place)
        if pick is None:
            problems: list[Problem] = []
            picked, _ = self._picked(model, query, also, problems)
            refuse(problems)
            if picked.binds:
                detail = "expand takes a filter only where records are read"
                raise bad("expand", "filter_elsewhere", detail)
            if len(self._written) >= KEPT:
                del self._written[next(iter(self._written))]
            pick = self._written[place] = picked.pick
        return pick

    def _picked(
        self, model: Model, query: bytes, also: tuple[str, ...], problems: list[Problem]
    ) -> tuple[Picked, dict[str, str]]:
        asked = self.only(query, (*ONE_PARAMETERS, *also), problems)
        picked = Picked()
        with gathered(problems):
            picked = pick_of(self.schema, self.settings, model, asked)
        return picked, asked

    def only(self, query: bytes, known: tuple[str, ...], problems: list[Problem]) -> dict[str, str]:
        """The parameters by name; others than the known ones are problems."""
        asked = dict(self._pairs(query))
        for name in asked:
            if name not in known:
                detail = f"there is no parameter {name[:80]!r} here: {nearest(name, known)}"
                problems += bad(name, "unknown_parameter", detail).errors
        return asked

    def named(self, query: bytes, name: str) -> tuple[str, ...] | None:
        """The names that the parameter lists; None where it isn't given."""
        pairs = self._pairs(query)
        if sum(given == name for given, _ in pairs) > 1:
            raise repeated(name)
        return names_of(name, dict(pairs))

    def flag(self, query: bytes, name: str) -> bool:
        """Whether the parameter is true; it is false where it isn't given."""
        return word(dict(self._pairs(query)), name, ("false", "true")) == "true"

    def page(self, model: Model, query: bytes, whole: int | None = None) -> Page:
        """The intent of reading a list; `whole` is the limit, at most and usually, of a stream."""
        pairs = self._pairs(query)
        try:
            form = self._form(model, pairs)
        except BadRequest as fault:
            raise self._with_numbers(fault, dict(pairs), whole) from None
        values: dict[str, Any] = {}
        problems: list[Problem] = []
        for place, read in form.readers:
            try:
                values |= read(pairs[place][1])
            except BadRequest as fault:
                problems += fault.errors
        for bind in form.binds:
            values |= bind()
        asked, most = dict(pairs), whole or self.settings.max_limit
        usual = whole or min(self.settings.default_limit, most)
        limit = self.number(asked, "limit", 1, most, usual, problems)
        values["limit"] = limit + 1
        if form.shape.count == "bounded":
            values["count_limit"] = int(asked["count"]) + 1
        if "offset" in asked:
            most = self.settings.max_offset
            values["offset"] = self.number(asked, "offset", 0, most, 0, problems)
        after = self._cursor(form, asked, problems)
        refuse(problems)
        if after is None:
            return Page(ReadIntent(form.shape, values), limit, form)
        values |= {f"after{i}": value for i, value in enumerate(after)}
        shape = self._after(form.shape, tuple(value is None for value in after))
        return Page(ReadIntent(shape, values), limit, form)

    def _with_numbers(
        self, fault: BadRequest, asked: Mapping[str, str], whole: int | None
    ) -> BadRequest:
        """The fault, and what is wrong with the numbers beside it."""
        problems = list(fault.errors)
        self.number(asked, "limit", 1, whole or self.settings.max_limit, 1, problems)
        self.number(asked, "offset", 0, self.settings.max_offset, 0, problems)
        return fault if len(problems) == len(fault.errors) else refusal(problems)

    def _cursor(
        self, form: Form, asked: Mapping[str, str], problems: list[Problem]
    ) -> list[Any] | None:
        if "cursor" not in asked:
            return None
        if "offset" in asked:
            detail = "a list takes a cursor or an offset, not both"
            problems += bad("offset", "cursor_and_offset", detail).errors
        try:
            return cursors.decode(self.signer, form.mark, form.orders, asked["cursor"])
        except BadRequest as fault:
            problems += fault.errors
            return None

    def _after(self, shape: ReadShape, nulls: tuple[bool, ...]) -> ReadShape:
        place = (shape, nulls)
        if place not in self._afters:
            if len(self._afters) >= KEPT:
                self._afters.clear()
            self._afters[place] = replace(shape, after=nulls, offset=False)
        return self._afters[place]

    def number(
        self,
        asked: Mapping[str, str],
        name: str,
        least: int,
        most: int,
        usual: int,
        problems: list[Problem],
    ) -> int:
        text = asked.get(name, str(usual))
        digits = text.isascii() and text.isdigit() and len(text) < 12
        if not digits or not least <= int(text) <= most:
            detail = f"{name} should be a number from {least} to {most}"
            problems.append(Problem(f"?{name}", "bad_value", detail))
            return least
        return int(text)

    def _pairs(self, query: bytes) -> list[tuple[str, str]]:
        if not query:
            return []
        most = self.settings.max_filters + len(LIST_PARAMETERS)
        if query.count(b"&") >= most:
            raise bad("", "too_many_parameters", f"a request takes at most {most} parameters")
        try:
            pairs = split_query(query.decode("ascii"))
        except (UnicodeDecodeError, ValueError):
            raise bad("", "bad_encoding", "the query string isn't percent-encoded UTF-8") from None
        return self._once(pairs)

    def _once(self, pairs: list[tuple[str, str]]) -> list[tuple[str, str]]:
        seen = set()
        for name, _ in pairs:
            if name in seen and name in LIST_PARAMETERS:
                raise repeated(name)
            seen.add(name)
        return pairs

    def _form(self, model: Model, pairs: list[tuple[str, str]]) -> Form:
        place = (
            model.name,
            tuple(
                name if not _structural(name) else (name, self._structure(name, value))
                for name, value in pairs
            ),
        )
        form = self._forms.get(place)
        if form is None:
            form = self._lists.parse(model, pairs)
            if len(self._forms) >= KEPT:
                del self._forms[next(iter(self._forms))]
            self._forms[place] = form
        return form

    def _structure(self, name: str, value: str) -> Any:
        """What of a parameter's value is of the list's shape."""
        if name in _VALUES:
            return ""
        return kinds_of(self.settings, value) if name == "search" else value

    def key(self, model: Model, text: str, prefix: str = "") -> dict[str, Any]:
        """The key that a path's last part writes, still percent-encoded; NotFound for any other.

        The names of its values are those of the fields, with the prefix.
        """
        parts = text.split(",")
        if len(parts) != len(model.key):
            raise NotFound(f"there is no such {model.name}", hint=_key_hint(model))
        key = {}
        for name, part in zip(model.key, parts, strict=True):
            try:
                value = unquote(part, errors="strict") if "%" in part else part
                key[prefix + name] = model.fields[name].kind.parse(value)
            except ValueError:
                raise NotFound(f"there is no such {model.name}", hint=_key_hint(model)) from None
        return key


def _key_hint(model: Model) -> str:
    kinds = [f"{name} ({model.fields[name].kind.name})" for name in model.key]
    return f"its key is {', '.join(kinds)}"


def _structural(name: str) -> bool:
    return name in LIST_PARAMETERS or name == DELETED or name.endswith("[isnull]")
