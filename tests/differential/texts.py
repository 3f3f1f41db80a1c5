"""Questions about things in the words of the filter language, drawn so that they make sense."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from hypothesis import strategies as st

from abaft import Settings
from abaft.language import tree as t
from abaft.language.parse import parse_condition
from abaft.model.spec import Field, Model
from differential.questions import ACTORS, SCHEMA, Question, _keys, paths
from differential.unparse import unparse
from differential.worlds import values_of

SETTINGS = Settings()
SIGNS = ["add", "sub", "mul", "div", "mod"]
MOMENTS = ["year", "month", "day", "weekday", "quarter", "hour", "minute", "second"]
SPANS = [timedelta(), timedelta(days=1), timedelta(microseconds=-1), timedelta(days=4000, hours=5)]
NUMBERS = ("integer", "float", "decimal")


class _Writing:
    def __init__(self, draw: Callable[[Any], Any]) -> None:
        self.draw = draw

    def pick(self, options: Any) -> Any:
        return self.draw(st.sampled_from([*options]))

    def condition(self, model: Model, depth: int = 3) -> t.Node:
        kinds = ["compare", "compare", "reckon", "text", "listed", "null", "fields", "truth", "me"]
        if depth:
            kinds += ["and", "or", "not", "quantified", "quantified", "count"]
        made: t.Node = getattr(self, f"_{self.pick(kinds)}")(model, depth)
        return made

    def field(self, model: Model, fits: Callable[[Field], bool]) -> tuple[t.Path, Field] | None:
        found = [pair for pair in paths(SCHEMA, model, 2) if fits(pair[1])]
        if not found:
            return None
        names, row = self.pick(found)
        return t.Path(names), row

    def literal(self, row: Field) -> t.Literal:
        value = self.draw(_keys(row) if row.relation else values_of(row.kind))
        shown = row.kind.read(row.kind.show(value))
        form = {"integer": "number", "float": "number", "boolean": "bool"}.get(
            row.kind.name, "text"
        )
        if form == "bool":
            return t.Literal("true" if value else "false")
        if row.kind.name == "duration" and abs(value) < timedelta(days=9999):
            return t.Literal("duration", value)
        if row.kind.name == "choice" and isinstance(row.kind.show(value), int):
            form = "number"
        if row.kind.name in ("date", "datetime", "decimal") and self.draw(st.booleans()):
            form = {"decimal": "number"}.get(row.kind.name, row.kind.name)
        return t.Literal(form, row.kind.spell(shown))  # type: ignore[arg-type]

    def _compare(self, model: Model, depth: int) -> t.Node:
        path, row = self._some(model, lambda row: row.kind.name != "json")
        signs = ["=", "!=", ">", ">=", "<", "<="] if row.kind.ordered else ["=", "!="]
        signs += ["ieq", "ine"] if row.kind.textual else []
        sides = [path, self.literal(row)]
        sign = self.pick(signs)
        if self.draw(st.booleans()) and sign not in ("ieq", "ine"):
            sides.reverse()
        return t.Compare(sign, *sides)

    def _some(self, model: Model, fits: Callable[[Field], bool]) -> tuple[t.Path, Field]:
        found = self.field(model, fits)
        return found or next((t.Path(names), row) for names, row in paths(SCHEMA, model, 0))

    def _reckon(self, model: Model, depth: int) -> t.Node:
        left = self.number(model, 2)
        sign = self.pick(["=", "!=", ">", ">=", "<", "<="])
        return t.Compare(sign, left, t.Literal("number", self.pick(["0", "1", "-2", "13", "2013"])))

    def number(self, model: Model, depth: int) -> t.Node:
        """A number of the record: a field, a part of a time, a length, or reckoned of such."""
        kinds = [lambda: self._whole(model), lambda: self._part(model), lambda: self._length(model)]
        kinds += [lambda: self._round(model)]
        if depth:
            kinds += [lambda: self._sum(model, depth - 1)] * 2
        made: t.Node = self.pick(kinds)()
        return made

    def _whole(self, model: Model) -> t.Node:
        return self._some(model, lambda row: row.kind.name == "integer" and not row.relation)[0]

    def _part(self, model: Model) -> t.Node:
        name = self.pick(MOMENTS)
        kinds = ("date", "datetime") if name in MOMENTS[:5] else ("time", "datetime")
        found = self.field(model, lambda row: row.kind.name in kinds)
        if found is None:
            return self._whole(model)
        path, _ = found
        if name in MOMENTS[:5] and self.draw(st.booleans()):
            span = t.Literal("duration", self.pick(SPANS))
            return t.Call(name, (t.Call(self.pick(["add", "sub"]), (path, span)),))
        return t.Call(name, (path,))

    def _length(self, model: Model) -> t.Node:
        found = self.field(model, lambda row: row.kind.textual)
        if found is None:
            return self._whole(model)
        return t.Call("length", (self.cut(found[0]),))

    def cut(self, text: t.Node) -> t.Node:
        """The text, or some of it."""
        name = self.pick(["trim", "upper", "left", "right", "replace", "concat", ""])
        size = t.Literal("number", self.pick(["-1", "0", "1", "2", "9223372036854775807"]))
        part = t.Literal("text", self.pick(["", "a", "A", "%", "ä", "'"]))
        args = {"left": (size,), "right": (size,), "replace": (part, part), "concat": (part,)}
        return t.Call(name, (text, *args.get(name, ()))) if name else text

    def _round(self, model: Model) -> t.Node:
        found = self.field(model, lambda row: row.kind.name in NUMBERS and not row.relation)
        if found is None:
            return self._whole(model)
        return t.Call(self.pick(["floor", "ceil", "round"]), (found[0],))

    def _sum(self, model: Model, depth: int) -> t.Node:
        name = self.pick(["add", "sub", "mul", "mod", "neg", "abs"])
        first = self.number(model, depth)
        if name in ("neg", "abs"):
            return t.Call(name, (first,))
        number = t.Literal("number", self.pick(["0", "1", "-3", "9223372036854775807"]))
        second = number if self.draw(st.booleans()) else self.number(model, depth)
        return t.Call(name, (first, second))

    def _text(self, model: Model, depth: int) -> t.Node:
        found = self.field(model, lambda row: row.kind.textual)
        if found is None:
            return self._null(model, depth)
        path, row = found
        left: t.Node = self.pick([path, self.cut(path)])
        right: t.Node = self.literal(row)
        other = self.field(model, lambda row: row.kind.textual)
        if other is not None and self.draw(st.booleans()):
            right = other[0]
        ops = ["contains", "startswith", "endswith", "icontains", "istartswith", "iendswith", "has"]
        return t.Compare(self.pick(ops), left, right, self.draw(st.booleans()))

    def _listed(self, model: Model, depth: int) -> t.Node:
        path, row = self._some(model, lambda row: row.kind.name not in ("json", "boolean"))
        items = tuple(self.literal(row) for _ in range(self.pick([0, 1, 3])))
        return t.Compare("in", path, t.Several(items), self.draw(st.booleans()))

    def _null(self, model: Model, depth: int) -> t.Node:
        path, _ = self._some(model, lambda row: True)
        many = [t.Path((name,)) for name in model.many]
        return t.Compare(
            "is", self.pick([path, *many]), t.Literal("null"), self.draw(st.booleans())
        )

    def _fields(self, model: Model, depth: int) -> t.Node:
        path, row = self._some(model, lambda row: row.kind.name not in ("json", "boolean"))
        alike = self.field(model, lambda other: other.kind == row.kind)
        if row.kind.name in NUMBERS:
            alike = self.field(model, lambda other: other.kind.name in NUMBERS)
        assert alike is not None
        sign = self.pick(["=", "!="] + (["<", ">="] if row.kind.ordered else []))
        return t.Compare(sign, path, alike[0])

    def _truth(self, model: Model, depth: int) -> t.Node:
        found = self.field(model, lambda row: row.kind.name == "boolean")
        return self._null(model, depth) if found is None else found[0]

    def _me(self, model: Model, depth: int) -> t.Node:
        found = self.field(model, lambda row: row.relation in ("owner", "keeper"))
        if found is None:
            return self._null(model, depth)
        return t.Compare(self.pick(["=", "!="]), found[0], t.Literal("me"))

    def _and(self, model: Model, depth: int) -> t.Node:
        return t.And(tuple(self.condition(model, depth - 1) for _ in range(2)))

    def _or(self, model: Model, depth: int) -> t.Node:
        return t.Or(tuple(self.condition(model, depth - 1) for _ in range(2)))

    def _not(self, model: Model, depth: int) -> t.Node:
        return t.Not(self.condition(model, depth - 1))

    def many(self, model: Model) -> tuple[t.Path, Model] | None:
        found = [((name,), SCHEMA.target(model, name)) for name in model.many]
        for one in model.one:
            there = SCHEMA.target(model, one)
            found += [((one, name), SCHEMA.target(there, name)) for name in there.many]
        if not found:
            return None
        names, target = self.pick(found)
        return t.Path(names), target

    def _quantified(self, model: Model, depth: int) -> t.Node:
        found = self.many(model)
        if found is None:
            return self._null(model, depth)
        path, target = found
        name = self.pick(["any", "all", "none"])
        if name != "all" and self.pick(range(4)) == 0:
            return t.Call(name, (path,))
        return t.Call(name, (path, self.condition(target, depth - 1)))

    def _count(self, model: Model, depth: int) -> t.Node:
        found = self.many(model)
        if found is None:
            return self._null(model, depth)
        path, target = found
        args = (path,) if self.draw(st.booleans()) else (path, self.condition(target, depth - 1))
        number = t.Literal("number", self.pick(["0", "1"]))
        return t.Compare(self.pick(["=", ">", "!="]), t.Call("count", args), number)


@st.composite
def texts(draw: Any) -> t.Node:
    """A condition on things, as a tree."""
    return _Writing(draw).condition(SCHEMA.models["Thing"])


@st.composite
def written(draw: Any) -> Question:
    """A question whose condition went through the text."""
    said = parse_condition(SCHEMA, SETTINGS, SCHEMA.models["Thing"], unparse(draw(texts())))
    return Question(draw(st.sampled_from(ACTORS)), said.where, dict(said.bind()))
