"""Where a matrix is tried: an app with people, groups and records to try on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

from abaft.app import App
from abaft.auth.closing import steps_of
from abaft.auth.user import User
from abaft.base import clock
from abaft.base.actor import SYSTEM, Actor
from abaft.base.errors import SetupError
from abaft.model.relations import MEMBERSHIPS
from abaft.model.spec import Model, url_part
from abaft.model.tenancy import GROUP, SHARED, USER
from abaft.testing.asgi import Reply, ask
from abaft.testing.people import ANONYMOUS, ELSEWHERE, OTHER, OWNER, SCHEME, Acting, Person, columns
from abaft.testing.samples import Bodies


@dataclass(frozen=True)
class Sample:
    """A stored record: its written key, who owns it, and whose tenant it is."""

    model: Model
    key: str
    shown: Mapping[str, Any]
    owner: str
    group: str


class Stage:
    """An app, and who and what there is to try."""

    def __init__(self, app: App, given: Mapping[str, Mapping[str, Any]]) -> None:
        self.app, self.schema = app, app.schema
        self.acting = Acting()
        app.records.authenticators = [self.acting, *app.records.authenticators]
        self.people = columns(app.schema)
        users = [row for row in self.schema.models.values() if issubclass(row.cls or int, User)]
        self.users = users[0] if users else None
        groups = [row for row in self.schema.models.values() if MEMBERSHIPS in row.many]
        ties = {row.many[MEMBERSHIPS].target for row in groups}
        self.ties = self.schema.models[ties.pop()] if ties else None
        tied = None if self.ties is None else self.ties.one[GROUP].target
        self.group = None if not (tied or self.schema.tenant) else self.schema.models[
            tied or self.schema.tenant
        ]  # fmt: skip
        self.bodies = Bodies(self.schema, "" if self.users is None else self.users.name, given)
        self.steps = frozenset(steps_of(self.schema))
        self.base: dict[str, str] = {}
        self.elsewhere = ""
        self._kept: dict[tuple[str, str], Sample] = {}

    @classmethod
    async def of(cls, app: App, given: Mapping[str, Mapping[str, Any]]) -> Stage:
        """The stage with its people on it. Raises SetupError for a database that isn't empty."""
        await app.start()
        stage = cls(app, given)
        for model in app.schema.collections.values():
            found = await stage.as_system("GET", f"{stage.path(model)}?limit=1")
            if found.json["items"]:
                raise SetupError("a matrix is tried on an empty database: give the app another")
        await stage._people()
        return stage

    async def _people(self) -> None:
        if self.group is not None:
            self.base[self.group.name] = (await self._made(self.group, {})).key
            self.elsewhere = (await self._made(self.group, {})).key
        for person in self.people:
            if person.name == ANONYMOUS or self.users is None:
                continue
            person.user = (await self._made(self.users, {})).key
            if person.member is not None and self.group is not None:
                own = self.base[self.group.name]
                await self._join(person, self.elsewhere if person.name == ELSEWHERE else own)

    def person(self, name: str) -> Person:
        return next(person for person in self.people if person.name == name)

    async def _join(self, person: Person, group: str) -> None:
        if self.ties is not None and person.user is not None:
            body = {USER: person.user, GROUP: group, "role": person.member}
            await self._stored(self.ties, body)

    def path(self, model: Model) -> str:
        return f"{self.app.settings_.api_prefix}/{model.collection}"

    def one(self, sample: Sample) -> str:
        return f"{self.path(sample.model)}/{sample.key}"

    def many(self, sample: Sample) -> str:
        """The list in which there is nothing but this record."""
        parts = []
        for name in sample.model.key:
            value = sample.shown[name]
            parts.append(f"{name} = {value}" if isinstance(value, int) else f"{name} = '{value}'")
        return f"{self.path(sample.model)}?limit=1&filter={quote(' and '.join(parts))}"

    def is_shared(self, model: Model) -> bool:
        """Whether it was declared that its records are for all tenants."""
        return model.cls.__config__.tenant == SHARED  # type: ignore[no-any-return]

    def _user_fields(self, model: Model) -> list[str]:
        users = "" if self.users is None else self.users.name
        return [
            one.columns[0]
            for one in model.one.values()
            if one.target == users and one.stored and model.fields[one.columns[0]].writable
        ]

    def refers_to_user(self, model: Model) -> bool:
        return bool(self._user_fields(model))

    def moves(self, model: Model) -> str:
        """The field by which a record is handed over to another; empty where there is none."""
        found = [name for name in self._user_fields(model) if not model.fields[name].write_once]
        return found[0] if found else ""

    def handed_to(self, person: Person, sample: Sample) -> str | None:
        """Themselves; for the owner it is another."""
        return self.person(OTHER).user if person.name in (OWNER, ANONYMOUS) else person.user

    async def kept(self, model: Model, values: Mapping[str, Any]) -> Sample:
        """A record to be read: the same for everybody."""
        place = (model.name, repr(values))
        if place not in self._kept:
            self._kept[place] = await self.fresh(model, values)
        return self._kept[place]

    async def fresh(self, model: Model, values: Mapping[str, Any]) -> Sample:
        """A record that nobody has touched, with whom it needs around it."""
        sample = await self._made(model, values)
        group = self.group
        if group is not None and model.name == group.name:
            sample = replace(sample, group=sample.key)
            for person in self.people:
                if person.member is not None and person.name != ELSEWHERE:
                    await self._join(person, sample.key)
        elif self.users is not None and model.name == self.users.name and self.schema.tenant:
            await self._join(Person("", member="member", user=sample.key), sample.group)
        return sample

    async def _made(self, model: Model, values: Mapping[str, Any]) -> Sample:
        keys = await self._keys(model)
        owner = self.person(OWNER).user or ""
        if self.ties is not None and model.name == self.ties.name and self.users is not None:
            owner = keys[self.users.name] = (await self._made(self.users, {})).key
        shown = await self._stored(model, self.bodies.body(model, keys) | dict(values))
        key = ",".join(url_part(str(shown[name])) for name in model.key)
        if self.users is not None and model.name == self.users.name:
            owner = key
        group = self.base.get(self.group.name, "") if self.group is not None else ""
        return Sample(model, key, shown, owner, group)

    async def _keys(self, model: Model) -> dict[str, Any]:
        """The records that one of this model needs; they are made once."""
        found: dict[str, Any] = {}
        for one in model.one.values():
            target = self.schema.models[one.target]
            if self.users is not None and target.name == self.users.name:
                found[target.name] = self.person(OWNER).user
            elif not one.nullable and target.name != model.name and target.served:
                if target.name not in self.base:
                    self.base[target.name] = (await self._made(target, {})).key
                found[target.name] = self.base[target.name]
        return found

    async def _stored(self, model: Model, body: Mapping[str, Any]) -> dict[str, Any]:
        answer = await self.as_system("POST", self.path(model), body)
        if answer.status >= 300:
            raise SetupError(
                f"a sample of {model.name} was refused: {answer.body.decode()}; "
                "give matrix() samples of it"
            )
        shown: dict[str, Any] = answer.json
        return shown

    async def body_for(
        self, model: Model, person: Person, values: Mapping[str, Any], another: bool
    ) -> dict[str, Any]:
        """What they send to make a record: as their own, or as another's."""
        keys = await self._keys(model)
        if self.users is not None:
            owner = self.person(OTHER if person.name == OWNER else OWNER).user
            mine = person.user or self.person(OWNER).user
            keys[self.users.name] = owner if another else mine
            if self.ties is not None and model.name == self.ties.name and another:
                keys[self.users.name] = (await self._made(self.users, {})).key
        return self.bodies.body(model, keys) | dict(values)

    async def stored(self, sample: Sample) -> tuple[int, bytes]:
        """What is stored of it now."""
        answer = await self.as_system("GET", self.one(sample))
        return answer.status, answer.body

    def _actor(self, person: Person, sample: Sample | None) -> Actor:
        if person.name == ANONYMOUS:
            return Actor()
        user = sample.owner if sample is not None and person.name == OWNER else person.user
        tenant = None
        if self.schema.tenant and person.member is not None and self.group is not None:
            own = self.base[self.group.name] if sample is None else sample.group
            tenant = self.elsewhere if person.name == ELSEWHERE else own
        here = frozenset({person.member}) if tenant and person.member else frozenset[str]()
        return Actor(
            user or "nobody",
            person.roles,
            authenticated=clock.now(),
            steps=self.steps,
            tenant=tenant,
            here=here,
        )

    async def ask(
        self,
        person: Person,
        sample: Sample | None,
        method: str,
        url: str,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        self.acting.now = self._actor(person, sample)
        return await self._sent(method, url, body, headers or {})

    async def as_system(self, method: str, url: str, body: Any = None) -> Reply:
        self.acting.now = SYSTEM
        return await self._sent(method, url, body, {})

    async def _sent(self, method: str, url: str, body: Any, headers: Mapping[str, str]) -> Reply:
        answer = await ask(self.app, method, url, body, {"authorization": SCHEME, **headers})
        if answer.status >= 500:
            raise AssertionError(f"{method} {url}: {answer.status} {answer.body.decode()}")
        return answer
