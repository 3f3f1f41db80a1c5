"""Two tenants with the same in each, for tests of what either sees of the other."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from abaft import Many, Membership, Model, Organisation, Ref, User, allow, computed, field, me
from scenarios import Api, serving


class Country(Model, tenant="shared"):
    name: str = field(max_length=40, unique=True)
    projects: Many[Project] = field(back="country")

    @allow("read", "create", "update")
    def everyone(country, me) -> bool:
        return True

    @computed
    def size(country) -> int:
        return country.projects.count()

    @allow("read", fields=["size"])
    def all_see_it(country, me) -> bool:
        return True


class Label(Model, unique=[("organisation", "name")]):
    name: str = field(max_length=40)
    organisation: Ref[Organisation] = field(on_delete="cascade")

    @allow("read", "create", "update", "delete")
    def everyone(label, me) -> bool:
        return True


class Project(Model, history=True, soft_delete=True):
    name: str = field(max_length=40, search=True)
    budget: int = 0
    code: str | None = field(default=None, max_length=10, unique=True)
    organisation: Ref[Organisation] = field(on_delete="cascade")
    country: Ref[Country] | None = None
    lead: Ref[User] | None = None
    labels: Many[Label]
    tasks: Many[Task] = field(back="project")

    @allow("read", "create", "update", "delete")
    def everyone(project, me) -> bool:
        return True


class Task(Model):
    title: str = field(max_length=40)
    project: Ref[Project] = field(on_delete="cascade")
    after: Ref[Task] | None = None
    by: Ref[User] | None = field(default=me)
    secret: str = field(default="", max_length=40)

    @allow("read", "create", "update", "delete")
    def everyone(task, me) -> bool:
        return True

    @allow("read", fields=["secret"])
    def owners(task, me) -> bool:
        return me.has_role_here("owner")


MODELS = (User, Organisation, Membership, Country, Label, Project, Task)


@asynccontextmanager
async def two(url: str, **options: Any) -> AsyncIterator[Api]:
    """Two organisations with the same in each: ann owns the red one, bob the blue one, eve is in
    both and joe in none."""
    options.setdefault("tenant", Organisation)
    async with serving(url, *MODELS, **options) as api:
        people = {name: await api.person(name) for name in ("ann", "bob", "eve", "joe")}
        db = api.db
        api.ids = {}  # type: ignore[attr-defined]
        land = await db.create(Country, name="Utopia")
        api.ids["country"] = str(land.id)  # type: ignore[attr-defined]
        for name, owner in (("red", "ann"), ("blue", "bob")):
            group = await db.create(Organisation, name=name)
            for who, role in ((owner, "owner"), ("eve", "member")):
                await db.create(Membership, user=people[who], organisation=group, role=role)
            label = await db.create(Label, name=f"{name} label", organisation=group)
            project = await db.create(
                Project,
                name=f"{name} project",
                budget=7,
                code=name,
                organisation=group,
                country=land,
                lead=people[owner],
                labels=[label],
            )
            task = await db.create(Task, title=f"{name} task", project=project, secret=name)
            found = {"": group, "label": label, "project": project, "task": task}
            api.ids |= {f"{name}{kind and ' '}{kind}": str(row.id) for kind, row in found.items()}  # type: ignore[attr-defined]
        api.ids |= {name: str(row.id) for name, row in people.items()}  # type: ignore[attr-defined]
        yield api


def ids(api: Any) -> dict[str, str]:
    found: dict[str, str] = api.ids
    return found
