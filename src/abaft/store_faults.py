"""What a store refuses by becomes what a client is told; no SQL text and no value of another's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from abaft.base.errors import Conflict, Fault, Invalid, Problem, Unavailable
from abaft.model.spec import Model, Schema, Unique
from abaft.plan.explain import dangling, forbidden_result
from abaft.store.base import (
    AnswerTooLarge,
    Busy,
    CheckViolation,
    Crossed,
    GuardFailed,
    Locked,
    Lost,
    QueryTimeout,
    RecordTooLarge,
    ReferenceViolation,
    StoreError,
    UniqueViolation,
    Unknown,
)
from abaft.writing import Draft


class Refusing:
    """Turns the store's refusals of this write into faults."""

    __slots__ = ("_draft", "_schema")

    def __init__(self, schema: Schema, draft: Draft) -> None:
        self._schema = schema
        self._draft = draft

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, StoreError):
            raise write_fault(self._schema, self._draft, error) from error


def store_fault(error: StoreError) -> Fault:
    """The fault of a refusal that has nothing to do with what was asked for."""
    match error:
        case QueryTimeout():
            hint = "narrow the filter, ask for a smaller page, or add an index"
            return Invalid(
                "the query took too long and was stopped", code="query_timeout", hint=hint
            )
        case AnswerTooLarge():
            return answer_too_large()
        case RecordTooLarge():
            hint = "store less in it, or part of it in records of another model"
            return Invalid("the record is too large", code="record_too_large", hint=hint)
        case Unknown():
            detail = (
                "the connection broke while the write was under way: look whether it took place"
            )
            return Unavailable(detail, code="outcome_unknown")
        case Lost():
            return Unavailable("the database can't be reached at the moment", code="database_lost")
        case Busy():
            fault = Unavailable("the database is busy: try again", code="database_busy")
            fault.passing = isinstance(error, Crossed | Locked)
            return fault
    return Conflict("the database refused this")


def busy_record() -> Conflict:
    """The fault of a record that others have changed again and again meanwhile."""
    fault = Conflict("others keep changing this record: try again", code="busy_record")
    fault.passing = True
    return fault


def answer_too_large() -> Fault:
    """The fault of a read that found more than fits into an answer made as a whole."""
    hint = "ask for a smaller limit, for fewer fields or relations, or for a stream of NDJSON"
    return Invalid("the answer would be too large", code="answer_too_large", hint=hint)


def write_fault(schema: Schema, draft: Draft, error: StoreError) -> Fault:
    """The fault of a refusal of this write."""
    model = draft.model
    match error:
        case UniqueViolation(fields=fields):
            return taken(model, broken_rules(model, fields), fields)
        case ReferenceViolation():
            return _reference(schema, draft)
        case CheckViolation(name=name, column=column):
            return _unmet(model, name, column)
        case GuardFailed(guard=guard) if guard.startswith("target."):
            return dangling(model, guard.removeprefix("target."))
        case GuardFailed(guard="anchor"):
            detail = f"there is no such {model.name} in this list"
            problem = Problem(f"/{draft.intent.verb}", "no_such_record", detail)
            return Invalid("1 value is wrong", errors=[problem])
        case GuardFailed():
            return forbidden_result(model)
    return store_fault(error)


def _unmet(model: Model, constraint: str, column: str) -> Invalid:
    """422: a check by its name; of anything else the database holds to, not its words."""
    short = constraint.removeprefix(f"ck_{model.table}_")
    known = short in {check.name for check in model.checks}
    detail = f"the record doesn't meet {short!r}" if known else "a value doesn't fit its column"
    fields = [field.name for field in model.fields.values() if field.column == column]
    pointer = f"/{fields[0]}" if fields and not known else ""
    return Invalid(detail, code="check", errors=[Problem(pointer, "check", detail)])


def unique_rules(model: Model) -> list[Unique]:
    """All by which records are held apart, in the order in which they are told."""
    return [*dict.fromkeys((Unique(model.key), *model.unique_sets()))]


def broken_rules(model: Model, columns: tuple[str, ...]) -> list[Unique]:
    """Those that a database tells of by these columns, or by the name of the index alone."""
    names = {name for name, row in model.fields.items() if row.column in columns}
    return [
        row
        for row in unique_rules(model)
        if names == set(row.fields) or (not names and row.name(model.table) in columns)
    ]


def taken(model: Model, broken: Sequence[Unique], columns: tuple[str, ...]) -> Conflict:
    """409: the fields of each, in the model's order; where it has no such rule, of the columns."""
    held = [row.fields for row in unique_rules(model) if row in broken]
    if not held:
        named = tuple(name for name, row in model.fields.items() if row.column in columns)
        held = [named or model.key]
    rules = dict.fromkeys(tuple(name for name in model.fields if name in row) for row in held)
    details = [
        f"{' and '.join(names)} {'is' if len(names) == 1 else 'are together'} taken"
        for names in rules
    ]
    problems = [
        Problem(f"/{name}", "taken", detail)
        for names, detail in zip(rules, details, strict=True)
        for name in names
    ]
    return Conflict("; ".join(details), code="taken", errors=problems)


def _reference(schema: Schema, draft: Draft) -> Fault:
    model = draft.model
    if draft.intent.action == "delete":
        owners = [
            source.collection or source.name
            for source, one in schema.inbound(model)
            if one.on_delete == "restrict"
        ]
        named = ", ".join(dict.fromkeys(owners)) or "other records"
        return Conflict(f"it is still referred to by {named}", code="still_referred_to")
    return Invalid("a relation leads nowhere")
