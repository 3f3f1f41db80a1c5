"""The difference on MongoDB: validators, indexes, and what documents have beside their fields."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from abaft.migrate.changes import Change, structure_of, told
from abaft.migrate.engine import Asked
from abaft.migrate.files import MigrationError
from abaft.migrate.plan import Compared, Plan, plan
from abaft.migrate.state import Column, Named, State, Table
from abaft.migrate.steps import Step
from abaft.model.spec import POSITION
from abaft.store.mongo.migrate import FILL, RENEW, Found, found, wanted_of
from abaft.store.mongo.store import MongoStore

_VALIDATOR, _BESIDE = "ck_validator", "ck_beside"
_HELD = ("collMod", "createIndexes", RENEW)
_CONVERTED = {
    "string": "string",
    "long": "long",
    "double": "double",
    "decimal": "decimal",
    "bool": "bool",
}
_NEUTRAL: Mapping[str, Any] = {
    "string": "", "long": {"$numberLong": "0"}, "int": 0, "double": 0.0, "bool": False,
    "decimal": {"$numberDecimal": "0"},
}  # fmt: skip


class MongoEngine:
    """A database of a deployment, and what migrations know of it."""

    name = "mongodb"

    def __init__(self, store: MongoStore) -> None:
        self._store = store

    async def diff(self, asked: Asked) -> Plan:
        """Compares the database, or what the steps make of an empty one."""
        steps = asked.source.steps
        there = await found(self._store) if steps is None else _played(steps)
        before = state_of(there)
        for change in told(asked.renames):
            _play(there, rename(change))
        wanted = wanted_of(self._store.schema)
        old, new = state_of(there), state_of(wanted)
        _same_keys(there, wanted)
        structure = tuple(structure_of(old, new, asked.gone))
        compared = Compared(before, old, new, structure, asked.renames)
        made = plan(compared, write, rename)
        down = _last_under_old_names(made.down, before, told(asked.renames))
        return replace(made, changes=tuple(_plain(made.changes)), down=tuple(down))


def _same_keys(there: Mapping[str, Found], wanted: Mapping[str, Found]) -> None:
    """MigrationError where records would have to be told apart by something else."""
    pairs = [(name, _key(there[name]), _key(row)) for name, row in wanted.items() if name in there]
    faults = [
        f"{name} has the key ({', '.join(old)}), and the model ({', '.join(new)})"
        for name, old, new in pairs
        if old and old != new
    ]
    if faults:
        told = "; ".join(faults)
        raise MigrationError(f"{told}: write that by hand, in a file made by --empty")


def _key(row: Found) -> tuple[str, ...]:
    """The fields that an `_id` is made of, or its type; nothing where the validator tells none."""
    of_id = row.validator.get("$jsonSchema", {}).get("properties", {}).get("_id")
    if of_id is None:
        return ()
    parts = [tuple(spec["key"]) for name, spec in row.indexes.items() if name.endswith("_key")]
    types = of_id["bsonType"]
    plain = types if isinstance(types, str) else "|".join(types)
    return parts[0] if plain == "object" and parts else (f"_id: {plain}",)


def _last_under_old_names(
    steps: Sequence[Step], before: State, renames: Sequence[Change]
) -> list[Step]:
    """The way back: what documents are held to comes once they have their old names again."""
    tables = {row.to: row.table for row in renames if row.kind == "rename table"}
    named = {
        name for row in renames for name in (tables.get(row.table, row.table), row.table, row.to)
    }
    first, last = [], []
    for step in steps:
        command = dict(step.command)
        kind = next(iter(command))
        place = tables.get(command[kind], command[kind]) if kind in _HELD else ""
        if not place or not ({place, command[kind]} & named):
            first.append(step)
            continue
        command[kind] = place
        if kind == "collMod":
            command["validator"] = json.loads(before.tables[place].sql)
        if kind == "createIndexes":
            there = before.tables[place].indexes
            names = [spec["name"] for spec in command["indexes"]]
            command["indexes"] = [
                {"name": name, **json.loads(there[name].sql)} for name in names if name in there
            ]
        last.append(replace(step, command=command))
    return [*first, *last]


def _plain(changes: Sequence[Change]) -> list[Change]:
    """Without what goes with other changes: validators, and what stands beside fields."""
    other = {change.table for change in changes if change.name not in (_VALIDATOR, _BESIDE)}
    return [
        replace(change, documents=True)
        for change in changes
        if change.name not in (_VALIDATOR, _BESIDE)
        or (change.kind == "add check" and change.table not in other)
    ]


def state_of(collections: Mapping[str, Found]) -> State:
    """Collections as the comparison takes tables: a validator's properties are the columns."""
    state = State()
    for name, row in collections.items():
        table = Table(name, json.dumps(row.validator, sort_keys=True))
        properties = row.validator.get("$jsonSchema", {}).get("properties", {})
        for path, told_of in properties.items():
            types = told_of["bsonType"]
            types = [types] if isinstance(types, str) else types
            plain = "|".join(type_ for type_ in types if type_ != "null")
            fill = row.fills.get(path)
            if not row.wanted and "null" not in types:
                fill = _NEUTRAL.get(plain, "")
            table.columns[path] = Column(
                plain, "null" not in types, fill="" if fill is None else json.dumps(fill)
            )
        table.checks[_VALIDATOR] = Named(table.sql, table.sql)
        table.checks[_BESIDE] = Named(row.beside, row.beside)
        table.indexes = {
            index: Named(json.dumps(spec), json.dumps(spec)) for index, spec in row.indexes.items()
        }
        state.tables[name] = table
    return state


def _command(change: Change, command: Mapping[str, Any], lost: str = "") -> Step:
    note = replace(change, documents=True).title
    return Step("command", (), lost, command=command, note=note)


def _update(collection: str, where: Mapping[str, Any], what: Any) -> dict[str, Any]:
    updates = [{"q": where, "u": what, "multi": True}]
    return {"update": collection, "updates": updates, "bypassDocumentValidation": True}


def rename(change: Change) -> Step:
    """A collection's other name, or a field's in all documents."""
    if change.kind == "rename table":
        return _command(change, {"renameCollection": change.table, "to": change.to})
    renamed = {"$rename": {change.name: change.to}}
    return _command(change, _update(change.table, {change.name: {"$exists": True}}, renamed))


def write(changes: list[Change], old: State, new: State) -> list[Step]:
    """The steps: documents first, then what they are held to, then what stands beside fields."""
    ways: dict[str, Callable[[Change, State, State], list[Step]]] = {
        "add table": _add_table,
        "drop table": _drop_table,
        "add column": _add_field,
        "drop column": _drop_field,
        "change type": _convert,
        "require": _require,
        "drop index": _drop_index,
        "add index": _add_index,
        "rename index": _rename_index,
    }
    first = [change for change in changes if change.kind in ways and "index" not in change.kind]
    gone = [change for change in changes if change.kind == "drop index"]
    steps = [step for change in (*gone, *first) for step in ways[change.kind](change, old, new)]
    held = [c for c in changes if c.kind == "add check" and c.name == _VALIDATOR]
    for change in held:
        validator = json.loads(new.tables[change.table].sql)
        steps.append(_command(change, {"collMod": change.table, "validator": validator}))
    come = [change.table for change in changes if change.kind == "add table"]
    beside = [c.table for c in changes if c.kind == "add check" and c.name == _BESIDE]
    touched = dict.fromkeys([*come, *beside, *(change.table for change in held)])
    for table in touched:
        digest = new.tables[table].checks[_BESIDE].same
        command = {RENEW: table, "beside": digest}
        steps.append(Step("command", command=command, note=f"what {table} has beside its fields"))
    # What is unique may be what has just been made.
    last = [change for change in changes if change.kind in ("add index", "rename index")]
    return steps + [step for change in last for step in ways[change.kind](change, old, new)]


def _add_table(change: Change, old: State, new: State) -> list[Step]:
    table = new.tables[change.table]
    validator = json.loads(table.sql)
    rules = {"validator": validator} if validator else {}
    steps = [_command(change, {"create": change.table, **rules})]
    specs = [{"name": name, **json.loads(row.sql)} for name, row in table.indexes.items()]
    if specs:
        steps.append(_command(change, {"createIndexes": change.table, "indexes": specs}))
    return steps


def _drop_table(change: Change, old: State, new: State) -> list[Step]:
    lost = f"the collection {change.table} and all that is in it"
    return [_command(change, {"drop": change.table}, lost)]


def _add_field(change: Change, old: State, new: State) -> list[Step]:
    row = new.tables[change.table].columns[change.name]
    where = {change.name: {"$exists": False}}
    if change.name == POSITION:
        return []  # records get their places with what stands beside fields
    if row.required and not row.fill:
        lost = f"{change.table}.{change.name} is required and has no default: a data step gives it"
        return [_command(change, {"ping": 1}, lost)]
    value = json.loads(row.fill) if row.fill else None
    # Ahead of the rest: what old code writes has it from here on.
    return [
        _command(change, {FILL: change.table, "field": change.name, "with": [value]}),
        _command(change, _update(change.table, where, {"$set": {change.name: value}})),
    ]


def _drop_field(change: Change, old: State, new: State) -> list[Step]:
    lost = f"the field {change.table}.{change.name} and what is in it"
    gone = {"$unset": {change.name: ""}}
    return [
        _command(change, {FILL: change.table, "field": change.name, "with": []}),
        _command(change, _update(change.table, {}, gone), lost),
    ]


def _convert(change: Change, old: State, new: State) -> list[Step]:
    if change.was not in _CONVERTED or change.to not in _CONVERTED:
        raise MigrationError(
            f"{change.table}.{change.name} is {change.was} and becomes {change.to}: write that by "
            "hand, in a file made by --empty"
        )
    value = {"$convert": {"input": f"${change.name}", "to": _CONVERTED[change.to]}}
    lost = (
        ""
        if change.to == "string"
        else f"{change.table}.{change.name}: a value that is no {change.to} stops the migration"
    )
    where = {change.name: {"$type": change.was}}
    return [_command(change, _update(change.table, where, [{"$set": {change.name: value}}]), lost)]


def _require(change: Change, old: State, new: State) -> list[Step]:
    fill = new.tables[change.table].columns[change.name].fill
    if not fill:
        lost = f"{change.table}.{change.name} is required: a document without it is refused later"
        return [_command(change, {"ping": 1}, lost)]
    filled = {"$set": {change.name: json.loads(fill)}}
    return [_command(change, _update(change.table, {change.name: None}, filled))]


def _drop_index(change: Change, old: State, new: State) -> list[Step]:
    return [_command(change, {"dropIndexes": change.table, "index": change.name})]


def _add_index(change: Change, old: State, new: State) -> list[Step]:
    spec = json.loads(new.tables[change.table].indexes[change.to or change.name].sql)
    index = {"name": change.to or change.name, **spec}
    return [_command(change, {"createIndexes": change.table, "indexes": [index]})]


def _rename_index(change: Change, old: State, new: State) -> list[Step]:
    return [*_drop_index(change, old, new), *_add_index(change, old, new)]


def _played(steps: Sequence[Step]) -> dict[str, Found]:
    """What the commands make of an empty database: none of them needs one to be known."""
    made: dict[str, Found] = {}
    for step in steps:
        if step.kind == "command":
            _play(made, step)
    return made


def _play(made: dict[str, Found], step: Step) -> None:
    command = dict(step.command)
    match next(iter(command)):
        case "create":
            made[command["create"]] = Found(command.get("validator", {}))
        case "drop":
            made.pop(command["drop"], None)
        case "collMod":
            made[command["collMod"]].validator = command["validator"]
        case "renameCollection":
            made[command["to"]] = made.pop(command["renameCollection"])
        case "createIndexes":
            for spec in command["indexes"]:
                rest = {name: value for name, value in spec.items() if name != "name"}
                made[command["createIndexes"]].indexes[spec["name"]] = rest
        case "dropIndexes":
            made[command["dropIndexes"]].indexes.pop(command["index"], None)
        case "abaftRenew":
            made[command[RENEW]].beside = command["beside"]
        case "update":
            _play_update(made[command["update"]], command["updates"][0]["u"])


def _play_update(row: Found, what: Any) -> None:
    """A field's other name is another property of the validator, until that is changed."""
    if isinstance(what, dict) and "$rename" in what:
        schema = row.validator.get("$jsonSchema", {})
        for old, new in what["$rename"].items():
            if old in schema.get("properties", {}):
                schema = json.loads(json.dumps(schema))
                schema["properties"][new] = schema["properties"].pop(old)
                row.validator = {**row.validator, "$jsonSchema": schema}
