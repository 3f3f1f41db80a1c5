"""References of a file's records to others: which lead nowhere, and what becomes of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from abaft.answers import Unit
from abaft.base.actor import SYSTEM
from abaft.base.errors import Fault
from abaft.cli.load_cells import ABSENT
from abaft.cli.load_columns import Batch
from abaft.cli.load_open import LoadError
from abaft.model import expr as e
from abaft.model.spec import Model, Schema
from abaft.pipeline import Pipeline
from abaft.plan.types import Pick, ReadIntent, ReadShape, WriteIntent
from abaft.store.base import Session

Policy = Literal["reject", "null", "create"]
POLICIES: tuple[Policy, ...] = ("reject", "null", "create")

KEPT = 1_000_000
"""Keys known to be there that are kept for each relation."""
AT_ONCE = 1_000
PAIRS_AT_ONCE = 50


def read_policies(written: Iterable[str], schema: Schema) -> Callable[[Model, str], Policy]:
    """What `null`, `dest=create` and `flights.dest=create` say for a relation; the nearest wins.

    Raises LoadError for a relation or a policy that isn't.
    """
    chosen: dict[str, Policy] = {}
    for text in written:
        where, _, policy = text.rpartition("=")
        if policy not in POLICIES:
            raise LoadError(f"--missing-refs {text}: write reject, null or create")
        if where and not _is_relation(where, schema):
            raise LoadError(f"--missing-refs {text}: there is no relation {where!r}")
        chosen[where] = policy

    def of(model: Model, relation: str) -> Policy:
        for name in (f"{model.collection}.{relation}", relation, ""):
            if name in chosen:
                return chosen[name]
        return "reject"

    return of


def _is_relation(where: str, schema: Schema) -> bool:
    collection, _, name = where.rpartition(".")
    models = [schema.collections.get(collection)] if collection else schema.collections.values()
    return any(model is not None and name in {**model.one, **model.many} for model in models)


@dataclass(slots=True, eq=False)
class Link:
    """A relation of the records that are loaded; `held` are the fields that hold its key.

    A relation without a constraint is `soft`: it may lead nowhere, which is only counted. One to
    `many` records holds a list of keys.
    """

    name: str
    target: Model
    held: tuple[str, ...]
    policy: Policy
    empties: bool
    own: bool
    soft: bool
    many: bool = False
    known: set[Any] = field(default_factory=set)
    later: set[Any] = field(default_factory=set)
    """Keys of the file's own records, of which some are stored in a transaction that follows."""
    missing: Counter[Any] = field(default_factory=Counter)
    created: list[Any] = field(default_factory=list)
    for_created: int = 0

    def keys(self, batch: Batch) -> Sequence[Any]:
        """The key that each row holds: a value, or a tuple where it has several fields."""
        columns = [batch.column(name) for name in self.held]
        return columns[0] if len(columns) == 1 else list(zip(*columns, strict=True))

    def wanted(self, keys: Sequence[Any]) -> set[Any]:
        """The keys that must lead somewhere."""
        if self.many:
            return {key for listed in keys if listed is not ABSENT for key in listed}
        return {key for key in set(keys) if not self.is_null(key)}

    def there(self, keys: Iterable[Any]) -> None:
        """These records are there from now on."""
        for key in keys:
            self.known.add(key)
            self.missing.pop(key, None)

    def is_null(self, key: Any) -> bool:
        if len(self.held) > 1:
            return None in key or ABSENT in key
        return key is None or key is ABSENT

    def spelled(self, key: Any) -> str:
        parts = (key,) if len(self.target.key) == 1 else key
        kinds = [self.target.fields[name].kind for name in self.target.key]
        return ",".join(kind.spell(part) for kind, part in zip(kinds, parts, strict=True))

    def settle(self, batch: Batch, row: int, key: Any) -> str | None:
        """What becomes of a row whose key leads nowhere: why it is refused, or nothing."""
        if key in self.later and not self.soft:
            return (
                f"{self.name}: {self.target.name} {self.spelled(key)} comes later in the file: "
                "with --resume, which stores batch after batch, put it first, or load without it"
            )
        self.missing[key] += 1
        if self.soft:
            return None
        if self.policy == "null" and self.many:
            listed = batch.column(self.name)
            listed[row] = [item for item in listed[row] if item != key]
            return None
        if self.policy == "null" and self.empties:
            for name in self.held:
                batch.column(name)[row] = None
            return None
        reason = f"{self.name}: there is no {self.target.name} {self.spelled(key)}"
        return f"{reason}, and it can't be null" if self.policy == "null" else reason


def make_links(
    schema: Schema, model: Model, names: Collection[str], policy: Callable[[Model, str], Policy]
) -> list[Link]:
    """The relations that the file has the keys of."""
    links = []
    for one in model.one.values():
        if set(one.columns) <= set(names):
            links.append(
                Link(
                    name=one.name,
                    target=schema.models[one.target],
                    held=one.columns,
                    policy=policy(model, one.name),
                    empties=all(model.fields[name].nullable for name in one.columns),
                    own=one.target == model.name,
                    soft=not one.constraint,
                )
            )
    for many in model.many.values():
        if many.writable and many.name in names:
            target = schema.models[many.target]
            own = many.target == model.name
            chosen = policy(model, many.name)
            links.append(Link(many.name, target, (many.name,), chosen, True, own, False, many=True))
    return links


class Resolver:
    """Looks up the targets of links, in one transaction."""

    def __init__(self, pipeline: Pipeline, session: Session) -> None:
        self._pipeline = pipeline
        self._session = session
        self._searches: dict[str, Search] = {}

    async def resolve(self, link: Link, batch: Batch) -> dict[int, str]:
        """Settles each row whose key leads nowhere; why those are refused that are, by place."""
        if not set(link.held) <= set(batch.names):
            return {}
        keys = list(link.keys(batch))
        wanted = link.wanted(keys)
        await self._look_up(link, wanted)
        refused: dict[int, str] = {}
        if link.missing.keys().isdisjoint(wanted) and not link.created:
            return refused
        created = set(link.created)
        for place, held in enumerate(keys):
            for key in held if link.many and held is not ABSENT else (held,):
                if key in created:
                    link.for_created += 1
                elif key in link.missing:
                    reason = link.settle(batch, place, key)
                    if reason is not None:
                        refused[place] = reason
        return refused

    async def _look_up(self, link: Link, keys: set[Any]) -> None:
        fresh = keys - link.known - link.missing.keys()
        if not fresh:
            return
        if len(link.known) > KEPT:
            link.known.clear()
        there = await self._existing(link.target, fresh)
        for key in sorted(fresh - there):
            if link.policy == "create" and not link.soft and key not in link.later:
                await self._create(link, key)
                there.add(key)
            else:
                link.missing[key] += 0
        link.known |= there

    async def _create(self, link: Link, key: Any) -> None:
        """The record that a key stands for, with nothing but its key."""
        parts = (key,) if len(link.target.key) == 1 else key
        values = dict(zip(link.target.key, parts, strict=True))
        intent = WriteIntent(link.target.name, "create", values)
        try:
            await self._pipeline.write(intent, SYSTEM, Unit(self._session))
        except Fault as fault:
            raise LoadError(
                f"{link.target.name} {link.spelled(key)} can't be created of its key alone: "
                + ("; ".join(f"{p.pointer[1:]}: {p.detail}" for p in fault.errors) or fault.detail)
            ) from fault
        link.created.append(key)

    async def _existing(self, target: Model, keys: set[Any]) -> set[Any]:
        """Those of the keys that records have."""
        search = self._searches.get(target.name) or Search(target)
        self._searches[target.name] = search
        found: set[Any] = set()
        wanted = list(keys)
        for start in range(0, len(wanted), search.size):
            values = search.values(wanted[start : start + search.size])
            intent = ReadIntent(search.shape, values)
            answer = await self._pipeline.read(intent, SYSTEM, Unit(self._session))
            for row in answer.rows:
                key = [
                    decode(value) if decode else value
                    for value, decode in zip(row[1:], answer.decoders, strict=True)
                ]
                found.add(key[0] if search.single else tuple(key))
        return found


class Search:
    """A read of the records that have one of some keys: of the key alone, or what `pick` says."""

    def __init__(self, target: Model, pick: Pick | None = None) -> None:
        self.key = target.key
        self.single = len(target.key) == 1
        self.size = AT_ONCE if self.single else PAIRS_AT_ONCE
        where = self._among(target) if self.single else self._pairs(target)
        self.shape = ReadShape(
            target.name,
            "page",
            where,
            pick=pick or Pick(target.key),
            hidden=pick is not None,
            scopes=(),
            deleted="with",
        )

    def _among(self, target: Model) -> e.Expr:
        name = target.key[0]
        return e.OneOf(e.Column(name), e.Param("keys", target.fields[name].kind, many=True))

    def _pairs(self, target: Model) -> e.Expr:
        """Always as many as `size`, so that one plan serves all."""
        return e.any_of(
            e.all_of(
                e.Compare(
                    "eq", e.Column(name), e.Param(f"key{row}.{name}", target.fields[name].kind)
                )
                for name in target.key
            )
            for row in range(self.size)
        )

    def values(self, keys: list[Any]) -> dict[str, Any]:
        """The read's values; where there are too few keys the last stands for the rest."""
        if self.single:
            return {"keys": keys, "limit": self.size}
        padded = keys + keys[-1:] * (self.size - len(keys))
        values = {
            f"key{row}.{name}": part
            for row, key in enumerate(padded)
            for name, part in zip(self.key, key, strict=True)
        }
        return values | {"limit": self.size}
