"""The parameters of a list and of a record: filters, order, expansion, page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, get_args

from abaft.api.filters import LIST_PARAMETERS
from abaft.api.openapi_answers import parameter
from abaft.api.openapi_examples import conditions
from abaft.api.upserts import offered
from abaft.base.settings import Settings
from abaft.language.operators import OPERATORS, suits
from abaft.model.kinds import Kind
from abaft.model.schemas import JsonSchema, asked
from abaft.model.spec import DELETED, Field, Model, Schema
from abaft.model.switches import EVERY
from abaft.plan.search import ALL
from abaft.plan.types import Deleted

Parameter = dict[str, Any]


class Parameters:
    """The query and path parameters of one model."""

    def __init__(self, schema: Schema, settings: Settings, model: Model) -> None:
        self.schema = schema
        self.settings = settings
        self.model = model
        self.fields = [field for field in model.fields.values() if not field.hidden]
        self.fields += [computed.field for computed in model.computed.values()]
        self.many = [name for name, many in model.many.items() if not many.hidden]
        self.one = [name for name in model.one if not self._hidden(name)]

    def _hidden(self, name: str) -> bool:
        return name in self.model.fields and self.model.fields[name].hidden

    def upsert(self) -> list[Parameter]:
        """By what a POST finds the record that it changes."""
        keys = [",".join(key) for key in offered(self.model)]
        said = (
            "A unique key: the record with the same values is changed, if there is one. "
            "With it relations take keys alone, and no records."
        )
        # One text with commas in it: none of the parts is a key.
        return [_query("upsert", {"type": "string", "enum": keys}, said)] if keys else []

    def key(self) -> list[Parameter]:
        """The path's: one for each field of the key, which commas part."""
        return [self._key_part(self.model.fields[name]) for name in self.model.key]

    def _key_part(self, field: Field) -> Parameter:
        schema = asked(field.kind)
        if field.kind.textual:
            schema = {**schema, "minLength": 1}
        said = field.description or f"The {self.model.name}'s {field.name}"
        return {"name": field.name, "in": "path", "required": True, "schema": schema} | {
            "description": said
        }

    def path(self) -> str:
        """The path's template for a record, after its collection's."""
        return ",".join(f"{{{name}}}" for name in self.model.key)

    def page(self) -> list[Parameter]:
        """A list's."""
        first = self._by([self._language(), self._sort()])
        last = self._by(self._groups())
        rest = [row for row in self._finding() if row not in (*first, *last)]
        return [*self._search(), *first, *self._place(), *self.shape(), *rest, *last]

    def deleted(self) -> list[Parameter]:
        """Whether deleted records are asked for, where deletes are soft."""
        if not self.model.soft_delete:
            return []
        schema = {"type": "string", "enum": list(get_args(Deleted)), "default": "without"}
        return [_query(DELETED, schema, "Deleted records too, or only: for who might delete them.")]

    def as_of(self) -> list[Parameter]:
        """The time as of which a record is asked for, where there is a history."""
        said = "The record as it was then; with no other parameter."
        schema = {"type": "string", "format": "date-time"}
        return [_query("as_of", schema, said)] if self.model.history else []

    def purge(self) -> list[Parameter]:
        """Whether a delete is for good, where deletes are soft."""
        said = "Delete for good, also what is deleted already."
        schema = {"type": "boolean", "default": False}
        return [_query("purge", schema, said)] if self.model.soft_delete else []

    def _search(self) -> list[Parameter]:
        names = [row.name for row in self.model.searched]
        if not names:
            return []
        text = {"type": "string", "maxLength": self.settings.max_search_length}
        said = (
            f"What to find in {', '.join(names)}: all of the words, "
            '`"exact words"`, `begun*`, `-not`. Without `sort` the most relevant come first.'
        )
        marked = "Where to mark what `search` has found: fields, or `true` for all."
        return [
            _query("search", text, said),
            _names("highlight", [ALL, *names], marked),
        ]

    def _scope(self) -> list[Parameter]:
        if not self.model.scopes:
            return []
        names = [EVERY, *(scope.name for scope in self.model.scopes)]
        usual = [f"`{scope.name}`" for scope in self.model.scopes if scope.default]
        said = f"Conditions to hold in place of {' and '.join(usual) or 'none'}; `all`: none."
        return [_names("scope", names, said)]

    def found(self) -> list[Parameter]:
        """Those of a write of all that a filter finds."""
        most = min(self.settings.max_batch, self.settings.max_limit)
        limit = {"type": "integer", "minimum": 1, "maximum": most}
        flag = {"type": "boolean"}
        return [
            _query("limit", limit, "How many it may be at most.") | {"required": True},
            _query("all", flag, "`true`: every record is meant; needed where no filter is given."),
            _query("dry_run", flag, "`true`: tell what would come of it, and keep nothing."),
            *(row for row in self._finding() if row not in self._by(self._groups())),
        ]

    def _finding(self) -> list[Parameter]:
        return [parameter(name) for name in self.finding()]

    def _by(self, rows: list[Parameter]) -> list[Parameter]:
        """References to these, as they are named in `finding()`."""
        return [parameter(f"{self.model.name}.by.{_plain(row['name'])}") for row in rows]

    def finding(self) -> dict[str, Parameter]:
        """The parameters that tell which records, and in what order, by their components' names."""
        asked = [self._language(), *self._groups(), self._sort(), *self._scope(), *self.deleted()]
        asked += self.filters()
        return {f"{self.model.name}.by.{_plain(row['name'])}": row for row in asked}

    def shape(self) -> list[Parameter]:
        """What is shown of a record, by reference to `shared()`."""
        return [parameter(name) for name in self.shared()]

    def shared(self) -> dict[str, Parameter]:
        """The parameters that all operations of the model have, by their components' names."""
        found = {}
        relations = [*self.one, *self.many]
        if relations:
            names = relations + self._beyond(relations, lambda there: [*there.one, *there.many])
            most = self.settings.max_expand_paths
            options = "sort=…;limit=5;count" if self.many else "fields=…"
            said = (
                f"Relations to show as objects, {most} at most; dots lead on. With options: "
                f"`{[*self.many, *relations][0]}({options})`; also `filter=`, `fields=`, `expand=`."
            )
            found[f"{self.model.name}.expand"] = _names("expand", names, said)
        names = [*(field.name for field in self.fields), *self.model.virtual]
        names += [name for name in relations if name not in names]
        names += self._beyond(relations, lambda there: [field.name for field in there.fields])
        said = "Only these members; dots lead into relations, which are expanded."
        found[f"{self.model.name}.fields"] = _names("fields", names, said)
        return found

    def _groups(self) -> list[Parameter]:
        text = {"type": "string", "minLength": 1}
        most = self.settings.max_filter_length
        return [
            _query(
                "aggregate",
                text,
                "Groups in place of records, and what is reckoned of each, with commas between: "
                "`count`, `sum(…)`, `avg(…)`, `min(…)`, `max(…)`, `distinct(…)` of a value; "
                "`name:sum(…)` names it.",
            ),
            _query(
                "group",
                text,
                "With `aggregate`: the values to group by, with commas between: fields, paths, "
                "`month(created)`.",
            ),
            _query(
                "having",
                {**text, "maxLength": most},
                "With `aggregate`: a condition on the groups, in the filter language: `count > 1`.",
            ),
        ]

    def _language(self) -> Parameter:
        said = (
            "A condition in the filter language, beside the filters by field: "
            f"`{conditions(self.fields)}`."
        )
        schema = {"type": "string", "minLength": 1, "maxLength": self.settings.max_filter_length}
        return _query("filter", schema, said)

    def _sort(self) -> Parameter:
        names = self._ordered() + self._beyond(self.one, lambda there: there._ordered())
        both = [sign + name for name in names for sign in ("", "-")]
        said = "Fields to sort by, `-` for descending; dots lead through relations."
        return _names("sort", both, said, self.settings.max_sort_fields)

    def _ordered(self) -> list[str]:
        return [field.name for field in self.fields if field.kind.ordered]

    def _beyond(self, relations: list[str], names: Callable[[Parameters], list[str]]) -> list[str]:
        """What can be named of each relation's records; longer paths work without being listed."""
        found = []
        for relation in relations:
            there = Parameters(self.schema, self.settings, self.schema.target(self.model, relation))
            found += [f"{relation}.{name}" for name in names(there)]
        return found

    def _place(self) -> list[Parameter]:
        settings = self.settings
        default = min(settings.default_limit, settings.max_limit)
        limit = {"type": "integer", "minimum": 1, "maximum": settings.max_limit, "default": default}
        offset = {"type": "integer", "minimum": 0, "maximum": settings.max_offset}
        few = {"type": "integer", "minimum": 1, "maximum": settings.max_count}
        count = {"anyOf": [{"type": "string", "enum": ["exact", "estimated"]}, few]}
        return [
            _query("limit", limit, "Records on a page; a stream takes any number."),
            _query("cursor", {"type": "string"}, "`next` of the page before."),
            _query("offset", offset, "Records to skip; not with `cursor`, which is faster."),
            _query(
                "count", count, "Tell how many there are in all: `exact`, `estimated`, or up to N."
            ),
        ]

    def filters(self) -> list[Parameter]:
        """Equality by field; the other operators are named by what it says."""
        soft = self.model.soft_delete
        plain = [field for field in self.fields if not (soft and field.name == DELETED)]
        found = [self._filter(field.name, field.kind, asked(field.kind)) for field in plain]
        for name in self.model.one:
            if name not in self.model.fields:
                found.append(self._by_relation(name, self.model.one[name].columns))
        for name in self.many:
            target = self.schema.target(self.model, name)
            if len(target.key) == 1:
                kind = target.fields[target.key[0]].kind
                said = f"Has this one of {target.collection} among them."
                found.append(_query(name, asked(kind), said))
        return [parameter for parameter in found if parameter]

    def _filter(self, name: str, kind: Kind, schema: JsonSchema) -> Parameter:
        operators = [
            row.name for row in OPERATORS.values() if suits(row, kind) and row.name != "eq"
        ]
        listed = " ".join(f"`[{operator}]`" for operator in operators)
        asked_by = f"{name}[eq]" if name in LIST_PARAMETERS else name
        if kind.name == "json":
            schema, name = {"type": "boolean"}, f"{name}[isnull]"
            return _query(name, schema, "Whether it is null.")
        said = f"Equal to this. Others: `{name}[…]=` with {listed}"
        return {**_query(asked_by, schema, said), "x-operators": operators}

    def _by_relation(self, name: str, columns: tuple[str, ...]) -> Parameter:
        kinds = [self.model.fields[column].kind for column in columns]
        if len(columns) == 1:
            return self._filter(name, kinds[0], asked(kinds[0]))
        shape = ",".join(f"{{{column}}}" for column in columns)
        said = f"Its key, `{shape}`. Others: `{name}[ne]=`, `{name}[isnull]=`"
        # What holds a comma is quoted, as in a list; the schema leaves that out.
        plain = {"pattern": r'^[^,"\r\n]*$'}
        parts = [asked(kind) | (plain if kind.textual else {}) for kind in kinds]
        schema = {"type": "array", "prefixItems": parts, "minItems": len(parts)}
        schema |= {"maxItems": len(parts)}
        return _query(name, schema, said) | {
            "style": "form",
            "explode": False,
            "x-operators": ["ne", "isnull"],
        }


def _plain(name: str) -> str:
    """A parameter's name as a component may have it."""
    return name.replace("[", ".").replace("]", "")


def _names(name: str, names: list[str], said: str, most: int | None = None) -> Parameter:
    items = {"type": "string", "enum": names}
    schema: JsonSchema = {"type": "array", "items": items, "minItems": 1}
    if name == "sort":
        schema["uniqueItems"] = True
    if most is not None:
        schema["maxItems"] = most
    return _query(name, schema, said) | {"style": "form", "explode": False}


def _query(name: str, schema: JsonSchema, said: str) -> Parameter:
    return {"name": name, "in": "query", "description": said, "schema": schema}
