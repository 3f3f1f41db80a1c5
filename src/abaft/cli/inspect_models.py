"""What models a database's tables become: names, fields and relations, before they are text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from abaft.cli import inspect_names as names
from abaft.cli.inspect_fields import Line, column_line, ref_line, used_words
from abaft.store.description import Column, Description, ForeignKey, Table


@dataclass(slots=True)
class Draft:
    """A model on its way."""

    name: str
    table: Table
    collection: str | None
    lines: list[Line] = field(default_factory=list)
    fields: dict[str, str] = field(default_factory=dict)
    """The field of each column that has one."""
    refs: dict[str, ForeignKey] = field(default_factory=dict)
    """The foreign key of each relation."""
    notes: list[str] = field(default_factory=list)
    read_only: bool = False

    @property
    def taken(self) -> set[str]:
        return {line.name for line in self.lines}

    def keywords(self) -> list[tuple[str, str]]:
        """The class keywords, as Python."""
        table = self.table
        given = [("table", names.text(table.name))]
        if table.schema:
            given.append(("schema", names.text(table.schema)))
        if self.collection is not None:
            given.append(("collection", names.text(self.collection)))
        key = tuple(self.fields[column] for column in table.key)
        if key != tuple(line.name for line in self.lines if line.name in key):
            given.append(("key", _tuple(key)))
        groups = [
            tuple(self.fields[column] for column in unique)
            for unique in table.uniques
            if len(unique) > 1 and all(column in self.fields for column in unique)
        ]
        if groups:
            given.append(("unique", f"[{', '.join(map(_tuple, groups))}]"))
        given.append(("read_only", "True") if self.read_only else ("managed", "False"))
        return given


def _tuple(parts: Sequence[str]) -> str:
    shown = ", ".join(map(names.text, parts))
    return f"({shown},)" if len(parts) == 1 else f"({shown})"


@dataclass(frozen=True, slots=True)
class Module:
    """All models, the enums that they name, and what is to be told."""

    drafts: tuple[Draft, ...]
    enums: Mapping[str, tuple[str, ...]]
    notes: tuple[str, ...]


def plan(description: Description) -> Module:
    """The models of a description."""
    notes = list(description.notes)
    drafts: dict[str, Draft] = {}
    collections: set[str] = set()
    for table in description.tables:
        why = _unserved(table)
        if why:
            notes.append(f"{table.place} is left out: {why}")
            continue
        taken = [draft.name for draft in drafts.values()]
        name = names.class_name(table.name, taken, table.schema)
        collection = names.collection_name(name, table.name, collections)
        collections.add(collection or names.usual_collection(name))
        drafts[table.place] = Draft(name, table, collection)
    enums = _enums([draft.table for draft in drafts.values()], {d.name for d in drafts.values()})
    for draft in drafts.values():
        _add_columns(draft, drafts, enums)
    for draft in drafts.values():
        _add_composite(draft, drafts)
    for draft in drafts.values():
        _add_many(draft, drafts)
        _tell_of_others(draft, drafts)
    aliases = {alias: words for alias, words in enums.values()}
    return Module(tuple(drafts.values()), aliases, tuple(notes))


def _unserved(table: Table) -> str:
    """Why there is no model of the table, if there is none."""
    if not table.key:
        return "; ".join(table.notes)
    if not all(map(_spellable, (table.name, *table.key))):
        return "statements can't spell its name, or that of its key"
    return ""


Enums = dict[str, tuple[str, tuple[str, ...]]]


def _enums(tables: Sequence[Table], taken: set[str]) -> Enums:
    """The alias and the words of each enum by its name in the database."""
    found: Enums = {}
    for table in tables:
        for column in table.columns:
            name = column.enum or column.item
            if column.words and name not in found:
                alias = names.class_name(name.rpartition(".")[2], taken)
                taken.add(alias)
                found[name] = (alias, column.words)
    return found


def _add_columns(draft: Draft, drafts: Mapping[str, Draft], enums: Enums) -> None:
    table = draft.table
    draft.notes += table.notes
    draft.read_only = table.read_only
    single = _single_refs(table, drafts)
    for column in table.columns:
        if column.kind == "" or not _spellable(column.name):
            _leave_out(draft, column)
            continue
        key = single.get(column.name)
        if key is None:
            line = column_line(draft.taken, column, table, enums)
        else:
            taken = _columns_and(draft, column)
            name = names.relation_name(key.columns, key.target, taken, used_words(table))
            line = ref_line(name, column, key, drafts[key.target].name, table, _target(key, drafts))
            draft.refs[name] = key
        draft.lines.append(line)
        draft.fields[column.name] = line.name


def _columns_and(draft: Draft, column: Column) -> set[str]:
    """Names that a relation may not have: those of fields before it and of all other columns."""
    others = {names.words(other.name) for other in draft.table.columns if other is not column}
    return draft.taken | others


def _target(key: ForeignKey, drafts: Mapping[str, Draft]) -> Column:
    target = drafts[key.target].table
    return target.column(target.key[0])


def _spellable(name: str) -> bool:
    """Whether statements can have the name; they are shortened where constants meet."""
    return bool(name) and "' || '" not in name


def _leave_out(draft: Draft, column: Column) -> None:
    why = column.note or "statements can't spell its name"
    draft.notes.append(f"the column {column.name} ({column.type}) is left out: {why}")
    needed = not (column.nullable or column.filled or column.computed or draft.table.triggers)
    if needed and not draft.read_only:
        draft.read_only = True
        draft.notes.append("so no record can be created: it can only be read")


def _leads(table: Table, key: ForeignKey, drafts: Mapping[str, Draft]) -> bool:
    """Whether the reference is a relation: to the key of a model, by columns of its kinds."""
    if key.target not in drafts:
        return False
    target = drafts[key.target].table
    if {*key.target_columns} != {*target.key} or len(key.columns) != len(target.key):
        return False
    pairs = [
        (table.column(ours), target.column(theirs))
        for ours, theirs in zip(key.columns, key.target_columns, strict=True)
    ]
    return all(a.kind and a.kind == b.kind and a.words == b.words for a, b in pairs)


def _single_refs(table: Table, drafts: Mapping[str, Draft]) -> dict[str, ForeignKey]:
    """The relation that each column is; of several references by one column the first."""
    found: dict[str, ForeignKey] = {}
    for key in table.foreign_keys:
        fits = len(key.columns) == 1 and _leads(table, key, drafts)
        if fits and not _by_itself(table, key) and _storable(table, key, drafts):
            found.setdefault(key.columns[0], key)
    return found


def _by_itself(table: Table, key: ForeignKey) -> bool:
    """Whether the key would be made of itself."""
    return key.target == table.place and key.columns == key.target_columns


def _storable(table: Table, key: ForeignKey, drafts: Mapping[str, Draft]) -> bool:
    """Whether a relation can say how its column is stored, where its target's is otherwise."""
    column, target = table.column(key.columns[0]), _target(key, drafts)
    return column.stored == target.stored or bool(column.stored or column.spelling)


def _add_composite(draft: Draft, drafts: Mapping[str, Draft]) -> None:
    """Relations by columns that are fields already."""
    for key in draft.table.foreign_keys:
        if key in draft.refs.values() or not _leads(draft.table, key, drafts):
            continue
        if any(column not in draft.fields for column in key.columns) or len(key.columns) == 1:
            continue
        target = drafts[key.target]
        by = dict(zip(key.target_columns, key.columns, strict=True))
        via = [draft.fields[by[column]] for column in target.table.key]
        short = names.singular(names.words(target.table.name))
        name = names.field_name(short, draft.taken, used_words(draft.table))
        empty = any(draft.table.column(column).nullable for column in key.columns)
        options = [("via", _tuple(via))]
        if key.on_delete == "cascade":
            options.append(("on_delete", names.text("cascade")))
        draft.lines.append(Line(name, f"Ref[{target.name}]{' | None' if empty else ''}", options))
        draft.refs[name] = key


def _tell_of_others(draft: Draft, drafts: Mapping[str, Draft]) -> None:
    """Says of each reference that has become no relation where it leads."""
    for key in draft.table.foreign_keys:
        if key not in draft.refs.values():
            columns, theirs = ", ".join(key.columns), ", ".join(key.target_columns)
            known = "" if key.target in drafts else ", which is no model here"
            draft.notes.append(f"{columns} refers to {theirs} of {key.target}{known}: no relation")


def _add_many(draft: Draft, drafts: Mapping[str, Draft]) -> None:
    """Back-references and links to this model, from those that refer to it."""
    for other in drafts.values():
        here = [name for name, key in other.refs.items() if key.target == draft.table.place]
        far = _linked(draft, other, drafts)
        if far is not None:
            name = names.many_name(
                far.name, other.name, _only_link(draft, far, drafts), draft.taken
            )
            through = [("through", names.text(other.name))]
            draft.lines.append(Line(name, f"Many[{far.name}]", through))
            if _is_pure(other):
                continue
        for ref in here:
            plain = len(here) == 1 and other is not draft
            plain = plain or names.words(draft.name) == ref
            name = names.many_name(other.name, ref, plain, draft.taken)
            draft.lines.append(Line(name, f"Many[{other.name}]", [("back", names.text(ref))]))


def _linked(draft: Draft, link: Draft, drafts: Mapping[str, Draft]) -> Draft | None:
    """The model on the other side of a link, whose key is two references and no more."""
    by_column = {key.columns: key for key in link.refs.values() if len(key.columns) == 1}
    sides = [by_column.get((column,)) for column in link.table.key]
    targets = [key.target for key in link.refs.values()]
    if len(sides) != 2 or None in sides or draft.table.place not in targets:
        return None
    one, two = (key.target for key in sides if key is not None)
    if one == two or targets.count(one) > 1 or targets.count(two) > 1:
        return None
    if draft.table.place not in (one, two):
        return None
    return drafts[two if draft.table.place == one else one]


def _is_pure(link: Draft) -> bool:
    """Whether the link tells nothing but who is linked, and perhaps since when."""
    rest = [column for column in link.table.columns if column.name not in link.table.key]
    return all(column.filled and column.kind == "datetime" for column in rest)


def _only_link(draft: Draft, far: Draft, drafts: Mapping[str, Draft]) -> bool:
    """Whether no other link leads there, so that the plain name is enough."""
    links = [other for other in drafts.values() if _linked(draft, other, drafts) is far]
    return len(links) == 1
