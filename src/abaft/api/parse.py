"""From a path and a query string to an intent; what has no value in it is parsed once and kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, cast, get_args
from urllib.parse import unquote

from abaft.api import cursor as cursors
from abaft.api.filters import LIST_PARAMETERS, Reader, parse_where
from abaft.api.searches import NOTHING, asked_search, kinds_of
from abaft.base.errors import BadRequest, NotFound, Problem, nearest
from abaft.base.settings import Settings
from abaft.model import expr as e
from abaft.model.spec import DELETED, Model, Schema
from abaft.plan.read import orders_of
from abaft.plan.resolve import column_of, picks, scopes_of
from abaft.plan.types import CountMode, Deleted, Order, Pick, ReadIntent, ReadShape, Sort

KEPT = 2_000
SHAPING = tuple(name for name in LIST_PARAMETERS if name != "filter")
ONE_PARAMETERS = ("expand", "fields")
LIVING: Deleted = "without"
_VALUES = ("limit", "cursor", "offset")


@dataclass(frozen=True, slots=True)
class Form:
    """What a list's parameters mean but for their values."""

    shape: ReadShape
    orders: tuple[Order, ...]
    mark: str
    readers: tuple[tuple[int, Reader], ...]


@dataclass(frozen=True, slots=True)
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


def bad(parameter: str, code: str, detail: str) -> BadRequest:
    """400 for a query parameter."""
    problem = Problem(f"?{parameter[:200]}", code, detail)
    return BadRequest(detail, code=code, errors=[problem])


def _refuse(problems: list[Problem]) -> None:
    if problems:
        code = problems[0].code if len(problems) == 1 else "bad_parameters"
        details = [problem.detail for problem in problems[:5]]
        between = "\n" if any("\n" in detail for detail in details) else "; "
        raise BadRequest(between.join(details), code=code, errors=problems)


@contextmanager
def _gathered(problems: list[Problem]) -> Iterator[None]:
    """Keeps what is wrong, so that all of it is told at once."""
    try:
        yield
    except BadRequest as fault:
        problems += fault.errors


class Parser:
    """Parses the requests of one schema."""

    def __init__(self, schema: Schema, settings: Settings, secret: bytes) -> None:
        self.schema = schema
        self.settings = settings
        self.secret = secret
        self._forms: dict[Any, Form] = {}
        self._picks: dict[tuple[str, str], ReadShape] = {}
        self._afters: dict[tuple[ReadShape, tuple[bool, ...]], ReadShape] = {}

    def one(self, model: Model, key: Mapping[str, Any], query: bytes) -> ReadIntent:
        """The intent of reading one record."""
        return ReadIntent(self._one_shape(model, query), key)

    def _one_shape(self, model: Model, query: bytes) -> ReadShape:
        place = (model.name, query.decode("latin-1"))
        shape = self._picks.get(place)
        if shape is None:
            pick = self.pick(model, query, ("deleted",) if model.soft_delete else ())
            where, deleted = key_condition(model), _deleted(model, dict(self._pairs(query)))
            shape = ReadShape(model.name, "one", where, pick=pick, deleted=deleted)
            if len(self._picks) >= KEPT:
                del self._picks[next(iter(self._picks))]
            self._picks[place] = shape
        return shape

    def pick(self, model: Model, query: bytes, also: tuple[str, ...] = ()) -> Pick:
        """What `fields` and `expand` ask for; but for those in `also`, others are faults."""
        asked = dict(self._pairs(query))
        for name in asked:
            if name not in (known := (*ONE_PARAMETERS, *also)):
                detail = f"there is no parameter {name[:80]!r} here: {nearest(name, known)}"
                raise bad(name, "unknown_parameter", detail)
        return self._pick(model, asked)

    def flag(self, query: bytes, name: str) -> bool:
        """Whether the parameter is true; it is false where it isn't given."""
        return word(dict(self._pairs(query)), name, ("false", "true")) == "true"

    def _pick(self, model: Model, asked: Mapping[str, str]) -> Pick:
        fields, expand = _names("fields", asked), _names("expand", asked) or ()
        # A dotted field expands as well.
        paths = {*expand, *(name.rpartition(".")[0] for name in fields or () if "." in name)}
        most, depth = self.settings.max_expand_paths, self.settings.max_expand_depth
        if len(paths) > most:
            raise bad("expand", "too_many_relations", f"expand takes at most {most} relations")
        problems: list[Problem] = []
        for name in fields or ():
            with _gathered(problems):
                picks(self.schema, model, (name,), (), depth)
        for path in expand:
            with _gathered(problems):
                picks(self.schema, model, None, (path,), depth)
        _refuse(problems)
        return picks(self.schema, model, fields, expand, depth)

    def page(self, model: Model, query: bytes, whole: int | None = None) -> Page:
        """The intent of reading a list; `whole` is the limit, at most and usually, of a stream."""
        pairs = self._pairs(query)
        form = self._form(model, pairs)
        values: dict[str, Any] = {}
        problems: list[Problem] = []
        for place, read in form.readers:
            try:
                values |= read(pairs[place][1])
            except BadRequest as fault:
                problems += fault.errors
        asked, most = dict(pairs), whole or self.settings.max_limit
        usual = whole or min(self.settings.default_limit, most)
        limit = self._number(asked, "limit", 1, most, usual, problems)
        values["limit"] = limit + 1
        if form.shape.count == "bounded":
            values["count_limit"] = int(asked["count"]) + 1
        if "offset" in asked:
            most = self.settings.max_offset
            values["offset"] = self._number(asked, "offset", 0, most, 0, problems)
        after = self._cursor(form, asked, problems)
        _refuse(problems)
        if after is None:
            return Page(ReadIntent(form.shape, values), limit, form)
        values |= {f"after{i}": value for i, value in enumerate(after)}
        shape = self._after(form.shape, tuple(value is None for value in after))
        return Page(ReadIntent(shape, values), limit, form)

    def _cursor(
        self, form: Form, asked: Mapping[str, str], problems: list[Problem]
    ) -> list[Any] | None:
        if "cursor" not in asked:
            return None
        if "offset" in asked:
            detail = "a list takes a cursor or an offset, not both"
            problems += bad("offset", "cursor_and_offset", detail).errors
        try:
            return cursors.decode(self.secret, form.mark, form.orders, asked["cursor"])
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

    def _number(
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
            pairs = _split(query.decode("ascii"))
        except (UnicodeDecodeError, ValueError):
            raise bad("", "bad_encoding", "the query string isn't percent-encoded UTF-8") from None
        return self._once(pairs)

    def _once(self, pairs: list[tuple[str, str]]) -> list[tuple[str, str]]:
        seen = set()
        for name, _ in pairs:
            if name in seen and name in LIST_PARAMETERS:
                raise bad(name, "repeated_parameter", f"{name} is given more than once")
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
            form = self._parse_form(model, pairs)
            if len(self._forms) >= KEPT:
                del self._forms[next(iter(self._forms))]
            self._forms[place] = form
        return form

    def _structure(self, name: str, value: str) -> Any:
        """What of a parameter's value is of the list's shape."""
        if name in _VALUES:
            return ""
        return kinds_of(self.settings, value) if name == "search" else value

    def _parse_form(self, model: Model, pairs: list[tuple[str, str]]) -> Form:
        """Every wrong parameter is told at once."""
        wheres: list[e.Expr] = []
        readers: list[tuple[int, Reader]] = []
        problems: list[Problem] = []
        for place, (name, value) in enumerate(pairs):
            if name in SHAPING or (name == DELETED and model.soft_delete):
                continue
            with _gathered(problems):
                one = parse_where(self.schema, self.settings, model, name, value, place)
                wheres.append(one.where)
                readers.append((place, one.read))
        most = self.settings.max_filters
        if sum(name not in LIST_PARAMETERS for name, _ in pairs) > most:
            raise bad("", "too_many_parameters", f"a request takes at most {most} filters")
        asked = dict(pairs)
        sort: tuple[Sort, ...] = ()
        pick = Pick()
        count: CountMode = ""
        with _gathered(problems):
            sort = self._sort(model, asked)
        with _gathered(problems):
            pick = self._pick(model, asked)
        with _gathered(problems):
            count = _count(self.settings, asked)
        scopes, deleted = None, LIVING
        with _gathered(problems):
            scopes = _scopes(model, asked)
        with _gathered(problems):
            deleted = _deleted(model, asked)
        found = NOTHING
        with _gathered(problems):
            found = asked_search(self.settings, model, pairs)
        _refuse(problems)
        sort = found.order(sort)
        page = (e.all_of(wheres), sort, pick, None, "offset" in asked, count)
        shape = found.added(ReadShape(model.name, "page", *page, scopes=scopes, deleted=deleted))
        orders = orders_of(self.schema, model, sort)
        mark = cursors.order_mark(model.collection, orders)
        return Form(shape, orders, mark, (*readers, *found.readers))

    def _sort(self, model: Model, asked: Mapping[str, str]) -> tuple[Sort, ...]:
        steps: list[Sort] = []
        problems: list[Problem] = []
        for text in _names("sort", asked) or ():
            with _gathered(problems):
                steps.append(self._step(model, text))
        _refuse(problems)
        if len(steps) > self.settings.max_sort_fields:
            most = self.settings.max_sort_fields
            raise bad("sort", "too_many_fields", f"sort takes at most {most} fields")
        if len({step.path for step in steps}) < len(steps):
            raise bad("sort", "repeated_field", "sort names a field twice")
        return tuple(steps)

    def _step(self, model: Model, text: str) -> Sort:
        path = tuple(text.removeprefix("-").split("."))
        if len(path) > self.settings.max_filter_depth + 1:
            raise bad("sort", "sort_too_deep", "sort goes through too many relations in a row")
        _, field, _ = column_of(self.schema, model, path)
        if not field.kind.ordered:
            raise bad("sort", "no_order", f"{'.'.join(path)} ({field.kind.name}) has no order")
        return Sort(path, text.startswith("-"))

    def key(self, model: Model, text: str) -> dict[str, Any]:
        """The key that a path's last part writes, still percent-encoded; NotFound for any other."""
        parts = text.split(",")
        if len(parts) != len(model.key):
            raise NotFound(f"there is no such {model.name}", hint=_key_hint(model))
        key = {}
        for name, part in zip(model.key, parts, strict=True):
            try:
                value = unquote(part, errors="strict") if "%" in part else part
                key[f"key.{name}"] = model.fields[name].kind.parse(value)
            except ValueError:
                raise NotFound(f"there is no such {model.name}", hint=_key_hint(model)) from None
        return key


def _split(query: str) -> list[tuple[str, str]]:
    """The pairs of a query string, as urllib's parse_qsl gives them, in a third of its time."""
    pairs = []
    for part in query.split("&"):
        if part:
            name, _, value = part.partition("=")
            pairs.append((_decoded(name), _decoded(value)))
    return pairs


def _decoded(text: str) -> str:
    if "+" in text:
        text = text.replace("+", " ")
    return unquote(text, errors="strict") if "%" in text else text


def _key_hint(model: Model) -> str:
    kinds = [f"{name} ({model.fields[name].kind.name})" for name in model.key]
    return f"its key is {', '.join(kinds)}"


def _structural(name: str) -> bool:
    return name in LIST_PARAMETERS or name == DELETED or name.endswith("[isnull]")


def _names(parameter: str, asked: Mapping[str, str]) -> tuple[str, ...] | None:
    if parameter not in asked:
        return None
    names = tuple(asked[parameter].split(","))
    if any("" in name.removeprefix("-").split(".") for name in names):
        raise bad(parameter, "bad_value", f"{parameter} should be names with commas between")
    return names


def word(asked: Mapping[str, str], name: str, words: tuple[str, ...]) -> str:
    """The parameter's value, one of the words; by default the first."""
    given = asked.get(name, words[0])
    if given not in words:
        raise bad(name, "bad_value", f"{name} should be {' or '.join(words)}")
    return given


def _deleted(model: Model, asked: Mapping[str, str]) -> Deleted:
    if not model.soft_delete:
        return LIVING
    return cast(Deleted, word(asked, DELETED, get_args(Deleted)))


def _scopes(model: Model, asked: Mapping[str, str]) -> tuple[str, ...] | None:
    names = _names("scope", asked)
    return None if names is None else scopes_of(model, names)


def _count(settings: Settings, asked: Mapping[str, str]) -> CountMode:
    text = asked.get("count", "")
    if text in ("", "exact", "estimated") and ("count" not in asked or text):
        return text  # type: ignore[return-value]
    if text.isascii() and text.isdigit() and len(text) < 10 and 0 < int(text) <= settings.max_count:
        return "bounded"
    detail = f"count should be exact, estimated, or how far to count: 1 to {settings.max_count}"
    raise bad("count", "bad_value", detail)


def key_condition(model: Model) -> e.Expr:
    """The condition of being the record that the path names."""
    return e.all_of(
        e.Compare("eq", e.Column(name), e.Param(f"key.{name}", model.fields[name].kind))
        for name in model.key
    )
