"""AUTHZ-2 and 7 of computed fields: each way to ask by one, against a plain oracle.

A computed field knows no more than who asks: a value that they may not read is null in it, and a
record that they may not see isn't counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator

import pytest

from abaft import Many, Me, Model, Ref, User, allow, computed, field
from scenarios import Api, serving

ACTORS = (None, "ann", "boss", "admin")
PEOPLE = {"al": (7, False), "bo": (9, False), "spy": (50, True), "cy": (3, False)}
"""Of each their pay, and whether they are secret."""
TEAMS = {"red": ("al", "spy"), "blue": ("bo", "cy"), "none": ()}
LEADS = {"red": "spy", "blue": "cy", "none": None}


class Person(Model, key="name", collection="people", stamps=False):
    name: str
    title: str
    pay: int
    secret: bool = False
    team: Ref[Team] | None = None

    @allow("read")
    def open_ones(person, me: Me) -> bool:
        return ~person.secret | me.has_role("boss")

    @allow("read", fields=["pay"])
    def for_the_boss(person, me: Me) -> bool:
        # Not of nobody at all: that would be refused by name.
        return me.has_role("boss") | (person.name == "nobody")

    @computed
    def year(person) -> int:
        return person.pay * 12


class Team(Model, key="name", stamps=False):
    name: str
    lead: Ref[Person] | None = None
    people: Many[Person] = field(back="team")

    @allow("read")
    def everyone(team, me: Me) -> bool:
        return True

    @computed
    def heads(team) -> int:
        return team.people.count()

    @computed
    def cost(team) -> int:
        return team.people.sum(lambda person: person.pay)

    @computed
    def top(team) -> str:
        return team.people.max(lambda person: person.name)

    @computed
    def lead_name(team) -> str:
        return team.lead.title

    @computed
    def lead_pay(team) -> int:
        return team.lead.pay + 1


FIELDS = ("heads", "cost", "top", "lead_name", "lead_pay")
Known = dict[str, dict[str, int | str | None]]


@pytest.fixture
async def api(database_url: str) -> AsyncIterator[Api]:
    async with serving(database_url, User, Person, Team) as api:
        await api.person("ann")
        await api.person("boss", "boss")
        for team in TEAMS:
            await api.db.create(Team, name=team)
        for name, (pay, secret) in PEOPLE.items():
            [team] = [team for team, names in TEAMS.items() if name in names]
            await api.db.create(
                Person, name=name, title=f"Dr {name}", pay=pay, secret=secret, team=team
            )
        for team, lead in LEADS.items():
            await api.db.update(await api.db.get(Team, team), lead=lead)
        yield api


def known(actor: str | None) -> Known:
    """What each computed field is for them."""
    all_of_it = actor in ("boss", "admin")
    seen = {name for name, (_, secret) in PEOPLE.items() if all_of_it or not secret}
    found: Known = {}
    for team, names in TEAMS.items():
        people = sorted(seen.intersection(names))
        pays = [PEOPLE[name][0] for name in people] if all_of_it else []
        lead = LEADS[team] if LEADS[team] in seen else None
        found[team] = {
            "heads": len(people),
            "cost": sum(pays) if pays else None,
            "top": people[-1] if people else None,
            "lead_name": f"Dr {lead}" if lead else None,
            "lead_pay": PEOPLE[lead][0] + 1 if lead and all_of_it else None,
        }
    return found


async def names(api: Api, query: str, actor: str | None) -> list[str]:
    return await api.items(f"/api/teams?{query}", actor, of="name")


@pytest.mark.parametrize("name", FIELDS)
@pytest.mark.slow
@pytest.mark.everywhere
async def test_authz_2_authz_7_each_way_to_ask_by_a_computed_field(api: Api, name: str) -> None:
    wrong = []
    values = {row[name] for actor in ACTORS for row in known(actor).values()}
    for actor in ACTORS:
        rows = {team: row[name] for team, row in known(actor).items()}
        shown = await api.items(f"/api/teams?fields=name,{name}", actor)
        if {row["name"]: row[name] for row in shown} != rows:
            wrong.append(("shown", actor, shown))
        for value in sorted(values - {None}, key=str):
            text = f"'{value}'" if isinstance(value, str) else value
            same = sorted(team for team, own in rows.items() if own == value)
            above = sorted(t for t, own in rows.items() if own is not None and own > value)  # type: ignore[operator]
            for query, expected in {
                f"{name}={value}&sort=name": same,
                f"{name}[gt]={value}&sort=name": above,
                f"filter={name} = {text}&sort=name": same,
                f"filter=not ({name} <= {text}) and {name} is not null&sort=name": above,
            }.items():
                found = await names(api, query, actor)
                if found != expected:
                    wrong.append((query, actor, found, expected))
            counted = await api.ask(f"GET /api/teams?{name}={value}&count=exact", actor)
            if counted.json()["count"] != len(same):
                wrong.append(("count", actor, value, counted.text))
            tied = await api.items(f"/api/people?team.{name}={value}&sort=name", actor, of="name")
            seen = actor in ("boss", "admin")
            people = [p for team in same for p in TEAMS[team] if seen or not PEOPLE[p][1]]
            if tied != sorted(people):
                wrong.append(("through a relation", actor, value, tied))
        # Null sorts last, and so does what is hidden; by name among themselves.
        there = sorted((v, team) for team, v in rows.items() if v is not None)
        order = [team for _, team in there] + sorted(t for t, v in rows.items() if v is None)
        if await names(api, f"sort={name},name", actor) != order:
            wrong.append(("sort", actor, order))
        groups = await api.items(f"/api/teams?aggregate=count&group={name}", actor)
        if {row[name]: row["count"] for row in groups} != Counter(rows.values()):
            wrong.append(("group", actor, groups))
        largest = await api.items(f"/api/teams?aggregate=max({name})", actor)
        present = [value for value in rows.values() if value is not None]
        if [*largest[0].values()] != [max(present) if present else None]:
            wrong.append(("max", actor, largest))
    assert not wrong, "\n".join(map(str, wrong))


async def test_authz_2_a_computed_value_of_a_masked_field_is_null_to_every_question(
    api: Api,
) -> None:
    for actor in (None, "ann"):
        assert await api.items("/api/people?sort=year,name", actor, of="name") == ["al", "bo", "cy"]
        assert await api.items("/api/people?fields=year", actor, of="year") == [None] * 3
        assert await api.items("/api/people?year[ge]=0", actor) == []
        assert await api.items("/api/people?filter=year is null&sort=name", actor, of="name") == [
            "al", "bo", "cy",
        ]  # fmt: skip
        groups = await api.items("/api/people?aggregate=count,sum(year)&group=year", actor)
        assert groups == [{"year": None, "count": 3, "sum_year": None}]
    assert await api.items("/api/people?sort=year", "boss", of="year") == [36, 84, 108, 600]


class Offer(Model, key="number", stamps=False):
    number: int
    cost: int = 0

    @allow("read")
    def everyone(offer, me: Me) -> bool:
        return True

    @allow("read", fields=["cost"])
    def for_the_boss(offer, me: Me) -> bool:
        return me.has_role("boss")

    @computed
    def price(offer) -> int:
        return offer.cost * 2


async def test_authz_2_of_a_field_that_is_out_of_reach_nothing_is_reckoned(
    database_url: str,
) -> None:
    async with serving(database_url, User, Offer) as api:
        await api.person("ann")
        await api.person("boss", "boss")
        await api.db.create(Offer, number=1, cost=5)
        assert await api.items("/api/offers", "boss") == [{"number": 1, "cost": 5, "price": 10}]
        for actor in ("ann", None):
            assert await api.items("/api/offers", actor) == [{"number": 1, "price": None}]
            assert (await api.ask("GET /api/offers/1", actor)).json() == {
                "number": 1,
                "price": None,
            }
            refused = await api.ask("GET /api/offers?price[gt]=1", actor)
            assert (refused.status_code, refused.json()["code"]) == (403, "field_forbidden")
