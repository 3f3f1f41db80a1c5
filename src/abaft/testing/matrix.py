"""The matrix of who may do what: models × actions × people, each tried for real."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from abaft.app import App
from abaft.base.errors import SetupError
from abaft.model.declare import Model as Record
from abaft.model.spec import Model
from abaft.testing.asgi import Reply
from abaft.testing.people import ELSEWHERE, OWNER, Person
from abaft.testing.samples import changed, variants
from abaft.testing.stage import Sample, Stage

READ = ("list", "get", "count", "export", "history")
_NO = frozenset({401, 403, 404})
_NO_CODES = frozenset({"no_such_record", "tenant_required"})


class Untried(SetupError):
    """What was tried was refused for another reason than who asked: the model needs a sample."""


@dataclass(frozen=True)
class Row:
    """An action on records of a model: `of` says of which, `may` who may do it."""

    model: str
    of: str
    action: str
    may: Mapping[str, bool]


@dataclass(frozen=True)
class Matrix:
    """All that was tried. As text it is a table, to be kept in a file and looked at."""

    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    tenant: str = ""
    shared: frozenset[str] = frozenset()

    def may(self, model: str, action: str, who: str, of: str = "") -> bool:
        """Whether they may do it to the records of the model that `of` says."""
        [row] = [row for row in self.rows if (row.model, row.action, row.of) == (model, action, of)]
        return row.may[who]

    @property
    def leaks(self) -> list[str]:
        """What another tenant may do to records that aren't its own: nothing, or it is a defect.

        A new tenant is nobody's yet, so that making one is none.
        """
        return [
            f"{row.model} {row.action}"
            for row in self.rows
            if row.may.get(ELSEWHERE)
            and row.model not in self.shared
            and (row.model, row.action) != (self.tenant, "create")
        ]

    def __str__(self) -> str:
        first = max([len("  ") + len(row.action) for row in self.rows] + [20])
        lines: list[str] = []
        before = ""
        for row in self.rows:
            head = f"{row.model} {row.of}".strip()
            if head != before:
                lines += ["", "  ".join([head.ljust(first), *self.columns])]
                before = head
            cells = [("yes" if row.may[who] else "-").ljust(len(who)) for who in self.columns]
            lines.append("  ".join([f"  {row.action}".ljust(first), *cells]).rstrip())
        return "\n".join(lines[1:]) + "\n"


async def matrix(
    app: App, *, samples: Mapping[type[Record], Mapping[str, Any]] | None = None
) -> Matrix:
    """Tries each action on each model as everybody whom the rules may tell apart.

    The app's database must be empty, and is full of samples afterwards. `samples` are values of
    fields, as JSON has them, that a model needs and doesn't tell. Raises Untried where a sample is
    refused for what it is, and AssertionError where a refused write changed something.
    """
    stage = await Stage.of(app, {model.__name__: row for model, row in (samples or {}).items()})
    rows: list[Row] = []
    for model in app.schema.collections.values():
        for values in [{}] if model.read_only else variants(model):
            tried = _Tried(stage, model, values)
            rows += [await tried.row(action) for action in tried.actions()]
    shared = frozenset(
        model.name for model in app.schema.collections.values() if stage.is_shared(model)
    )
    names = tuple(person.name for person in stage.people)
    return Matrix(names, tuple(rows), app.schema.tenant, shared)


class _Tried:
    """The actions on one model's records that have these values."""

    def __init__(self, stage: Stage, model: Model, values: Mapping[str, bool]) -> None:
        self.stage, self.model, self.values = stage, model, values
        words = (f"{name}={'true' if value else 'false'}" for name, value in values.items())
        self.of = " ".join(words)

    def actions(self) -> Sequence[str]:
        found = [name for name in READ if name != "history" or self.model.history]
        if self.model.read_only:
            return found
        found.append("create")
        if self.stage.refers_to_user(self.model):
            found.append("create for another")
        if changed(self.model):
            found += ["update", "update many"]
        if self.stage.moves(self.model):
            found.append("hand over")
        return [*found, "delete", "delete many"]

    async def row(self, action: str) -> Row:
        may = {person.name: await self._try(action, person) for person in self.stage.people}
        return Row(self.model.name, self.of, action, may)

    async def _try(self, action: str, person: Person) -> bool:
        stage, model = self.stage, self.model
        if action in READ:
            return self._reads(action, await self._read(action, person), person)
        if action.startswith("create"):
            # What has a rule of its own is left out: else that alone would be tried.
            said = {n: row for n, row in self.values.items() if not model.guards(n, "create")}
            new = await stage.body_for(model, person, said, action != "create")
            answer = await stage.ask(person, None, "POST", stage.path(model), new)
            return self._said(answer, action)
        sample = await stage.fresh(model, self.values)
        before = await stage.stored(sample)
        method = "DELETE" if action.startswith("delete") else "PATCH"
        body: Any = None
        if method == "PATCH":
            handed = {stage.moves(model): stage.handed_to(person, sample)}
            same = changed(model)
            body = handed if action == "hand over" else {same: sample.shown[same]}
        url = stage.many(sample) if action.endswith("many") else stage.one(sample)
        answer = await stage.ask(person, sample, method, url, body)
        yes = self._said(answer, action) and self._did(answer, action)
        if not yes and await stage.stored(sample) != before:
            raise AssertionError(f"{model.name}: {action} as {person.name} was refused, and done")
        return yes

    async def _read(self, action: str, person: Person) -> Reply:
        stage = self.stage
        sample = await stage.kept(self.model, self.values)
        many = stage.many(sample)
        urls = {
            "list": many,
            "get": stage.one(sample),
            "count": f"{many}&count=exact",
            "export": many,
            "history": f"{stage.one(sample)}/history",
        }
        lines = {"accept": "application/x-ndjson"} if action == "export" else {}
        return await stage.ask(person, sample, "GET", urls[action], None, lines)

    def _reads(self, action: str, answer: Reply, person: Person) -> bool:
        if not self._said(answer, action):
            return False
        if action == "export":
            return bool(answer.body.strip())
        if action == "count":
            return bool(answer.json["count"])
        return bool(answer.json["items"]) if action == "list" else True

    def _did(self, answer: Reply, action: str) -> bool:
        """Whether a write of many found any."""
        return not action.endswith("many") or bool(answer.json["count"])

    def _said(self, answer: Reply, action: str) -> bool:
        if 200 <= answer.status < 300:
            return True
        codes = [row["code"] for row in answer.json.get("errors", ())] or [answer.code]
        if answer.status in _NO or answer.code in _NO_CODES or set(codes) <= _NO_CODES:
            return False
        raise Untried(
            f"{self.model.name}: {action} was answered {answer.status} {answer.code}: "
            f"{answer.json.get('detail', '')}; give matrix() samples of it"
        )


__all__ = ["OWNER", "Matrix", "Row", "Sample", "Untried", "matrix"]
