"""Checks what a client or a program gives for a record; every fault is told at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import Annotated, Any, Literal, NotRequired

from orjson import dumps
from pydantic import AfterValidator, ConfigDict, Field, JsonValue, TypeAdapter, ValidationError
from typing_extensions import TypedDict

from abaft.base.errors import BadRequest, Invalid, Problem, nearest
from abaft.model import spec
from abaft.model.declare import key_part
from abaft.model.documents import plain_json
from abaft.model.field import Many
from abaft.model.records import related, typed
from abaft.model.spec import Model, Schema

KEPT = 500
MAX_LINKS = 1_000
"""Records that one write may tie to a to-many relation."""
MOST_FOUND = 10_000
"""Faults of a body that are listed, of which the first are told."""
_PART, _POINTER = 200, 1_000
"""Characters of a name, and of a place, that are told."""

Extra = Literal["forbid", "ignore"]
"""What becomes of members that no field has."""

_CODES = {
    "missing": "required",
    "string_type": "type",
    "int_type": "type",
    "int_from_float": "type",
    "float_type": "type",
    "bool_type": "type",
    "bytes_type": "type",
    "dict_type": "type",
    "list_type": "type",
    "is_instance_of": "type",
    "decimal_type": "type",
    "datetime_type": "type",
    "date_type": "type",
    "time_type": "type",
    "time_delta_type": "type",
    "uuid_type": "type",
    "url_type": "type",
}

_NUMBERS = ("integer", "float")
_PARSED = ("boolean", "date", "datetime", "decimal", "duration", "integer", "time", "uuid")
"""Kinds whose values need no more than to be parsed, where they have no limits."""


class _Adapters(dict[str, TypeAdapter[Any]]):
    """Validators by name, each made when it is first asked for: an app needs few of them."""

    def __init__(self, annotations: Mapping[str, Any] | None = None, **more: Any) -> None:
        super().__init__()
        self.annotations = {**(annotations or {}), **more}

    def __missing__(self, name: str) -> TypeAdapter[Any]:
        self[name] = made = TypeAdapter(self.annotations[name])
        return made


class Values:
    """The validators of one model: for a new record, a changed one and a replaced one."""

    def __init__(self, schema: Schema, model: Model, extra: Extra = "forbid") -> None:
        self.schema = schema
        self.model = model
        self.extra = extra
        fields = list(model.fields.values())
        wire = {field.name: _optional(field, field.kind.accepts()) for field in fields}
        many = {
            name: links_of(schema, relation)
            for name, relation in model.many.items()
            if relation.writable
        }
        writable = {field.name for field in fields if field.writable} | set(many)
        needed = {field.name for field in fields if field.required and field.writable}
        wire |= many
        self.new = members(
            {n: _present(t, n in needed) for n, t in wire.items() if n in writable}, extra
        )
        """The annotation of a new record."""
        self._changed = members(
            {n: NotRequired[_patched(model, n, t)] for n, t in wire.items() if n in writable}, extra
        )
        self._parts: dict[tuple[str, frozenset[str]], TypeAdapter[Any]] = {}
        self._create_all: TypeAdapter[Any] | None = None
        needed -= set(model.key)
        # What was read can be sent back whole: what the server sets is passed over.
        served = {
            field.name: NotRequired[wire[field.name] if field.key else Any]
            for field in fields
            if not (field.writable or field.hidden)
        }
        served |= dict.fromkeys([*model.computed, *model.virtual], NotRequired[Any])
        self._served = set(served)
        self._whole = members(
            served | {n: _present(t, n in needed) for n, t in wire.items() if n in writable}, extra
        )
        self._bodies = _Adapters(create=self.new, patch=self._changed, replace=self._whole)
        self._python = _Adapters(
            {field.name: _optional(field, field.kind.limited()) for field in fields}
            | {name: links_of(schema, model.many[name], wire=False) for name in many}
        )
        self.wire = {name: row for name, row in wire.items() if name in writable}
        """The annotation of each member that a client may give."""
        self._wired = _Adapters(wire)

    @cached_property
    def lenient(self) -> Values:
        """The same, but what isn't known or may not be given is passed over."""
        return Values(self.schema, self.model, "ignore")

    def create(self, body: bytes) -> dict[str, Any]:
        """The values of a new record's JSON body. Raises BadRequest or Invalid."""
        return self._check(self._bodies["create"], body)

    def create_all(self, body: bytes, most: int) -> list[dict[str, Any]]:
        """The values of each new record of a JSON list."""
        if self._create_all is None:
            # Beyond the limit nothing is looked at: to tell what is wrong would take long.
            made: Any = self.new
            self._create_all = TypeAdapter(Annotated[list[made], Field(max_length=most)])
        try:
            return self._create_all.validate_json(body)  # type: ignore[no-any-return]
        except ValidationError as error:
            raise _list_fault(self.model, error, most) from None

    def part(self, action: str, body: bytes, without: frozenset[str]) -> dict[str, Any]:
        """The values of a body to create or update by, in which some members have no place."""
        place = (action, without)
        if place not in self._parts:
            whole = self.new if action == "create" else self._changed
            fields = {n: t for n, t in whole.__annotations__.items() if n not in without}
            if len(self._parts) >= KEPT:
                self._parts.clear()
            self._parts[place] = TypeAdapter(members(fields, self.extra))
        return self._check(self._parts[place], body)

    def member(self, name: str, body: bytes) -> Any:
        """The one member of a body, which may be a field that no client gives: a key."""
        place = (name, frozenset({name}))
        if place not in self._parts:
            fields = {name: self._wired.annotations[name]}
            self._parts[place] = TypeAdapter(members(fields, self.extra))
        return self._check(self._parts[place], body)[name]

    def patch(self, body: bytes) -> dict[str, Any]:
        """The values of a merge patch's body (RFC 7396)."""
        return self._check(self._bodies["patch"], body)

    def replace(self, body: bytes) -> dict[str, Any]:
        """The values of a whole record's body, whose key the URL names."""
        given = self._check(self._bodies["replace"], body)
        keys = self.model.key
        return {n: v for n, v in given.items() if n not in self._served or n in keys}

    def python(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The values that a program gives; relations may be given as records."""
        values: dict[str, Any] = {}
        problems: list[Problem] = []
        for name, value in given.items():
            if name not in self._python.annotations:
                problems.append(unknown(self.model, name))
                continue
            try:
                values[name] = self._python[name].validate_python(_keys(value))
            except ValidationError as error:
                problems += [problem_of(self.model, row, (name,)) for row in told(error)]
        if problems:
            raise Invalid(summary(problems), errors=problems)
        return values

    def reader(self, name: str) -> Callable[[str], Any]:
        """What makes a field's value of text in a file; ValueError says what is wrong with it."""
        kind = self.model.fields[name].kind
        parse = kind.parse
        checks = bool(kind.limits or kind.stored or kind.name not in _PARSED)
        validate = self._python[name].validator.validate_python

        def read(text: str) -> Any:
            try:
                if kind.name == "json":
                    return self._wired[name].validate_json(text, strict=True)
                return validate(parse(text)) if checks else parse(text)
            except ValidationError as error:
                detail = error.errors()[0]["msg"]
                raise ValueError(f"{text[:60]!r}: {detail}") from None
            except ValueError as error:
                raise ValueError(f"{text[:60]!r} is not {error}") from None

        return read

    def loaded(self, name: str, value: Any) -> Any:
        """A field's value of one in a JSON file; ValueError says what is wrong with it."""
        try:
            if type(value) in (int, float) and self.model.fields[name].kind.name in _NUMBERS:
                return self._python[name].validate_python(value)
            return self._wired[name].validate_json(dumps(value), strict=True)
        except ValidationError as error:
            raise ValueError(f"{str(value)[:60]!r}: {error.errors()[0]['msg']}") from None
        except TypeError as error:
            raise ValueError(f"{str(value)[:60]!r}: {error}") from None

    def json(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Whole JSON values, once a patch has been merged into them."""
        values: dict[str, Any] = {}
        problems: list[Problem] = []
        for name, value in given.items():
            try:
                values[name] = self._wired[name].validate_json(dumps(value), strict=True)
            except ValidationError as error:
                problems += [problem_of(self.model, row, (name,)) for row in told(error)]
        if problems:
            raise Invalid(summary(problems), errors=problems)
        return values

    def typed(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The values as a typed record holds them: relations as records, choices as members."""
        fields, found = self.model.fields, {}
        for name, value in values.items():
            if name in self.model.many or name in self.model.one:
                found[name] = value if value is None else self._related(name, value)
            else:
                kind = fields[name].kind
                found[name] = value if value is None else typed(kind, kind.show(value))
        return found

    def _related(self, name: str, value: Any) -> Any:
        target = self.schema.target(self.model, name)
        field = target.fields[target.key[0]]
        if name in self.model.many:
            return Many(related(self.schema, target, field.kind.show(item)) for item in value)
        return related(self.schema, target, field.kind.show(value))

    def _check(self, adapter: TypeAdapter[Any], body: bytes) -> dict[str, Any]:
        try:
            return adapter.validate_json(body)  # type: ignore[no-any-return]
        except ValidationError as error:
            raise body_fault(self.model, error) from None


def _keys(value: Any) -> Any:
    """Keys in the place of records."""
    if isinstance(value, (list, tuple)):
        return [key_part(item) for item in value]
    return key_part(value)


def _optional(field: spec.Field, annotation: Any) -> Any:
    return annotation | None if field.nullable else annotation


def _present(annotation: Any, needed: bool) -> Any:
    return annotation if needed else NotRequired[annotation]


def _patched(model: Model, name: str, annotation: Any) -> Any:
    """A JSON object is merged into the stored one, and checked when that is done."""
    field = model.fields.get(name)
    is_json = field is not None and field.kind.name == "json"
    return Annotated[JsonValue, AfterValidator(plain_json)] if is_json else annotation


def links_of(schema: Schema, relation: spec.Many, wire: bool = True) -> Any:
    """The annotation of a list of keys that a to-many relation is given."""
    target = schema.models[relation.target]
    kind = target.fields[target.key[0]].kind
    key: Any = kind.accepts() if wire else kind.python()
    return Annotated[list[key], Field(max_length=MAX_LINKS)]


def body_adapter(fields: dict[str, Any], extra: Extra) -> TypeAdapter[Any]:
    return TypeAdapter(members(fields, extra))


def members(fields: dict[str, Any], extra: Extra = "forbid") -> Any:
    """The annotation of a JSON object with these members."""
    make: Any = TypedDict
    made = make("Body", fields)
    made.__pydantic_config__ = ConfigDict(strict=True, extra=extra)
    return made


_BACK = (
    "leads back here: a POST takes a list of its records, a PATCH what is to be done with them, "
    'like {"create": […]}; a PUT takes none'
)


def unknown(model: Model, name: str) -> Problem:
    """The problem of a name that isn't a field, or not one that may be given."""
    pointer = pointer_to((name,))
    field = model.value(name)
    many = model.many.get(name)
    if many is not None and not many.hidden and not many.writable:
        return Problem(pointer, "type", f"{name} {_BACK}")
    if name in model.virtual or (field is not None and not field.hidden):
        return Problem(pointer, "read_only", f"{name} is set by the server and can't be given")
    known = [row.name for row in model.fields.values() if row.writable and not row.hidden]
    known += [many.name for many in model.many.values() if many.writable]
    return Problem(pointer, "unknown_field", f"there is no such field: {nearest(str(name), known)}")


def unknown_member(place: Sequence[Any], known: Iterable[str]) -> Problem:
    """The problem of a member of a body that isn't a record's."""
    name = str(place[-1])
    detail = f"there is no such member: {nearest(name, known)}"
    return Problem(pointer_to(place), "unknown_field", detail)


def pointer_to(place: Sequence[Any]) -> str:
    """The JSON pointer (RFC 6901) of a place in a body; one that is too long to tell is cut."""
    parts = (str(part)[:_PART].replace("~", "~0").replace("/", "~1") for part in place)
    return "".join("/" + part for part in parts)[:_POINTER]


def problem_of(model: Model | None, row: Any, prefix: tuple[str, ...]) -> Problem:
    """What pydantic found, by its pointer; `prefix` is of what was looked at alone."""
    place = (*prefix, *row["loc"])
    if model is not None and row["type"] == "extra_forbidden" and len(place) == 1:
        return unknown(model, str(place[0]))
    code = _CODES.get(row["type"], row["type"])
    return Problem(pointer_to(place), code, row["msg"])


Explain = Callable[[Any, Any, tuple[str, ...]], Problem]


def told(error: ValidationError) -> list[Any]:
    """What pydantic found. Raises Invalid where it is so much that listing it would cost more than
    reading the body did: a name of few bytes, that isn't known, becomes half a kilobyte."""
    count = error.error_count()
    if count > MOST_FOUND:
        raise Invalid(f"{count:,} values are wrong, too many to tell of")
    return error.errors(include_url=False, include_input=False, include_context=False)


def body_fault(
    model: Model | None, error: ValidationError, problem: Explain = problem_of
) -> BadRequest | Invalid:
    """What is wrong with a body: not JSON, no object, or values by their pointers."""
    rows = told(error)
    if rows[0]["type"] == "json_invalid":
        detail = rows[0]["msg"].removeprefix("Invalid JSON: ")
        if detail.endswith("line 1 column 0"):
            return BadRequest("the body is empty: it should be JSON", code="invalid_json")
        return BadRequest(f"the body isn't JSON: {detail}", code="invalid_json")
    if not rows[0]["loc"]:
        return Invalid("the body must be a JSON object", code="not_an_object")
    problems = [problem(model, row, ()) for row in rows[:100]]
    return Invalid(summary(problems), errors=problems)


def _list_fault(model: Model, error: ValidationError, most: int) -> BadRequest | Invalid:
    rows = told(error)
    if not rows[0]["loc"] and rows[0]["type"] == "too_long":
        return Invalid(f"a list may have {most} records", code="too_many_records")
    if not rows[0]["loc"]:
        return body_fault(model, error)
    problems = []
    for row in rows[:100]:
        place, *inner = row["loc"]
        found = problem_of(model, {**row, "loc": inner}, ())
        pointer = found.pointer if inner else ""
        problems.append(Problem(f"/{place}{pointer}", found.code, found.detail))
    return Invalid(summary(problems), errors=problems)


def summary(problems: list[Problem]) -> str:
    """The problem's detail, whose errors tell the rest."""
    return "1 value is wrong" if len(problems) == 1 else f"{len(problems)} values are wrong"


def merge_patch(target: Any, patch: Any) -> Any:
    """RFC 7396, section 2."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = merge_patch(merged.get(name), value)
    return merged
